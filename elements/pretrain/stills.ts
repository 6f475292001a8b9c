// Stills that clips are made of: photographs from a folder and rendered pages, as luma planes, each
// prepared the way footage differs from a clean still: scaled, softened, sharpened, graded, compressed.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import type { Plane } from '../bridge/index.ts';
import { drawPage } from './pages/index.ts';
import { overlayPage } from './pages/game.ts';
import type { Random } from './random.ts';

/** A plane with its opacity (0-255), for what is laid over a picture. */
export interface Cutout extends Plane {
  readonly opacity: Uint8Array;
}

/** Luma of interleaved RGB or RGBA after BT.709, as 720p video carries it, or over the full range. */
const lumaOf = (
  rgb: Uint8Array,
  channels: number,
  width: number,
  height: number,
  fullRange: boolean,
): Uint8Array => {
  const luma = new Uint8Array(width * height);
  const range = fullRange ? 1 : 219 / 255;
  const offset = fullRange ? 0.5 : 16.5;
  for (let i = 0, at = 0; i < luma.length; i++, at += channels) {
    const r = rgb[at] ?? 0;
    const g = rgb[at + 1] ?? 0;
    const b = rgb[at + 2] ?? 0;
    luma[i] = Math.min(255, offset + range * (0.2126 * r + 0.7152 * g + 0.0722 * b));
  }
  return luma;
};

const toPlane = async (image: Sharp, fullRange: boolean): Promise<Plane> => {
  const { data, info } = await image
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  return { width, height, pixels: lumaOf(data, channels, width, height, fullRange) };
};

/** The photographs of a folder, in order of their names. */
export const listPhotos = async (folder: string): Promise<string[]> => {
  const names = (await readdir(folder)).filter((name) => /\.(png|jpe?g|webp|tiff?)$/i.test(name));
  if (names.length === 0) throw new Error(`no photographs (png, jpg, webp, tif) in ${folder}`);
  return names.sort().map((name) => join(folder, name));
};

/** Cameras and earlier encoders: grading, a soft or an oversharpened picture, JPEG. */
const age = async (image: Sharp, random: Random): Promise<Sharp> => {
  let aged = image;
  if (random.chance(0.4))
    aged = aged
      .linear(random.between(0.5, 1.1), random.between(-25, 30))
      .gamma(random.between(1, 1.6));
  if (random.chance(0.35)) aged = aged.blur(random.between(0.35, 1.3));
  else if (random.chance(0.15))
    aged = aged.sharpen({ sigma: random.between(0.5, 1.2), m1: 1, m2: random.between(1, 2) });
  if (random.chance(0.2)) {
    const quality = random.whole(55, 95);
    aged = sharp(await aged.jpeg({ quality }).toBuffer());
  }
  return aged;
};

/** A photograph at a random size and in a random condition. */
export const photoStill = async (path: string, random: Random): Promise<Plane> => {
  const original = sharp(path).removeAlpha();
  const { width } = await original.metadata();
  const resized = original
    .resize({
      width: Math.round(width * random.ratio(0.55, 1.9)),
      kernel: random.pick(['lanczos3', 'cubic']),
    })
    .flop(random.chance(0.5));
  const settled = await resized.png({ compressionLevel: 1 }).toBuffer();
  return toPlane(await age(sharp(settled), random), random.chance(0.15));
};

/** Size of a rendered page at its natural scale. */
const pageWidth = 960;
const pageHeight = 720;

/** A rendered page: as a screen shows it, sometimes larger or smaller, sometimes as if filmed. */
export const pageStill = async (index: number, random: Random): Promise<Plane> => {
  const density = random.chance(0.65) ? 72 : 72 * random.ratio(0.6, 1.8);
  const page = sharp(Buffer.from(drawPage(index, random, pageWidth, pageHeight)), { density });
  if (random.chance(0.75)) return toPlane(page, random.chance(0.15));
  const settled = await page.flatten().png({ compressionLevel: 1 }).toBuffer();
  const filmed = sharp(settled).resize({
    width: Math.round(((pageWidth * density) / 72) * random.ratio(0.6, 1.5)),
    kernel: random.pick(['lanczos3', 'cubic']),
  });
  return toPlane(
    await age(sharp(await filmed.png({ compressionLevel: 1 }).toBuffer()), random),
    false,
  );
};

/** What games and streams lay over a picture, with its opacity. */
export const overlayCutout = async (
  random: Random,
  width: number,
  height: number,
): Promise<Cutout> => {
  const source = Buffer.from(overlayPage(random, width, height));
  const { data, info } = await sharp(source)
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const opacity = new Uint8Array(info.width * info.height);
  for (let i = 0; i < opacity.length; i++) opacity[i] = data[i * 4 + 3] ?? 0;
  const pixels = lumaOf(data, 4, info.width, info.height, false);
  return { width: info.width, height: info.height, pixels, opacity };
};
