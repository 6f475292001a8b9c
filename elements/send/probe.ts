// What is in a media file, as GStreamer would play it: looked at before a sender starts, since which
// tracks there are decides which pipeline can run.
import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '../cli/failure.ts';
import type { BusMessage } from '../measure/pipeline-messages.ts';
import { Pipeline, quoted } from '../measure/pipeline.ts';
import { numberField, parseStructure } from '../measure/structure.ts';
import type { FileSound } from './sound.ts';

/** What decodebin need not decode further: AAC goes into MPEG-TS as it is. */
export const keptMedia =
  'video/x-raw(ANY);audio/x-raw(ANY);' +
  'audio/mpeg,mpegversion=(int){2,4},stream-format=(string){raw,adts}';

const branches = ['picture', 'aac', 'other'] as const;
type Branch = (typeof branches)[number];

const media: Readonly<Record<Branch, string>> = {
  picture: 'video/x-raw(ANY)',
  aac: 'audio/mpeg',
  other: 'audio/x-raw(ANY)',
};

const longestMs = 20_000;

function probeLaunch(file: string): string {
  const sinks = branches.map(
    (name) => `file. ! ${media[name]} ! fakesink name=${name} sync=false async=false`,
  );
  return `filesrc location=${quoted(file)} ! decodebin name=file caps=${quoted(keptMedia)} ${sinks.join(' ')}`;
}

/** The branch for which the file has nothing, as GStreamer says it of a launch line. */
function missingBranch({ type, fields }: BusMessage): Branch | undefined {
  const debug = fields.debug;
  if (type !== 'warning' || typeof debug !== 'string') return undefined;
  return branches.find(
    (name) => debug.includes(`failed delayed linking`) && debug.endsWith(` ${name}`),
  );
}

export async function probeFile(file: string): Promise<FileSound> {
  const missing = new Set<Branch>();
  const found = new Set<Branch>();
  const ending = { over: false };
  const pipeline = new Pipeline({
    name: `looking at ${file}`,
    launch: probeLaunch(file),
    onMessage: (message) => {
      const branch = missingBranch(message);
      if (branch !== undefined) missing.add(branch);
    },
  });
  const done = pipeline.done.finally(() => {
    ending.over = true;
  });
  done.catch(() => undefined);
  const isKnown = (): boolean => branches.every((name) => found.has(name) || missing.has(name));
  for (let waited = 0; !isKnown() && !ending.over && waited < longestMs; waited += 100) {
    await Promise.race([delay(100), done.catch(() => undefined)]);
    for (const name of branches) {
      const stats = parseStructure(await pipeline.get(name, 'stats'));
      if (numberField(stats, 'rendered') > 0) found.add(name);
    }
  }
  // Whatever ended it before all was known; a file that is over in no time has been seen by its links.
  if (ending.over) await done;
  else await pipeline.stop();
  const has = (name: Branch): boolean => found.has(name) || (ending.over && !missing.has(name));
  if (!has('picture')) {
    throw new Failure(`${file} has no picture that GStreamer can decode: give a video file`);
  }
  return has('aac') ? 'aac' : has('other') ? 'other' : 'none';
}
