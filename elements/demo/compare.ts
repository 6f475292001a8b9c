// Finds which frame of the clip each recorded picture shows, and how near every scheme comes to it.
import { native, type Model, type Plane } from '../bridge/index.ts';
import { pingPongFrame, type Y4mFile } from '../measure/y4m.ts';
import type { PerScheme, SampledFrame } from './report/figures.ts';
import type { RecordedPair } from './recording.ts';

/** Pictures are identified at this width: enough to tell neighbours apart, small enough for all. */
const thumbnailWidth = 160;

function thumbnail(plane: Plane): Plane {
  const width = Math.min(thumbnailWidth, plane.width);
  const height = Math.max(1, Math.round((plane.height * width) / plane.width));
  return { pixels: native().resample('bilinear', plane, width, height), width, height };
}

/** The left upper part of a plane. */
export function cropped(plane: Plane, width: number, height: number): Plane {
  if (plane.width === width && plane.height === height) return plane;
  const pixels = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    const start = row * plane.width;
    pixels.set(plane.pixels.subarray(start, start + width), row * width);
  }
  return { pixels, width, height };
}

/**
 * How many frames of the looping source had passed when the first recorded picture was taken: the
 * number under which all pictures together fit the clip best. Times give the distances between them,
 * content gives the rest, so that a still scene cannot mislead it by a frame.
 */
export function findStart(
  frameNumbers: readonly number[],
  error: (picture: number, clipFrame: number) => number,
  frameCount: number,
): number {
  const period = Math.max(1, 2 * frameCount - 2);
  let best = 0;
  let bestError = Infinity;
  for (let start = 0; start < period; start++) {
    let total = 0;
    for (const [picture, number] of frameNumbers.entries()) {
      total += error(picture, pingPongFrame(start + number, frameCount));
      if (total >= bestError) break;
    }
    if (total < bestError) [best, bestError] = [start, total];
  }
  return best;
}

/** Frames by which times may step between two pictures. */
const maxStep = 25;
/** A picture that fits another shift no better than this share of its error says nothing. */
const clearShare = 0.8;
/** Pictures that must say so together. */
const picturesThatAgree = 3;

/**
 * The clip's frame of each picture, from the start on. A receiver corrects its clock while it runs, and
 * times drift by a frame or jump: where several pictures in a row fit another shift clearly better, it
 * holds from there on. A still scene fits all alike and changes nothing.
 */
export function followTimes(
  frameNumbers: readonly number[],
  error: (picture: number, clipFrame: number) => number,
  start: number,
  frameCount: number,
): number[] {
  const frameAt = (picture: number, shift: number): number =>
    pingPongFrame(Math.max(0, start + (frameNumbers[picture] ?? 0) + shift), frameCount);
  let shift = 0;
  return frameNumbers.map((_, picture) => {
    const pictures = frameNumbers
      .slice(picture, picture + picturesThatAgree)
      .map((_number, index) => picture + index);
    const total = (candidate: number): number =>
      pictures.reduce((sum, each) => sum + error(each, frameAt(each, candidate)), 0);
    let best = shift;
    let bestError = clearShare * total(shift);
    // Itself among them: the step may come with one of the next.
    const ownError = clearShare * error(picture, frameAt(picture, shift));
    for (let distance = 1; distance <= maxStep; distance++) {
      for (const candidate of [shift - distance, shift + distance]) {
        if (error(picture, frameAt(picture, candidate)) > ownError) continue;
        const candidateError = total(candidate);
        if (candidateError < bestError) [best, bestError] = [candidate, candidateError];
      }
    }
    shift = best;
    return frameAt(picture, shift);
  });
}

/** The clip's frame that each recorded picture shows. */
export function identify(
  pairs: readonly RecordedPair[],
  clip: Y4mFile,
  framesPerSecond: number,
  scale: number,
): number[] {
  const first = pairs[0]?.decoded.timeNs ?? 0;
  const numbers = pairs.map(({ decoded }) =>
    Math.round(((decoded.timeNs - first) / 1e9) * framesPerSecond),
  );
  const { width, height } = clip.header;
  const pictures = pairs.map(({ decoded }) => {
    // What padding added beyond the true size is not in the clip.
    const shown = [Math.floor(width / scale), Math.floor(height / scale)] as const;
    return thumbnail(cropped(decoded.luma(), ...shown));
  });
  const [shape] = pictures;
  if (shape === undefined) return [];
  const frames = Array.from({ length: clip.frameCount }, (_, index) => {
    const luma = clip.readLuma(index);
    return {
      ...shape,
      pixels: native().resample('bilinear', luma, shape.width, shape.height),
    };
  });
  const known = new Map<number, number>();
  const error = (picture: number, clipFrame: number): number => {
    const key = picture * clip.frameCount + clipFrame;
    const [a, b] = [pictures[picture], frames[clipFrame]];
    const value =
      known.get(key) ?? (a === undefined || b === undefined ? 0 : native().squaredError(a, b));
    known.set(key, value);
    return value;
  };
  const start = findStart(numbers, error, clip.frameCount);
  return followTimes(numbers, error, start, clip.frameCount);
}

/** Luma of one recorded moment under every scheme, at the clip's size. */
export function schemePictures(
  pair: RecordedPair,
  generic: Model,
  width: number,
  height: number,
): Readonly<Record<keyof PerScheme, Plane>> {
  const { scale } = generic.architecture;
  const low = pair.decoded.luma();
  const full = { width: low.width * scale, height: low.height * scale };
  const enlarged = (pixels: Uint8Array): Plane => cropped({ pixels, ...full }, width, height);
  return {
    bilinear: enlarged(native().resample('bilinear', low, full.width, full.height)),
    bicubic: enlarged(native().resample('bicubic', low, full.width, full.height)),
    generic: enlarged(native().enhance(generic.architecture, generic.parameters, low)),
    online: cropped(pair.enhanced.luma(), width, height),
  };
}

export function psnrDb(picture: Plane, source: Plane): number {
  const squares = native().squaredError(picture, source);
  return native().psnrDb(squares / (source.width * source.height));
}

/** Measures every recorded moment. */
export function measureSamples(
  pairs: readonly RecordedPair[],
  clipFrames: readonly number[],
  clip: Y4mFile,
  generic: Model,
): SampledFrame[] {
  const { width, height } = clip.header;
  const firstNs = pairs[0]?.decoded.timeNs ?? 0;
  return pairs.map((pair, index) => {
    const clipFrame = clipFrames[index] ?? 0;
    const source = clip.readLuma(clipFrame);
    const pictures = schemePictures(pair, generic, width, height);
    return {
      timeSeconds: (pair.decoded.timeNs - firstNs) / 1e9,
      clipFrame,
      psnrDb: {
        bilinear: psnrDb(pictures.bilinear, source),
        bicubic: psnrDb(pictures.bicubic, source),
        generic: psnrDb(pictures.generic, source),
        online: psnrDb(pictures.online, source),
      },
    };
  });
}
