// Which decoded frame of the stream shows which frame of the canvas. OBS's clock and the stream's differ
// by a constant that holds for as long as the stream does: it is found by content (calibrate), and every
// frame is checked by content once more before a patch is made from it (judge), since an encoder that
// falls behind repeats the frame before. Pure.
import { meanSquaredError, type Luma } from './picture.ts';

/** A decoded frame, shrunk. */
export interface StreamFrame {
  readonly timeNs: number;
  readonly small: Luma;
  /** When it came, on the controller's clock. */
  readonly atMs: number;
}

/** A frame of the canvas, shrunk likewise. */
export interface CanvasMoment {
  readonly frameTimeNs: bigint;
  readonly small: Luma;
  readonly atMs: number;
}

/** OBS's pipeline, its encoder and the way to here take so long at most. */
const latestMs = 3000;
/** Clocks are of one machine; a frame may be read a little after it was encoded. */
const earliestMs = -200;
const momentsNeeded = 8;
/** How much worse the second best must be: frames that move differ by far more. */
const distinct = 1.5;
const distinctError = 0.3;
/** Share of the moments that must see it so by themselves, of those that see anything. */
const agreement = 0.75;

const nsBetween = (later: number, earlier: bigint): number =>
  Number(BigInt(Math.round(later)) - earlier);

/**
 * What to add to a canvas frame's time to have the stream's, in ns. undefined: too little has moved, or
 * too few moments are here.
 */
export function calibrate(
  moments: readonly CanvasMoment[],
  frames: readonly StreamFrame[],
  frameIntervalNs: number,
): number | undefined {
  const [firstMoment] = moments;
  const [firstFrame] = frames;
  if (!firstMoment || !firstFrame || moments.length < momentsNeeded) return undefined;
  const originNs = nsBetween(firstFrame.timeNs, firstMoment.frameTimeNs);

  /** By offset in frames from the origin: errors, one for each moment that has a frame there. */
  const candidates = new Map<number, { errors: number[]; drifts: number[] }>();
  const wins = new Map<number, number>();
  let voters = 0;
  for (const moment of moments) {
    const seen: { offset: number; error: number }[] = [];
    for (const frame of frames) {
      const laterMs = frame.atMs - moment.atMs;
      if (laterMs < earliestMs || laterMs > latestMs) continue;
      const exactly = (nsBetween(frame.timeNs, moment.frameTimeNs) - originNs) / frameIntervalNs;
      const offset = Math.round(exactly);
      const error = meanSquaredError(moment.small, frame.small);
      const candidate = candidates.get(offset) ?? { errors: [], drifts: [] };
      candidate.errors.push(error);
      candidate.drifts.push((exactly - offset) * frameIntervalNs);
      candidates.set(offset, candidate);
      seen.push({ offset, error });
    }
    seen.sort((a, b) => a.error - b.error);
    const [best, second] = seen;
    if (best && second && isDistinct(best.error, second.error)) {
      voters++;
      wins.set(best.offset, (wins.get(best.offset) ?? 0) + 1);
    }
  }

  const whole = [...candidates]
    .filter(([, { errors }]) => errors.length >= 0.9 * moments.length)
    .map(([offset, { errors, drifts }]) => ({ offset, error: mean(errors), drift: mean(drifts) }))
    .sort((a, b) => a.error - b.error);
  const [best, second] = whole;
  if (!best || !second || !isDistinct(best.error, second.error)) return undefined;
  if (voters < momentsNeeded / 2 || (wins.get(best.offset) ?? 0) < agreement * voters)
    return undefined;
  return originNs + best.offset * frameIntervalNs + best.drift;
}

const isDistinct = (best: number, second: number): boolean =>
  second > best * distinct + distinctError;

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

export type Verdict =
  /** The frame with this time shows what the canvas showed. */
  | { readonly kind: 'same'; readonly timeNs: number; readonly error: number }
  /** Frames that are needed to tell may still come. */
  | { readonly kind: 'wait' }
  /** The stream has no such frame: skipped, or repeated in its place. */
  | { readonly kind: 'missing' }
  /** Another frame near it fits better, or none fits. */
  | { readonly kind: 'different' };

/** A still picture gets better from frame to frame, so that a later one may fit a little better. */
const tolerance = 1.25;
const toleranceError = 0.5;
/** Two frames less apart than this are one that was repeated, where the canvas moved. */
const repeatedError = 0.02;

/** `usualError`: of frames that were accepted; 0: none yet. */
export function judge(
  moment: CanvasMoment,
  frames: readonly StreamFrame[],
  offsetNs: number,
  frameIntervalNs: number,
  usualError: number,
): Verdict {
  const wantedNs = Number(moment.frameTimeNs + BigInt(Math.round(offsetNs)));
  const index = frames.findIndex(({ timeNs }) => Math.abs(timeNs - wantedNs) < frameIntervalNs / 4);
  const latestNs = frames.at(-1)?.timeNs ?? -Infinity;
  // Two that follow must be here.
  if (latestNs < wantedNs + 1.75 * frameIntervalNs) return { kind: 'wait' };
  const frame = frames[index];
  if (!frame) return { kind: 'missing' };
  const error = meanSquaredError(moment.small, frame.small);
  const bound = error <= 0 ? 0 : (error - toleranceError) / tolerance;
  for (const other of [index - 2, index - 1, index + 1, index + 2]) {
    const near = frames[other];
    if (near && meanSquaredError(moment.small, near.small) < bound) return { kind: 'different' };
  }
  const before = frames[index - 1];
  const isUnusual = usualError > 0 && error > 2 * usualError + 1;
  if (isUnusual && before && meanSquaredError(before.small, frame.small) < repeatedError) {
    return { kind: 'different' };
  }
  if (usualError > 0 && error > 6 * usualError + 6) return { kind: 'different' };
  return { kind: 'same', timeNs: frame.timeNs, error };
}

/** A picture without a time, asked for at `atMs`. */
export interface Shot {
  readonly small: Luma;
  readonly atMs: number;
}

/**
 * The frame that shows the same as a screenshot; undefined while none does so better than all others. One
 * of the last two is not taken: the frames after it may fit better.
 */
export function locate(shot: Shot, frames: readonly StreamFrame[]): StreamFrame | undefined {
  const candidates = frames
    .filter(({ atMs }) => atMs - shot.atMs >= earliestMs && atMs - shot.atMs <= latestMs)
    .map((frame) => ({ frame, error: meanSquaredError(shot.small, frame.small) }))
    .sort((a, b) => a.error - b.error);
  const [best, second] = candidates;
  if (!best || !second || !isDistinct(best.error, second.error)) return undefined;
  return frames.slice(-2).includes(best.frame) ? undefined : best.frame;
}
