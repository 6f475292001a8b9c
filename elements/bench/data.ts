// Networks, pictures and training windows to compute on: the same at every run.
import {
  marginOf,
  native,
  type Architecture,
  type TrainingBatch,
  type TrainingPair,
} from '../bridge/index.ts';
import { seededRandom } from '../patch-sender/random.ts';

/** Weights as large as trained ones, the last layer included (a new network's is zero). */
export function trainedLikeParameters(architecture: Architecture): Float32Array {
  const random = seededRandom(1);
  return native()
    .makeNetwork(architecture, 1)
    .map((value) => (value === 0 ? (random() - 0.5) * 0.05 : value));
}

/** Shades, edges and noise, 8-bit. */
export function testPicture(width: number, height: number): Uint8Array {
  const random = seededRandom(2);
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const x = i % width;
    const y = Math.floor(i / width);
    const shade = 128 + 60 * Math.sin(x / 40) * Math.cos(y / 30);
    const edge = (Math.floor(x / 13) + Math.floor(y / 11)) % 2 === 0 ? 30 : -30;
    return Math.max(0, Math.min(255, Math.round(shade + edge + 10 * (random() - 0.5))));
  });
}

/** A patch of 120x120 at x2 with what a receiver would have of it: shrunk, and coarsely coded. */
export function testPatch(): TrainingPair {
  const side = 160;
  const patchSide = 120;
  const picture = testPicture(side, side);
  const low = native().resample(
    'lanczos',
    { pixels: picture, width: side, height: side },
    side / 2,
    side / 2,
  );
  const coded = native().encodeJpegLuma({ pixels: low, width: side / 2, height: side / 2 }, 40);
  const decoded = native().decodeJpegLuma(coded, side / 2, side / 2) ?? low;
  const cut = (pixels: Uint8Array, width: number, from: number, wanted: number): Uint8Array =>
    Uint8Array.from(
      { length: wanted * wanted },
      (_, i) => pixels[(from + Math.floor(i / wanted)) * width + from + (i % wanted)] ?? 0,
    );
  return {
    width: patchSide,
    height: patchSide,
    low: cut(decoded, side / 2, 8, patchSide / 2 + 4),
    high: cut(picture, side, 20, patchSide),
  };
}

export function trainingBatch(
  architecture: Architecture,
  batch: number,
  window: number,
): TrainingBatch {
  const random = seededRandom(3);
  const side = window + 2 * marginOf(architecture);
  const outputs = window * window * architecture.scale ** 2;
  return {
    batch,
    width: window,
    height: window,
    low: Float32Array.from({ length: batch * side * side }, random),
    residual: Float32Array.from({ length: batch * outputs }, () => 0.2 * (random() - 0.5)),
    charbonnier: 0.01,
  };
}
