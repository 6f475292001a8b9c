// `livesr eval --trace`: each clip on its own over traces of real uplinks, one evaluation after the
// other, and the means over all of them.
import { evaluate, type Evaluation, type EvaluationRequest, type SchemeName } from './evaluate.ts';
import { mean } from './summary.ts';
import { scaledTrace, type RateRange } from './uplink.ts';

export interface ContestRequest extends Omit<EvaluationRequest, 'uplink'> {
  readonly traces: readonly string[];
  readonly range: RateRange;
  /** The n-th clip gets so many from the n-th on; 0: all. */
  readonly tracesPerClip: number;
  /** Told each evaluation as soon as it is there. */
  readonly onEvaluation: (evaluation: ContestEvaluation) => void;
}

export interface ContestEvaluation extends Evaluation {
  readonly trace: string;
}

export interface SchemeMean {
  readonly psnrYDb: number;
  /** Over the offline optimum; there when that was run. */
  readonly overOptimalDb?: number;
  readonly filled: number;
  /** Of all evaluations. */
  readonly mostInSpan: number;
  readonly patchKbps: number;
}

/** Which clip meets which trace. */
export function pairs(
  clips: readonly string[],
  traces: readonly string[],
  tracesPerClip: number,
): { readonly clip: string; readonly trace: string }[] {
  const each = tracesPerClip === 0 ? traces.length : Math.min(tracesPerClip, traces.length);
  return clips.flatMap((clip, index) =>
    Array.from({ length: each }, (_, i) => ({
      clip,
      trace: traces[(index + i) % traces.length] ?? '',
    })),
  );
}

/** `known`: evaluations that an earlier, broken-off run of the same command has left. */
export async function contest(
  request: ContestRequest,
  known: readonly ContestEvaluation[],
): Promise<ContestEvaluation[]> {
  const { clips, traces, tracesPerClip, seconds, range } = request;
  const evaluations: ContestEvaluation[] = [];
  for (const { clip, trace } of pairs(clips, traces, tracesPerClip)) {
    const before = known.find((one) => one.clip === clip && one.trace === trace);
    const evaluation = before ?? {
      ...(await evaluate({
        ...request,
        clips: [clip],
        uplink: scaledTrace(trace, seconds, range),
      })),
      trace,
    };
    evaluations.push(evaluation);
    request.onEvaluation(evaluation);
  }
  return evaluations;
}

export function means(
  evaluations: readonly ContestEvaluation[],
): Partial<Record<SchemeName, SchemeMean>> {
  const names = Object.keys(evaluations[0]?.schemes ?? {}) as SchemeName[];
  return Object.fromEntries(
    names.map((name) => {
      const all = evaluations.flatMap(({ schemes }) => schemes[name] ?? []);
      const sharing = all.flatMap((scheme) => scheme.sharing ?? []);
      const overOptimal = evaluations.flatMap(({ schemes: { [name]: one, optimal } }) =>
        one && optimal ? [one.psnrYDb - optimal.psnrYDb] : [],
      );
      return [
        name,
        {
          psnrYDb: mean(all.map(({ psnrYDb }) => psnrYDb)),
          ...(overOptimal.length > 0 && { overOptimalDb: mean(overOptimal) }),
          filled: mean(sharing.map(({ filled }) => filled)),
          mostInSpan: Math.max(...sharing.map(({ mostInSpan }) => mostInSpan)),
          patchKbps: mean(all.map(({ patchKbps }) => patchKbps)),
        },
      ];
    }),
  );
}
