// What a gain is worth: by how much the video's rate would have to rise to be as much better by itself.
import { curveOf, type Curve } from '../../elements/patch-sender/curves.ts';

/**
 * PSNR that the curves of the stream classes (quality over the highest of the class) are scaled to. The
 * server tells gains, not levels; streams of 0.3-1 Mbit/s measured 33-38 dB.
 */
const usualPsnrDb = 36;
/** A gain that cannot be seen is worth nothing. */
const leastGainDb = 0.05;
/** Beyond that the curves say nothing. */
const mostShare = 3;

/** Between points quality goes with the logarithm of the rate, beyond the ends as along the last piece. */
function qualityAt(curve: Curve, bitsPerPixel: number): number {
  const found = curve.findIndex((point) => point.bitsPerPixel > bitsPerPixel);
  const upper = Math.max(1, found < 0 ? curve.length - 1 : found);
  const [a, b] = [curve[upper - 1], curve[upper]];
  if (!a || !b) return 1;
  const perLog = (b.quality - a.quality) / Math.log(b.bitsPerPixel / a.bitsPerPixel);
  return a.quality + perLog * Math.log(bitsPerPixel / a.bitsPerPixel);
}

/** Share of the video's rate, at most 3; null when there is nothing to say. */
export function worthOfGain(
  gainDb: number,
  videoBps: number,
  pixelsPerSecond: number,
  streamClass: string,
): number | null {
  if (!(gainDb >= leastGainDb) || !(videoBps > 0) || !(pixelsPerSecond > 0)) return null;
  const curve = curveOf(streamClass);
  const bitsPerPixel = videoBps / pixelsPerSecond;
  const now = qualityAt(curve, bitsPerPixel);
  const isEnough = (share: number): boolean =>
    (usualPsnrDb * (qualityAt(curve, bitsPerPixel * (1 + share)) - now)) / Math.max(0.1, now) >=
    gainDb;
  if (!isEnough(mostShare)) return mostShare;
  let [low, high] = [0, mostShare];
  while (high - low > 0.005) {
    const middle = (low + high) / 2;
    if (isEnough(middle)) high = middle;
    else low = middle;
  }
  return high;
}
