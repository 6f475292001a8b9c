// The frames that the server records while it runs: decoded pictures and what srenhancer made of them,
// a few a second, as NV12 in GDP files.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Plane } from '../bridge/index.ts';
import { readGdp } from '../measure/gdp.ts';

/** One recorded picture; its planes are cut out of the file when they are asked for. */
export class RecordedFrame {
  readonly timeNs: number;
  readonly width: number;
  readonly height: number;
  readonly #bytes: Uint8Array;

  constructor(timeNs: number, width: number, height: number, bytes: Uint8Array) {
    this.timeNs = timeNs;
    this.width = width;
    this.height = height;
    this.#bytes = bytes;
  }

  /** GStreamer pads rows to a multiple of four bytes. */
  get #stride(): number {
    return Math.ceil(this.width / 4) * 4;
  }

  luma(): Plane {
    const { width, height } = this;
    const pixels = new Uint8Array(width * height);
    for (let row = 0; row < height; row++) {
      const start = row * this.#stride;
      pixels.set(this.#bytes.subarray(start, start + width), row * width);
    }
    return { pixels, width, height };
  }

  /** Colour difference: 0 blue, 1 red. */
  chroma(which: 0 | 1): Plane {
    const width = Math.ceil(this.width / 2);
    const height = Math.ceil(this.height / 2);
    const pixels = new Uint8Array(width * height);
    // The chroma plane follows luma, whose height is rounded up to even.
    const start = this.#stride * 2 * height;
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const at = start + row * this.#stride + 2 * column + which;
        pixels[row * width + column] = this.#bytes[at] ?? 0;
      }
    }
    return { pixels, width, height };
  }
}

function sizeOf(caps: string, name: 'width' | 'height'): number {
  return Number(new RegExp(`${name}=\\(int\\)(\\d+)`).exec(caps)?.[1]);
}

export function readRecording(path: string): RecordedFrame[] {
  const { caps, buffers } = readGdp(readWhole(path));
  if (caps === null) return [];
  const width = sizeOf(caps, 'width');
  const height = sizeOf(caps, 'height');
  return buffers.map(({ timeNs, payload }) => new RecordedFrame(timeNs, width, height, payload));
}

export interface RecordedPair {
  readonly decoded: RecordedFrame;
  readonly enhanced: RecordedFrame;
}

/** Pictures of the same time; srenhancer keeps the time of what it enlarges. */
export function pairRecordings(
  decoded: readonly RecordedFrame[],
  enhanced: readonly RecordedFrame[],
): RecordedPair[] {
  const byTime = new Map(enhanced.map((frame) => [frame.timeNs, frame]));
  return decoded.flatMap((frame) => {
    const partner = byTime.get(frame.timeNs);
    return partner === undefined ? [] : [{ decoded: frame, enhanced: partner }];
  });
}

/** Ten minutes take more than the 2 GiB that readFileSync reads. */
function readWhole(path: string): Buffer {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.allocUnsafe(fstatSync(file).size);
    const most = 1 << 30;
    for (let at = 0; at < bytes.length;) {
      const read = readSync(file, bytes, at, Math.min(most, bytes.length - at), at);
      if (read === 0) return bytes.subarray(0, at);
      at += read;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}
