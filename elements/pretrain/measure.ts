// What a network gains over plain enlargement (bicubic; Lanczos at two thirds): on clips through the sender's encoder, second by second, and on
// the stills of a benchmark folder. For evaluation; nothing here feeds training.
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import type { Model, Native, Plane } from '../bridge/index.ts';
import { readVideo, throughEncoder } from './codec.ts';
import { givenPicture, sentScale } from './pairs.ts';
import { listPhotos } from './stills.ts';

/** Of the sender's default encoder. */
const senderKeyFrameInterval = 60;

export interface ClipGain {
  readonly clip: string;
  readonly scale: number;
  readonly kbps: number;
  readonly bicubicPsnrDb: number;
  readonly gainDb: number;
  readonly worstSecondGainDb: number;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const crop = ({ pixels, width }: Plane, x: number, y: number, w: number, h: number): Plane => {
  const out = new Uint8Array(w * h);
  for (let row = 0; row < h; row++) {
    const from = (y + row) * width + x;
    out.set(pixels.subarray(from, from + w), row * w);
  }
  return { pixels: out, width: w, height: h };
};

const squaredErrors = (
  core: Native,
  { architecture, parameters }: Model,
  low: Plane,
  high: Plane,
  border: number,
): { network: number; bicubic: number; count: number } => {
  const { width, height } = high;
  const given = givenPicture(core, architecture.scale, low);
  const inner = (pixels: Uint8Array): Plane =>
    crop({ pixels, width, height }, border, border, width - 2 * border, height - 2 * border);
  const truth = inner(high.pixels);
  const network = inner(core.enhance(architecture, parameters, given));
  const plain = given === low ? core.resample('bicubic', low, width, height) : given.pixels;
  const bicubic = inner(plain);
  return {
    network: core.squaredError(network, truth),
    bicubic: core.squaredError(bicubic, truth),
    count: truth.pixels.length,
  };
};

/** Gain on the first seconds of a clip at a bit rate; every `every`-th frame is looked at. */
export const measureClip = async (
  core: Native,
  model: Model,
  path: string,
  kbps: number,
  seconds: number,
  every: number,
): Promise<ClipGain> => {
  const { scale } = model.architecture;
  const source = await readVideo(path, seconds * 30);
  const perSecond = Math.round(source.frameRate.numerator / source.frameRate.denominator);
  const sent = sentScale(scale);
  const width = source.width - (source.width % (8 * sent));
  const height = source.height - (source.height % (2 * sent));
  const high = source.frames
    .slice(0, seconds * perSecond)
    .map((pixels) =>
      crop({ pixels, width: source.width, height: source.height }, 0, 0, width, height),
    );
  const low = { width: width / sent, height: height / sent };
  const decoded = await throughEncoder(
    {
      ...low,
      frameRate: source.frameRate,
      frames: high.map((plane) => core.resample('lanczos', plane, low.width, low.height)),
    },
    { kind: 'bitrate', kbps },
    senderKeyFrameInterval,
  );
  const gains: number[] = [];
  const bicubicPsnrs: number[] = [];
  for (let start = 0; start < high.length; start += perSecond) {
    const sum = { network: 0, bicubic: 0, count: 0 };
    for (let at = start; at < Math.min(high.length, start + perSecond); at += every) {
      const truth = high[at];
      const pixels = decoded.frames[at];
      if (!truth || !pixels) throw new RangeError(`${path}: no frame ${at}`);
      const errors = squaredErrors(core, model, { ...low, pixels }, truth, 0);
      sum.network += errors.network;
      sum.bicubic += errors.bicubic;
      sum.count += errors.count;
    }
    const bicubicPsnr = core.psnrDb(sum.bicubic / sum.count);
    bicubicPsnrs.push(bicubicPsnr);
    gains.push(core.psnrDb(sum.network / sum.count) - bicubicPsnr);
  }
  return {
    clip: basename(path),
    scale,
    kbps,
    bicubicPsnrDb: mean(bicubicPsnrs),
    gainDb: mean(gains),
    worstSecondGainDb: Math.min(...gains),
  };
};

export interface StillsPsnr {
  readonly folder: string;
  readonly scale: number;
  readonly stills: number;
  readonly bicubicPsnrDb: number;
  readonly networkPsnrDb: number;
}

/** Luma of BT.601 in studio range, as super-resolution benchmarks take it. */
const benchmarkLuma = async (path: string): Promise<Plane> => {
  const { data, info } = await sharp(path)
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const pixels = new Uint8Array(info.width * info.height);
  for (let i = 0, at = 0; i < pixels.length; i++, at += 3) {
    const [r = 0, g = 0, b = 0] = data.subarray(at, at + 3);
    pixels[i] = Math.round(16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255);
  }
  return { pixels, width: info.width, height: info.height };
};

/** At two thirds a still of 3 n pixels has 2 n. */
const stillUnit = (scale: number): number => (scale === 1 ? 3 : scale);

/** The usual benchmark: shrunk by antialiased bicubic, Y-PSNR without a border of `scale` pixels. */
export const measureStills = async (
  core: Native,
  model: Model,
  folder: string,
): Promise<StillsPsnr> => {
  const { scale } = model.architecture;
  const network: number[] = [];
  const bicubic: number[] = [];
  for (const path of await listPhotos(folder)) {
    const whole = await benchmarkLuma(path);
    const sent = sentScale(scale);
    const width = whole.width - (whole.width % stillUnit(scale));
    const height = whole.height - (whole.height % stillUnit(scale));
    const high = crop(whole, 0, 0, width, height);
    const low = { width: width / sent, height: height / sent };
    const pixels = core.resample('bicubic', high, low.width, low.height);
    const errors = squaredErrors(core, model, { ...low, pixels }, high, scale);
    network.push(core.psnrDb(errors.network / errors.count));
    bicubic.push(core.psnrDb(errors.bicubic / errors.count));
  }
  return {
    folder: basename(folder),
    scale,
    stills: network.length,
    bicubicPsnrDb: mean(bicubic),
    networkPsnrDb: mean(network),
  };
};

/** The video files of a folder, in order of their names. */
export const listClips = async (folder: string): Promise<string[]> => {
  const names = (await readdir(folder)).filter((name) => /\.(mp4|webm|mkv|mov|y4m)$/i.test(name));
  return names.sort().map((name) => join(folder, name));
};
