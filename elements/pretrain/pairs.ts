// Training pairs from clips: windows of high-resolution frames with the low-resolution neighbourhood
// that the receiver would have, clean and through the encoder at several qualities.
import { native, type Native, type Plane, type TrainingPair } from '../bridge/index.ts';
import { clipHeight, clipWidth, drawClip, framesPerClip, isFilmed } from './clips.ts';
import { throughEncoder } from './codec.ts';
import { Random } from './random.ts';

/** Side of a pair in high-resolution pixels; 2, 3 and 4 divide it. */
export const pairSide = 120;

/** x264's constant rate factors; null is the downscaled picture as it is. */
export const qualities: readonly (number | null)[] = [null, 20, 23, 26, 29, 32, 35, 38];

/** A crop with `margin` pixels around it, edges replicated beyond the plane. */
export const cropWithMargin = (
  plane: Plane,
  x: number,
  y: number,
  width: number,
  height: number,
  margin: number,
): Uint8Array => {
  const side = width + 2 * margin;
  const out = new Uint8Array(side * (height + 2 * margin));
  for (let row = 0; row < height + 2 * margin; row++) {
    const from = Math.max(0, Math.min(plane.height - 1, y - margin + row)) * plane.width;
    for (let column = 0; column < side; column++) {
      const at = Math.max(0, Math.min(plane.width - 1, x - margin + column));
      out[row * side + column] = plane.pixels[from + at] ?? 0;
    }
  }
  return out;
};

/** A network of scale 1 restores what was sent at two thirds of the size and enlarged plainly. */
export const sentScale = (scale: number): number => (scale === 1 ? 1.5 : scale);

/** What the network is given of a decoded picture. */
export const givenPicture = (core: Native, scale: number, decoded: Plane): Plane => {
  if (scale > 1) return decoded;
  const width = decoded.width * sentScale(scale);
  const height = decoded.height * sentScale(scale);
  return { pixels: core.resample('lanczos', decoded, width, height), width, height };
};

/** Cuts the pair whose low-resolution corner is (x, y). */
export const cutPair = (
  high: Plane,
  low: Plane,
  scale: number,
  x: number,
  y: number,
  margin: number,
): TrainingPair => {
  const lowSide = pairSide / scale;
  return {
    width: pairSide,
    height: pairSide,
    low: cropWithMargin(low, x, y, lowSide, lowSide, margin),
    high: cropWithMargin(high, x * scale, y * scale, pairSide, pairSide, 0),
  };
};

const variance = (plane: Plane, x: number, y: number): number => {
  let sum = 0;
  let squares = 0;
  const step = 4;
  const count = (pairSide / step) ** 2;
  for (let row = y; row < y + pairSide; row += step)
    for (let column = x; column < x + pairSide; column += step) {
      const value = plane.pixels[row * plane.width + column] ?? 0;
      sum += value;
      squares += value * value;
    }
  return squares / count - (sum / count) ** 2;
};

export interface PairPlan {
  readonly scale: number;
  readonly margin: number;
  readonly seed: number;
  readonly photos: readonly string[];
  readonly clips: number;
  /** Windows of each clip at each quality. */
  readonly windows: number;
}

/** Clips that share one encoder process: enough to make its start cheap, few enough for memory. */
const clipsPerRun = 16;

/**
 * How often a page is drawn next to a photograph. At 1 the hard edges of pages take over: footage of
 * cameras gains 0.1 to 0.2 dB less. At 0.1 screens and games lose 0.4 dB (x2, 600 kbit/s).
 */
const pageWeight = 0.3;

export interface WeightedPair {
  readonly pair: TrainingPair;
  readonly weight: number;
}

/**
 * One pair of each level: footage hardly ever shows luma below 16, and a network that has not seen
 * it changes black.
 */
const flatPairs = function* (scale: number, margin: number): Generator<WeightedPair> {
  const lowSide = pairSide / scale + 2 * margin;
  for (let level = 0; level < 256; level++) {
    const low = new Uint8Array(lowSide * lowSide).fill(level);
    const high = new Uint8Array(pairSide * pairSide).fill(level);
    yield { pair: { width: pairSide, height: pairSide, low, high }, weight: 1 };
  }
};

/** Every pair of the plan, in an order that depends on the plan alone. */
export const makePairs = async function* (plan: PairPlan): AsyncGenerator<WeightedPair> {
  const { scale, margin } = plan;
  const width = clipWidth / sentScale(scale);
  const height = clipHeight / sentScale(scale);
  yield* flatPairs(scale, margin);
  const root = new Random(plan.seed);
  const drawing = root.fork(1);
  const windowing = root.fork(2);
  for (let first = 0; first < plan.clips; first += clipsPerRun) {
    const frames: Uint8Array[] = [];
    for (let index = first; index < Math.min(plan.clips, first + clipsPerRun); index++)
      frames.push(...(await drawClip(index, plan.photos, drawing.fork(index))));
    const clean = frames.map((pixels) =>
      native().resample('lanczos', { pixels, width: clipWidth, height: clipHeight }, width, height),
    );
    for (const quality of qualities) {
      const video = { width, height, frames: clean, frameRate: { numerator: 25, denominator: 1 } };
      const low =
        quality === null
          ? video
          : await throughEncoder(video, { kind: 'quality', crf: quality }, framesPerClip);
      for (let start = 0; start < frames.length; start += framesPerClip)
        for (let i = 0; i < plan.windows; i++) {
          const at = start + windowing.whole(0, framesPerClip - 1);
          const high = {
            width: clipWidth,
            height: clipHeight,
            pixels: frames[at] ?? new Uint8Array(),
          };
          const decoded = { width, height, pixels: low.frames[at] ?? new Uint8Array() };
          const given = givenPicture(native(), scale, decoded);
          const draw = (): [number, number] => [
            windowing.whole(0, given.width - pairSide / scale),
            windowing.whole(0, given.height - pairSide / scale),
          ];
          // The more textured of two places, most of the time: flat ones teach little, but they must
          // be there, or the network does not learn to leave them alone.
          let [x, y] = draw();
          const [x2, y2] = draw();
          if (
            windowing.chance(0.85) &&
            variance(high, x2 * scale, y2 * scale) > variance(high, x * scale, y * scale)
          )
            [x, y] = [x2, y2];
          const weight = isFilmed(first + start / framesPerClip) ? 1 : pageWeight;
          yield { pair: cutPair(high, given, scale, x, y, margin), weight };
        }
    }
  }
};
