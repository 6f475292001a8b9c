// Networks, pictures and training windows to compute on: the same at every run.
import {
  marginOf,
  native,
  type Architecture,
  type Plane,
  type TrainingBatch,
  type TrainingPair,
} from '../bridge/index.ts';
import { openClip } from '../measure/clip.ts';
import { Y4mFile } from '../measure/y4m.ts';
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

/** A patch of 120x120 at x2 with what a receiver would have of it. */
export function testPatch(): TrainingPair {
  const side = 160;
  const patchSide = 120;
  const picture = testPicture(side, side);
  const { pixels: decoded } = coarselyCoded({ pixels: picture, width: side, height: side });
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

/** What texture memory is measured on: frames that its patches are cut from, and those that it then sees. */
export interface MemoryScene {
  readonly frames: readonly { readonly low: Plane; readonly high: Plane }[];
  /** Low-resolution pictures, one after the other. */
  readonly shown: readonly Plane[];
}

const storedFrames = 50;
const shownFrames = 25;
const sceneWidth = 1280;
const sceneHeight = 720;

/** A camera that pans over the test picture by two pixels a frame. */
export function testScene(): MemoryScene {
  const pan = 2;
  const wide = sceneWidth + pan * (storedFrames + shownFrames);
  const picture = testPicture(wide, sceneHeight);
  return sceneOf((frame) => {
    const pixels = new Uint8Array(sceneWidth * sceneHeight);
    for (let y = 0; y < sceneHeight; y++) {
      const from = y * wide + pan * frame;
      pixels.set(picture.subarray(from, from + sceneWidth), y * sceneWidth);
    }
    return { pixels, width: sceneWidth, height: sceneHeight };
  });
}

/** The first ten seconds of a clip, of which the last frames are shown one after the other. */
export async function clipScene(path: string): Promise<MemoryScene> {
  const clip = await openClip(path, 10, { width: sceneWidth, height: sceneHeight });
  const file = new Y4mFile(clip.path);
  const first = Math.max(0, file.frameCount - shownFrames);
  try {
    return sceneOf((frame) =>
      file.readLuma(
        frame < storedFrames
          ? Math.floor((frame * first) / storedFrames)
          : Math.min(first + frame - storedFrames, file.frameCount - 1),
      ),
    );
  } finally {
    file.close();
  }
}

function sceneOf(high: (frame: number) => Plane): MemoryScene {
  return {
    frames: Array.from({ length: storedFrames }, (_, frame) => {
      const picture = high(frame);
      return { low: coarselyCoded(picture), high: picture };
    }),
    shown: Array.from({ length: shownFrames }, (_, i) => coarselyCoded(high(storedFrames + i))),
  };
}

/** What a receiver would have of a picture at x2: shrunk, and coarsely coded. */
function coarselyCoded(high: Plane): Plane {
  const width = high.width / 2;
  const height = high.height / 2;
  const low = { pixels: native().resample('lanczos', high, width, height), width, height };
  const decoded = native().decodeJpegLuma(native().encodeJpegLuma(low, 40), width, height);
  return { ...low, pixels: decoded ?? low.pixels };
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
