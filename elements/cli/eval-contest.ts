// `livesr eval --trace`: what is printed and kept while clips meet traces.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import {
  contest,
  means,
  type ContestEvaluation,
  type ContestRequest,
  type SchemeMean,
} from '../measure/contest.ts';
import { sharingPage } from '../measure/sharing-plot.ts';
import { Failure } from './failure.ts';
import { textTable } from './text-table.ts';

interface Kept {
  readonly settings: unknown;
  readonly evaluations: readonly ContestEvaluation[];
  readonly means: Readonly<Record<string, SchemeMean | undefined>>;
}

export type ContestSettings = Omit<ContestRequest, 'onProgress' | 'onEvaluation'>;

/** What a broken-off run of the same command left in its --json file. */
function readKept(file: string, settings: ContestSettings): readonly ContestEvaluation[] {
  if (!existsSync(file)) return [];
  let kept: Partial<Kept>;
  try {
    kept = JSON.parse(readFileSync(file, 'utf8')) as Partial<Kept>;
  } catch {
    throw new Failure(`--json ${file}: is there and no JSON; move it away`);
  }
  if (JSON.stringify(kept.settings) !== JSON.stringify(settings)) {
    throw new Failure(`--json ${file}: is of another command; move it away or name another file`);
  }
  return kept.evaluations ?? [];
}

/** One line a scheme, each as soon as its clip and trace are done; the means at the end. */
export async function runContest(
  settings: ContestSettings,
  { json, plot }: { readonly json?: string; readonly plot?: string },
): Promise<void> {
  const file = json === '-' ? undefined : json;
  const print = json === '-' ? console.error : console.log;
  const known = file === undefined ? [] : readKept(file, settings);
  const done: ContestEvaluation[] = [];
  const keep = (): string => {
    const kept: Kept = { settings, evaluations: done, means: means(done) };
    return `${JSON.stringify(kept, null, 2)}\n`;
  };
  await contest(
    {
      ...settings,
      onProgress: (what) => {
        console.error(`  ${what}`);
      },
      onEvaluation: (evaluation) => {
        done.push(evaluation);
        print(`${evaluationLines(evaluation)}\n`);
        if (file !== undefined) writeFileSync(file, keep());
      },
    },
    known,
  );
  print(meansTable(done));
  if (plot !== undefined) writeFileSync(plot, sharingPage(done));
  if (json === '-') process.stdout.write(keep());
}

export function evaluationLines({ clip, trace, uplinkKbps, schemes }: ContestEvaluation): string {
  const optimalDb = schemes.optimal?.psnrYDb;
  const rows = Object.entries(schemes).flatMap(([name, scheme]) => {
    if (!scheme) return [];
    const { psnrYDb, videoKbps, patchKbps, sharing } = scheme;
    const overDb = optimalDb === undefined ? '' : signed(psnrYDb - optimalDb);
    return [
      [
        name,
        psnrYDb.toFixed(3),
        overDb,
        videoKbps.toFixed(0),
        patchKbps.toFixed(1),
        ...(sharing
          ? [
              percent(sharing.filled),
              percent(sharing.mostInSpan),
              sharing.longestQueueSeconds.toFixed(2),
            ]
          : []),
      ],
    ];
  });
  const head = [
    'scheme',
    'PSNR',
    'over opt.',
    'video',
    'patches',
    'filled %',
    'most in 2 s %',
    'queue s',
  ];
  return `${basename(clip)} over ${basename(trace)}, ${uplinkKbps.toFixed(0)} kbit/s\n${textTable([head, ...rows])}`;
}

export function meansTable(evaluations: readonly ContestEvaluation[]): string {
  const rows = Object.entries(means(evaluations)).flatMap(([name, one]) =>
    one === undefined
      ? []
      : [
          [
            name,
            one.psnrYDb.toFixed(3),
            one.overOptimalDb === undefined ? '' : signed(one.overOptimalDb),
            one.patchKbps.toFixed(1),
            percent(one.filled),
            percent(one.mostInSpan),
          ],
        ],
  );
  const head = ['scheme', 'PSNR', 'over opt.', 'patches', 'filled %', 'most in 2 s %'];
  return `means of ${evaluations.length}; the most in 2 s is that of all\n${textTable([head, ...rows])}`;
}

const signed = (db: number): string => `${db < 0 ? '' : '+'}${db.toFixed(3)}`;
const percent = (share: number): string => (100 * share).toFixed(1);
