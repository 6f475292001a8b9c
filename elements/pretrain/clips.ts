// Draws the clips of the training set: which stills, how they move, what lies over them.
import type { Plane } from '../bridge/index.ts';
import { drawPath, shoot, type Layer, type Motion } from './camera.ts';
import type { Random } from './random.ts';
import { overlayCutout, pageStill, photoStill, type Cutout } from './stills.ts';

/** 96 divides both sides: scales 2, 3 and 4 give low-resolution sizes that no encoder pads. */
export const clipWidth = 480;
export const clipHeight = 384;
export const framesPerClip = 20;

const photoMotions: readonly Motion[] = [
  ...(['pan', 'pan', 'pan', 'zoom', 'zoom', 'shake', 'shake', 'stop', 'still', 'still'] as const),
];
const pageMotions: readonly Motion[] = [
  ...([
    'still',
    'still',
    'still',
    'scroll',
    'scroll',
    'scroll',
    'pan',
    'pan',
    'zoom',
    'stop',
  ] as const),
];

/** An oval piece of a picture that moves on its own: what is in front hides and uncovers. */
const ovalCutout = (picture: Plane, random: Random): Cutout => {
  const width = Math.min(picture.width, random.whole(80, 260));
  const height = Math.min(picture.height, random.whole(80, 260));
  const left = random.whole(0, picture.width - width);
  const top = random.whole(0, picture.height - height);
  const pixels = new Uint8Array(width * height);
  const opacity = new Uint8Array(width * height);
  const edge = random.between(1, 8) / Math.min(width, height);
  for (let y = 0; y < height; y++) {
    const row = (top + y) * picture.width + left;
    pixels.set(picture.pixels.subarray(row, row + width), y * width);
    for (let x = 0; x < width; x++) {
      const radius = Math.hypot((2 * (x + 0.5)) / width - 1, (2 * (y + 0.5)) / height - 1);
      opacity[y * width + x] = 255 * Math.max(0, Math.min(1, (1 - radius) / edge));
    }
  }
  return { width, height, pixels, opacity };
};

/** Even clips are of photographs, odd ones of rendered pages. */
export const isFilmed = (index: number): boolean => index % 2 === 0;

/** The frames of clip `index`. */
export const drawClip = async (
  index: number,
  photos: readonly string[],
  random: Random,
): Promise<Uint8Array[]> => {
  const half = Math.floor(index / 2);
  const photo = photos[half % photos.length];
  const filmed = isFilmed(index) && photo !== undefined;
  const picture = filmed ? await photoStill(photo, random) : await pageStill(half, random);
  const motion = random.pick(filmed ? photoMotions : pageMotions);
  const path = drawPath(motion, random, picture, clipWidth, clipHeight);
  const layers: Layer[] = [{ picture, path }];
  if (random.chance(filmed ? 0.25 : 0.1)) {
    const other = random.chance(0.6)
      ? await photoStill(random.pick(photos), random)
      : await pageStill(random.whole(0, 9), random);
    const cutout = ovalCutout(other, random);
    const x = -random.between(0, clipWidth - cutout.width);
    const y = -random.between(0, clipHeight - cutout.height);
    const [vx, vy] = [random.between(-6, 6), random.between(-6, 6)];
    layers.push({ picture: cutout, path: (at) => ({ x: x + vx * at, y: y + vy * at, step: 1 }) });
  }
  if (random.chance(filmed ? 0.25 : 0.08)) {
    const cutout = await overlayCutout(random, clipWidth, clipHeight);
    layers.push({ picture: cutout, path: () => ({ x: 0, y: 0, step: 1 }) });
  }
  return shoot(
    layers,
    {
      width: clipWidth,
      height: clipHeight,
      frames: framesPerClip,
      shutterSamples: filmed && random.chance(0.4) ? 4 : 1,
      grain: random.chance(filmed ? 0.35 : 0.05) ? random.ratio(0.5, 5) : 0,
    },
    random,
  );
};
