// Of a recorded stream: which frame each patch says it is of, and which one the decoded frame says that
// it was sent for.
import { readFileSync } from 'node:fs';
import { native, type CodedPatch } from '../../elements/bridge/index.ts';
import { readGdp } from '../../elements/measure/gdp.ts';
import { numberIn } from './numbered-clip.ts';

export interface PatchNumbers {
  /** Patches that fit a frame near their time, and whose number could be read. */
  readonly read: number;
  /** By how many frames patch and frame differ, of those that do. */
  readonly off: readonly number[];
  /** Of no frame near their time. */
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

/** The nearest frame and two to either side, as srenhancer looks for a residual's frame. */
const neighbours = 2;

/** Files that gdppay wrote at the server: decoded I420 frames, and KLV packets. */
export function comparePatchNumbers(
  framesFile: string,
  patchesFile: string,
  size: { readonly width: number; readonly height: number },
  scale: number,
): PatchNumbers {
  const frames = readGdp(readFileSync(framesFile)).buffers;
  const lastNs = frames.at(-1)?.timeNs ?? 0;
  let read = 0;
  let foreign = 0;
  const off: number[] = [];
  for (const { timeNs, payload } of readGdp(readFileSync(patchesFile)).buffers) {
    // Frames are recorded for a while only.
    if (timeNs > lastNs) continue;
    const near = frames
      .toSorted((a, b) => Math.abs(a.timeNs - timeNs) - Math.abs(b.timeNs - timeNs))
      .slice(0, 2 * neighbours + 1);
    for (const patch of native().readPacket(payload).patches ?? []) {
      const [lowX, lowY] = [patch.x / scale, patch.y / scale];
      const decoded = near
        .map((frame) => ({ frame, high: decode(patch, frame.payload, size, scale) }))
        .find(({ high }) => high !== null);
      if (!decoded?.high) {
        foreign++;
        continue;
      }
      const inPatch = numberIn(decoded.high, patch.width, 0, 0, 1);
      const inFrame = numberIn(decoded.frame.payload, size.width, lowX, lowY, scale);
      if (inPatch === undefined || inFrame === undefined) continue;
      read++;
      if (inPatch !== inFrame) off.push(inPatch - inFrame);
    }
  }
  return { read, off, foreign };
}

function decode(
  { x, y, width, height, quality, payload }: CodedPatch,
  luma: Uint8Array,
  size: { readonly width: number; readonly height: number },
  scale: number,
): Uint8Array | null {
  const low = crop(
    luma,
    size,
    x / scale - margin,
    y / scale - margin,
    width / scale + 2 * margin,
    height / scale + 2 * margin,
  );
  const pair = { width, height, low, high: new Uint8Array(width * height) };
  return native().decodeResidual(pair, scale, quality, payload);
}
