// Renders the demonstration clip: layers of scenery that pass at different speeds, a van that drives
// through, a head-up display on top. Compositing happens in YUV, where the clip stays.
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import sharp from 'sharp';
import type { FrameRate } from '../measure/y4m.ts';
import * as scenery from './scenery.ts';

const { frameWidth, frameHeight } = scenery;

export const demoFrameRate: FrameRate = { numerator: 25, denominator: 1 };
export const demoFrameCount = 250;

/** A picture in 4:2:0 with coverage for each plane's samples, 0 to 255; even sizes. */
interface Layer {
  readonly width: number;
  readonly height: number;
  readonly luma: Uint8Array;
  readonly lumaAlpha: Uint8Array;
  readonly blueDifference: Uint8Array;
  readonly redDifference: Uint8Array;
  readonly chromaAlpha: Uint8Array;
}

/** BT.709, limited range: what a picture of this size is taken for when nothing says otherwise. */
async function layer(svg: string): Promise<Layer> {
  const { data, info } = await sharp(Buffer.from(svg), { unlimited: true })
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const at = (index: number): number => data[index] ?? 0;
  const luma = new Uint8Array(width * height);
  const lumaAlpha = new Uint8Array(width * height);
  for (let i = 0; i < luma.length; i++) {
    const r = at(4 * i);
    const g = at(4 * i + 1);
    const b = at(4 * i + 2);
    luma[i] = Math.round(16 + 0.1826 * r + 0.6142 * g + 0.062 * b);
    lumaAlpha[i] = at(4 * i + 3);
  }
  const chromaWidth = width / 2;
  const chroma = (width * height) / 4;
  const blueDifference = new Uint8Array(chroma);
  const redDifference = new Uint8Array(chroma);
  const chromaAlpha = new Uint8Array(chroma);
  const rowBytes = 4 * width;
  for (let i = 0; i < chroma; i++) {
    const corner = 2 * Math.floor(i / chromaWidth) * rowBytes + 8 * (i % chromaWidth);
    const average = (byte: number): number =>
      (at(byte) + at(byte + 4) + at(byte + rowBytes) + at(byte + rowBytes + 4)) / 4;
    const r = average(corner);
    const g = average(corner + 1);
    const b = average(corner + 2);
    blueDifference[i] = Math.round(128 - 0.1006 * r - 0.3386 * g + 0.4392 * b);
    redDifference[i] = Math.round(128 + 0.4392 * r - 0.3989 * g - 0.0403 * b);
    chromaAlpha[i] = Math.round(average(corner + 3));
  }
  return { width, height, luma, lumaAlpha, blueDifference, redDifference, chromaAlpha };
}

/** Lays a plane over another, its left upper corner at x, y (either may be negative). */
function overlayPlane(
  target: Uint8Array,
  targetWidth: number,
  source: Uint8Array,
  alpha: Uint8Array,
  sourceWidth: number,
  x: number,
  y: number,
): void {
  const targetHeight = target.length / targetWidth;
  const sourceHeight = source.length / sourceWidth;
  const columnBegin = Math.max(0, -x);
  const columnEnd = Math.min(sourceWidth, targetWidth - x);
  for (let row = Math.max(0, -y); row < Math.min(sourceHeight, targetHeight - y); row++) {
    const from = row * sourceWidth;
    const to = (row + y) * targetWidth + x;
    for (let column = columnBegin; column < columnEnd; column++) {
      const a = alpha[from + column] ?? 0;
      if (a === 0) continue;
      const s = source[from + column] ?? 0;
      const t = target[to + column] ?? 0;
      target[to + column] = a === 255 ? s : Math.round(t + ((s - t) * a) / 255);
    }
  }
}

class Frame {
  readonly luma = new Uint8Array(frameWidth * frameHeight);
  readonly blueDifference = new Uint8Array(this.luma.length / 4);
  readonly redDifference = new Uint8Array(this.luma.length / 4);

  overlay(layer: Layer, x: number, y: number): void {
    const half = { width: layer.width / 2, x: Math.round(x / 2), y: Math.round(y / 2) };
    overlayPlane(this.luma, frameWidth, layer.luma, layer.lumaAlpha, layer.width, x, y);
    for (const [target, source] of [
      [this.blueDifference, layer.blueDifference],
      [this.redDifference, layer.redDifference],
    ] as const) {
      overlayPlane(target, frameWidth / 2, source, layer.chromaAlpha, half.width, half.x, half.y);
    }
  }
}

/** Pixels that a layer passes by in one frame. */
const speeds = { mountains: 1, houses: 3, trees: 4, street: 5 };

const passing = (speed: number): number => frameWidth + speed * demoFrameCount;

/** Writes the clip as Y4M. The file appears when it is complete. */
export async function renderDemoClip(path: string): Promise<void> {
  const [sky, mountains, houses, trees, street, van] = await Promise.all([
    layer(scenery.sky()),
    layer(scenery.mountains(passing(speeds.mountains))),
    layer(scenery.houses(passing(speeds.houses))),
    layer(scenery.trees(passing(speeds.trees))),
    layer(scenery.street(passing(speeds.street))),
    layer(scenery.van()),
  ]);

  const unfinished = `${path}.${process.pid}`;
  const file = openSync(unfinished, 'w');
  try {
    const { numerator, denominator } = demoFrameRate;
    writeSync(
      file,
      `YUV4MPEG2 C420 W${frameWidth} H${frameHeight} Ip F${numerator}:${denominator} A1:1\n`,
    );
    const frame = new Frame();
    for (let index = 0; index < demoFrameCount; index++) {
      frame.overlay(sky, 0, 0);
      frame.overlay(mountains, -speeds.mountains * index, 0);
      frame.overlay(houses, -speeds.houses * index, 0);
      frame.overlay(trees, -speeds.trees * index, 0);
      frame.overlay(street, -speeds.street * index, 0);
      frame.overlay(van, 7 * index - 400, 500 + (index % 8 < 4 ? 0 : 1));
      const display = { frame: index, framesPerSecond: numerator / denominator };
      frame.overlay(await layer(scenery.headUpDisplay(display)), 0, 0);
      for (const part of ['FRAME\n', frame.luma, frame.blueDifference, frame.redDifference]) {
        writeSync(file, typeof part === 'string' ? Buffer.from(part) : part);
      }
    }
    closeSync(file);
    renameSync(unfinished, path);
  } finally {
    rmSync(unfinished, { force: true });
  }
}
