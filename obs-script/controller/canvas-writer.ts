// Frames of the canvas into a pipeline's standard input, as fdsrc ! gdpdepay reads them.
import type { Writable } from 'node:stream';
import { bufferHeader, capsPacket, gapPacket, streamStartPacket } from './gdp-stream.ts';
import type { Luma } from './picture.ts';
import type { Size } from './stream-format.ts';

/** What may be waiting in the pipe before frames are left out. */
const mostWaitingBytes = 64 << 20;

export class CanvasWriter {
  readonly #input: Writable | null;
  readonly #framesPerSecond: number;
  #hasSegment = false;
  #sentCaps = '';

  constructor(input: Writable | null, framesPerSecond: number) {
    this.#input = input;
    this.#framesPerSecond = framesPerSecond;
  }

  get frameNs(): number {
    return 1e9 / this.#framesPerSecond;
  }

  start({ width, height }: Size): void {
    this.#input?.write(streamStartPacket('canvas'));
    this.#sentCaps = '';
    this.#sendCaps(width, height);
  }

  /** From here on there are times. */
  segment(packet: Uint8Array): void {
    this.#input?.write(packet);
    this.#hasSegment = true;
  }

  /** Nothing comes until then. */
  gap(timeNs: number): void {
    if (this.#hasSegment) this.#input?.write(gapPacket(timeNs, this.frameNs));
  }

  /** Frames come in order. */
  frame({ width, height, pixels }: Luma, timeNs: number): void {
    const input = this.#input;
    if (!this.#hasSegment || !input?.writable || input.writableLength > mostWaitingBytes) return;
    input.cork();
    this.#sendCaps(width, height);
    // Rows of GStreamer begin at multiples of four bytes.
    const stride = Math.ceil(width / 4) * 4;
    const frame = stride === width ? pixels : withStride(pixels, width, height, stride);
    input.write(bufferHeader(timeNs, this.frameNs, frame.length));
    input.write(frame);
    input.uncork();
  }

  #sendCaps(width: number, height: number): void {
    // The colours keep converters from reading grey as full range.
    const caps =
      `video/x-raw, format=(string)GRAY8, width=(int)${width}, height=(int)${height}, ` +
      `framerate=(fraction)${Math.round(this.#framesPerSecond * 1000)}/1000, ` +
      'colorimetry=(string)bt709';
    if (caps !== this.#sentCaps) this.#input?.write(capsPacket(caps));
    this.#sentCaps = caps;
  }
}

function withStride(pixels: Uint8Array, width: number, height: number, stride: number): Uint8Array {
  const frame = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++)
    frame.set(pixels.subarray(y * width, (y + 1) * width), y * stride);
  return frame;
}
