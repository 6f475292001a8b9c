// A clip that says in every cell of the patch grid which frame it is: eight black or white squares are
// the bits of the frame's number, under them moves some detail.
import { createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { quoted, runPipeline } from '../../elements/measure/pipeline.ts';

const cell = 120;
const bits = 8;
const squareWidth = cell / bits;
const squareHeight = 24;
interface Look {
  readonly width: number;
  readonly height: number;
  /** Grey levels between the stripes: what patches of them cost. */
  readonly contrast: number;
}

function frame(number: number, { width, height, contrast }: Look): Uint8Array {
  const luma = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const inCell = y % cell;
    for (let x = 0; x < width; x++) {
      const bit = (number >> Math.floor((x % cell) / squareWidth)) & 1;
      // Fine stripes that move at 3 pixels a frame, over slopes.
      const stripes = ((x + y + 3 * number) >> 1) % 5 < 2 ? contrast : 0;
      luma[y * width + x] =
        inCell < squareHeight ? (bit ? 235 : 16) : 60 + stripes + (((x * 3 + y) >> 4) % 64);
    }
  }
  return luma;
}

/** 250 frames, 25 a second, of 720x480. */
export async function writeNumberedY4m(path: string): Promise<void> {
  const look = { width: 720, height: 480, contrast: 12 };
  const grey = new Uint8Array((look.width * look.height) / 2).fill(128);
  const file = createWriteStream(path);
  file.write(`YUV4MPEG2 W${look.width} H${look.height} F25:1 Ip A1:1 C420jpeg\n`);
  for (let number = 0; number < 250; number++) {
    file.write('FRAME\n');
    file.write(frame(number, look));
    if (!file.write(grey)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
}

/** In Matroska, 90 frames of 1280x720, 15 a second, in `folder`. */
export async function makeNumberedClip(folder: string): Promise<string> {
  const look = { width: 1280, height: 720, contrast: 50 };
  mkdirSync(folder, { recursive: true });
  const clip = join(folder, 'numbered.mkv');
  const raw = join(folder, 'numbered.gray');
  const file = createWriteStream(raw);
  for (let number = 0; number < 90; number++) {
    if (!file.write(frame(number, look))) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
  await runPipeline({
    name: 'making a clip',
    launch:
      `filesrc location=${quoted(raw)} ! rawvideoparse format=gray8 width=${look.width} height=${look.height} ` +
      'framerate=15/1 ! videoconvert ! video/x-raw,format=I420,colorimetry=bt709 ' +
      '! x264enc speed-preset=ultrafast pass=quant quantizer=14 key-int-max=15 ! h264parse ! matroskamux ' +
      `! filesink location=${quoted(clip)}`,
  });
  rmSync(raw);
  return clip;
}

/** The number in the cell at (x, y) of a picture that is 1/scale of the clip; undefined: not to be read. */
export function numberIn(
  luma: Uint8Array,
  lineBytes: number,
  x: number,
  y: number,
  scale: number,
): number | undefined {
  let number = 0;
  for (let bit = 0; bit < bits; bit++) {
    let sum = 0;
    let count = 0;
    for (let row = 6 / scale; row < 18 / scale; row++) {
      for (let column = 5 / scale; column < 10 / scale; column++) {
        const at = (y + Math.floor(row)) * lineBytes + x;
        sum += luma[at + Math.floor((bit * squareWidth) / scale + column)] ?? 0;
        count++;
      }
    }
    const mean = sum / count;
    if (mean > 90 && mean < 160) return undefined;
    if (mean >= 160) number |= 1 << bit;
  }
  return number;
}
