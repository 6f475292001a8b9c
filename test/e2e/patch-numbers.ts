// Of a recorded stream: which frame each patch says it is of, and which one the decoded frame says that
// it was sent for.
import { readFileSync } from 'node:fs';
import { native } from '../../elements/bridge/index.ts';
import { readGdp } from '../../elements/measure/gdp.ts';
import { numberIn } from './numbered-clip.ts';

export interface PatchNumbers {
  /** Patches that could be decoded with the frame of their time, and whose number could be read. */
  readonly read: number;
  /** By how many frames patch and frame differ, of those that do. */
  readonly off: readonly number[];
  /** Not decodable with the frame of their time. */
  readonly foreign: number;
}

const margin = 2;

function crop(
  luma: Uint8Array,
  size: { readonly width: number; readonly height: number },
  x: number,
  y: number,
  width: number,
  height: number,
): Uint8Array {
  const within = (value: number, most: number): number => Math.max(0, Math.min(most - 1, value));
  const pixels = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const from = within(y + row, size.height) * size.width + within(x + column, size.width);
      pixels[row * width + column] = luma[from] ?? 0;
    }
  }
  return pixels;
}

/** Files that gdppay wrote at the server: decoded I420 frames, and KLV packets. */
export function comparePatchNumbers(
  framesFile: string,
  patchesFile: string,
  size: { readonly width: number; readonly height: number },
  scale: number,
): PatchNumbers {
  const frames = readGdp(readFileSync(framesFile)).buffers;
  let read = 0;
  let foreign = 0;
  const off: number[] = [];
  for (const { timeNs, payload } of readGdp(readFileSync(patchesFile)).buffers) {
    const frame = frames.find((candidate) => Math.abs(candidate.timeNs - timeNs) < 1e6);
    if (!frame) continue;
    for (const patch of native().readPacket(payload).patches ?? []) {
      const [lowX, lowY] = [patch.x / scale, patch.y / scale];
      const [lowWidth, lowHeight] = [patch.width / scale, patch.height / scale];
      const low = crop(
        frame.payload,
        size,
        lowX - margin,
        lowY - margin,
        lowWidth + 2 * margin,
        lowHeight + 2 * margin,
      );
      const pair = {
        width: patch.width,
        height: patch.height,
        low,
        high: new Uint8Array(patch.width * patch.height),
      };
      const high = native().decodeResidual(pair, scale, patch.quality, patch.payload);
      if (!high) {
        foreign++;
        continue;
      }
      const inPatch = numberIn(high, patch.width, 0, 0, 1);
      const inFrame = numberIn(frame.payload, size.width, lowX, lowY, scale);
      if (inPatch === undefined || inFrame === undefined) continue;
      read++;
      if (inPatch !== inFrame) off.push(inPatch - inFrame);
    }
  }
  return { read, off, foreign };
}
