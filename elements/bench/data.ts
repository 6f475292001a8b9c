// Networks, pictures and training windows to compute on: the same at every run.
import { marginOf, native, type Architecture, type TrainingBatch } from '../bridge/index.ts';
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
