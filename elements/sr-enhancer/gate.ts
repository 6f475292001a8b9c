// Which weights the picture gets. Evidence are patches scored while they were not trained on; a
// challenger replaces the live weights only when paired scores say that it is better.
import type { WeightSource } from '../channel/messages.ts';

/** Mean squared errors of one patch's picture, 8-bit units. */
export interface Scores {
  readonly bicubic: number;
  readonly generic: number;
  readonly live: number;
  readonly candidate: number;
}

export type Contender = keyof Scores;
export type Challenger = 'bicubic' | 'generic' | 'candidate';

/** Below this a difference is invisible and mostly rounding: 54 dB. */
const floorError = 0.25;
/** A mean gain below 0.02 dB is not worth a swap: the best of many looks at equal weights gets there. */
const leastLogGain = 0.005;
/** Keeps t finite when all differences are equal. */
const leastDeviation = 1e-4;

function logError(scores: Scores, contender: Contender): number {
  return Math.log(scores[contender] + floorError);
}

/** Student's t of the paired log errors, and their mean: negative when `a` is the better one. */
export function paired(
  evidence: readonly Scores[],
  a: Contender,
  b: Contender,
): { readonly t: number; readonly mean: number } {
  const n = evidence.length;
  if (n < 2) return { t: 0, mean: 0 };
  const differences = evidence.map((scores) => logError(scores, a) - logError(scores, b));
  const mean = differences.reduce((sum, d) => sum + d, 0) / n;
  const variance = differences.reduce((sum, d) => sum + (d - mean) ** 2, 0) / (n - 1);
  return { t: mean / (Math.sqrt(variance / n) + leastDeviation), mean };
}

/** Mean gain over bicubic in dB; null without evidence. */
export function gainDb(evidence: readonly Scores[], contender: Contender): number | null {
  if (evidence.length === 0) return null;
  const sum = evidence.reduce(
    (total, scores) => total + logError(scores, 'bicubic') - logError(scores, contender),
    0,
  );
  return ((10 / Math.LN10) * sum) / evidence.length;
}

export interface Evidence {
  /** Patches held out, scored by the weights of this moment. */
  readonly held: readonly Scores[];
  /** The latest arrivals since the live weights changed, each scored before it was trained on. */
  readonly arrivals: readonly Scores[];
}

/** Latest arrivals that count (FIELD-NOTES quality 5). */
export const mostArrivals = 16;

/** FIELD-NOTES quality 5: n >= 4 worked; with few patches a higher bar avoids the false swap seen. */
const leastEvidence = 4;
const muchEvidence = 8;
const barWithMuch = 1.5;
const barWithLittle = 2;
/** Falling back is the safe side: a lower bar, on the latest patches alone. */
const leastForRetreat = 3;
const barForRetreat = 1;

/** The challenger that should replace the live weights, if any. */
export function judge(evidence: Evidence, live: WeightSource): Challenger | undefined {
  return (
    retreat(evidence.arrivals, live) ?? advance([...evidence.held, ...evidence.arrivals], live)
  );
}

function totalError(evidence: readonly Scores[], contender: Contender): number {
  return evidence.reduce((sum, scores) => sum + scores[contender], 0);
}

/** In what a viewer and PSNR see too, not only patch by patch. */
function beats(evidence: readonly Scores[], a: Contender, b: Contender, bar: number): boolean {
  const { mean, t } = paired(evidence, a, b);
  return t < -bar && mean < -leastLogGain && totalError(evidence, a) <= totalError(evidence, b);
}

function retreat(arrivals: readonly Scores[], live: WeightSource): Challenger | undefined {
  if (arrivals.length < leastForRetreat || live === 'bicubic') return undefined;
  const refuges: Challenger[] = live === 'online' ? ['generic', 'bicubic'] : ['bicubic'];
  return refuges
    .filter((refuge) => beats(arrivals, refuge, 'live', barForRetreat))
    .sort((a, b) => totalError(arrivals, a) - totalError(arrivals, b))[0];
}

function advance(evidence: readonly Scores[], live: WeightSource): Challenger | undefined {
  const n = evidence.length;
  if (n < leastEvidence) return undefined;
  const bar = n < muchEvidence ? barWithLittle : barWithMuch;
  const rivals: Contender[] = ['live', 'generic', 'bicubic'];
  if (rivals.every((rival) => beats(evidence, 'candidate', rival, bar))) return 'candidate';
  if (live === 'bicubic' && beats(evidence, 'generic', 'bicubic', bar)) return 'generic';
  return undefined;
}
