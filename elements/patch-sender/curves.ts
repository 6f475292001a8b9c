// How good the video gets with its bit rate: normalised curves of the stream classes (LiveNAS 5.1 and
// figure 6), over bits per pixel so that they hold for every size and frame rate.
import measured from './curves.json' with { type: 'json' };

export interface CurvePoint {
  readonly bitsPerPixel: number;
  /** PSNR over the highest of the class. */
  readonly quality: number;
}

/** Bits per pixel and quality rise from point to point. */
export type Curve = readonly CurvePoint[];

const classes: Readonly<Record<string, Curve>> = measured.classes;

export const streamClasses: readonly string[] = Object.keys(classes);

/** An unknown class gets the mean of all that were measured. */
export function curveOf(streamClass: string): Curve {
  return classes[streamClass] ?? measured.classes.default;
}

/**
 * dB by one more bit/s at `videoBps`, where the video now has `psnrDb`. Between points quality goes
 * with the logarithm of the rate, beyond the ends as along the last piece.
 */
export function slopeDbPerBps(
  curve: Curve,
  psnrDb: number,
  videoBps: number,
  pixelsPerSecond: number,
): number {
  const bitsPerPixel = Math.max(1e-4, videoBps / Math.max(1, pixelsPerSecond));
  const found = curve.findIndex((point) => point.bitsPerPixel > bitsPerPixel);
  const upper = Math.max(1, found < 0 ? curve.length - 1 : found);
  const [a, b] = [curve[upper - 1], curve[upper]];
  if (!a || !b) return 0;
  const perLog = (b.quality - a.quality) / Math.log(b.bitsPerPixel / a.bitsPerPixel);
  const quality = a.quality + perLog * Math.log(bitsPerPixel / a.bitsPerPixel);
  // d quality / d rate, scaled to the quality of this stream.
  return ((psnrDb / Math.max(0.1, quality)) * perLog) / Math.max(1, videoBps);
}
