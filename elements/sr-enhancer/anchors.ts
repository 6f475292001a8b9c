// Pictures that need no patch to be known: one flat level each. A few patches leave most levels
// untouched, and a network trained on them alone was measured up to 11 levels off on flat pictures of
// levels it had not seen; a cut to black or to a slide would show that.
import type { TrainingPair } from '../bridge/index.ts';

/** Over the whole range, black (16) and white (235) among them. */
export const anchorLevels = [
  0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 235, 255,
] as const;

/** Levels that fill whole pictures: fades, slides, letter boxes. They must be shown as they are. */
export const exactLevels: ReadonlySet<number> = new Set([0, 16, 235, 255]);

/** The anchors' share of the draws: gains at 3 s and 10 s were the same with it and without. */
export const anchorShare = 0.06;

/** At most this error on the exact levels: one pixel of four off by one level, where rounding falls. */
export const mostAnchorError = 0.3;

/** Low-resolution side: one training window (core's default), so that every draw is whole. */
const lowSide = 40;

export function anchorPair(level: number, scale: number, margin: number): TrainingPair {
  const side = lowSide * scale;
  return {
    width: side,
    height: side,
    low: new Uint8Array((lowSide + 2 * margin) ** 2).fill(level),
    high: new Uint8Array(side ** 2).fill(level),
  };
}
