// Which weights the picture gets. Evidence are patches scored while they were not trained on; a
// challenger replaces the live weights only when paired scores say that it is better.
import type { WeightSource } from '../channel/messages.ts';

/**
 * Challengers that training offers: this share of the way from the generic to the trained weights.
 * The way's middle is safer than its end while patches are few: over the first 6 s of the test clips
 * a share of 0.7 gained as much as the full way, and its worst frames lost 0.05 dB where those of
 * the full way lost 0.4; with strong content (graphics) the full way gains up to twice as much later.
 */
export const shares = [0.4, 0.7, 1] as const;

/** Mean squared errors of one patch's picture, 8-bit units. */
export interface Scores {
  readonly bicubic: number;
  readonly generic: number;
  readonly live: number;
  /** One for each of `shares`. */
  readonly candidates: readonly number[];
}

/** A number is an index of `shares`. */
export type Contender = 'bicubic' | 'generic' | 'live' | number;
export type Challenger = 'bicubic' | 'generic' | number;

/** Below this a difference is invisible and mostly rounding: 54 dB. */
const floorError = 0.25;
/** A mean gain below 0.02 dB is not worth a swap: the best of many looks at equal weights gets there. */
const leastLogGain = 0.005;
/** Keeps t finite when all differences are equal. */
const leastDeviation = 1e-4;

function errorOf(scores: Scores, contender: Contender): number {
  if (typeof contender === 'number') return scores.candidates[contender] ?? Infinity;
  return scores[contender];
}

function logError(scores: Scores, contender: Contender): number {
  return Math.log(errorOf(scores, contender) + floorError);
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

/** How much better (dB, mean over the patches) `b` shows them than `a`; null without evidence. */
export function differenceDb(
  evidence: readonly Scores[],
  a: Contender,
  b: Contender,
): number | null {
  return meanGainDb(
    evidence.map((scores) => errorOf(scores, a)),
    evidence.map((scores) => errorOf(scores, b)),
  );
}

/** The same of bare mean squared errors, patch by patch. */
export function meanGainDb(a: ArrayLike<number>, b: ArrayLike<number>): number | null {
  if (a.length === 0) return null;
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    sum += Math.log(((a[i] ?? 0) + floorError) / ((b[i] ?? 0) + floorError));
  }
  return ((10 / Math.LN10) * sum) / a.length;
}

/** Mean gain over bicubic in dB; null without evidence. */
export function gainDb(evidence: readonly Scores[], contender: Contender): number | null {
  return differenceDb(evidence, 'bicubic', contender);
}

/**
 * The same as whole frames show it: their PSNR is of the sum of all errors, so that what is hardest
 * counts most. Juggling at 1000 kbit/s gains 0.5 dB on patches in the mean, and 0.1 on frames.
 */
export function pooledGainDb(evidence: readonly Scores[], contender: Contender): number | null {
  if (evidence.length === 0) return null;
  const ratio =
    (totalError(evidence, 'bicubic') + floorError) / (totalError(evidence, contender) + floorError);
  return 10 * Math.log10(ratio);
}

export interface Evidence {
  /** Patches held out, scored by the weights of this moment. */
  readonly held: readonly Scores[];
  /** The latest arrivals since the live weights changed, each scored before it was trained on. */
  readonly arrivals: readonly Scores[];
}

/** Latest arrivals that count (FIELD-NOTES quality 5). */
export const mostArrivals = 16;

/**
 * Falling back is the safe side: a low bar, on the latest patches alone, so that held ones of a scene
 * that has gone do not outvote the new one.
 */
const leastForRetreat = 3;
const barForRetreat = 1;

/** One patch that the live weights show worse than bicubic by so much is no chance. */
export const alarmDb = 1;

/** The arrivals that still count when `challenger` has become live. */
export function afterSwap(arrivals: readonly Scores[], challenger: Challenger): Scores[] {
  // They were scored by candidates that training has since replaced, not by the one now live.
  if (typeof challenger === 'number') return [];
  return arrivals.map((scores) => ({ ...scores, live: scores[challenger] }));
}

/** The latest arrivals on which `live` lost to `refuge` without exception: those of the new scene. */
export function lostTo(arrivals: readonly Scores[], refuge: Challenger): readonly Scores[] {
  const lastWon = arrivals.findLastIndex((s) => errorOf(s, 'live') <= errorOf(s, refuge));
  return arrivals.slice(lastWon + 1);
}

/** How clear the case must be: FIELD-NOTES quality 5, and a higher bar for less evidence. */
function barOf(patches: number): number {
  if (patches < 3) return Infinity;
  if (patches < 4) return 2;
  return patches < 8 ? 1.5 : 1;
}

/** A bolder share must be clearly better than a more careful one. */
const barForBolder = 1;

/**
 * The challenger that should replace the live weights, if any, `retreat` included. `candidateAllowed`: which of the
 * shares may be shown at all.
 */
export function judge(
  evidence: Evidence,
  live: WeightSource,
  candidateAllowed: readonly boolean[],
): Challenger | undefined {
  return (
    retreat(evidence.arrivals, live) ??
    advance([...evidence.held, ...evidence.arrivals], live, candidateAllowed)
  );
}

function totalError(evidence: readonly Scores[], contender: Contender): number {
  return evidence.reduce((sum, scores) => sum + errorOf(scores, contender), 0);
}

/** Patch by patch, and in the sum of errors too, which is what PSNR sees. */
function beats(evidence: readonly Scores[], a: Contender, b: Contender, bar: number): boolean {
  const { mean, t } = paired(evidence, a, b);
  return t < -bar && mean < -leastLogGain && totalError(evidence, a) <= totalError(evidence, b);
}

/** The better of the refuges, when the latest patch alone says that the live weights do harm. */
function alarm(
  arrivals: readonly Scores[],
  refuges: readonly Challenger[],
): Challenger | undefined {
  const latest = arrivals.at(-1);
  if (latest === undefined) return undefined;
  const gain = meanGainDb([latest.bicubic], [latest.live]) ?? 0;
  return gain < -alarmDb
    ? refuges.toSorted((a, b) => errorOf(latest, a) - errorOf(latest, b))[0]
    : undefined;
}

/** Where to fall back to on the latest patches, if it must be. */
export function retreat(arrivals: readonly Scores[], live: WeightSource): Challenger | undefined {
  if (live === 'bicubic') return undefined;
  const refuges: Challenger[] = live === 'generic' ? ['bicubic'] : ['generic', 'bicubic'];
  const alarmed = alarm(arrivals, refuges);
  if (alarmed !== undefined || arrivals.length < leastForRetreat) return alarmed;
  return refuges
    .filter((refuge) => beats(arrivals, refuge, 'live', barForRetreat))
    .sort((a, b) => totalError(arrivals, a) - totalError(arrivals, b))[0];
}

function advance(
  evidence: readonly Scores[],
  live: WeightSource,
  candidateAllowed: readonly boolean[],
): Challenger | undefined {
  const bar = barOf(evidence.length);
  const rivals: Contender[] = ['live', 'generic', 'bicubic'];
  let chosen: number | undefined;
  for (const share of shares.keys()) {
    if (!candidateAllowed[share]) continue;
    if (!rivals.every((rival) => beats(evidence, share, rival, bar))) continue;
    if (chosen === undefined || beats(evidence, share, chosen, barForBolder)) chosen = share;
  }
  if (chosen !== undefined) return chosen;
  return live === 'bicubic' && beats(evidence, 'generic', 'bicubic', bar) ? 'generic' : undefined;
}
