// Reading Y4M files as livesr writes them: 4:2:0, 8 bit, frames of equal length.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Plane } from '../bridge/index.ts';

/** 0 of 1 where it is not known. */
export interface FrameRate {
  readonly numerator: number;
  readonly denominator: number;
}

export interface Y4mHeader {
  readonly width: number;
  readonly height: number;
  readonly frameRate: FrameRate;
  /** Bytes of the header line, its newline included. */
  readonly byteLength: number;
}

const frameMarker = 'FRAME\n';
const longestHeader = 512;
const longestSide = 32_768;

/** Reads the first line of a Y4M file. Throws an Error that says what is wrong with it. */
export function parseY4mHeader(bytes: Uint8Array): Y4mHeader {
  const text = Buffer.from(bytes.subarray(0, longestHeader)).toString('latin1');
  const end = text.indexOf('\n');
  if (!text.startsWith('YUV4MPEG2 ') || end < 0) throw new Error('not a Y4M file');
  const fields = new Map(
    text
      .slice(0, end)
      .split(' ')
      .slice(1)
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  );
  const [width, height] = [sideOf(fields.get('W')), sideOf(fields.get('H'))];
  const sampling = fields.get('C') ?? '420';
  if (width === undefined || height === undefined) {
    throw new Error(`a Y4M file without a size of at most ${longestSide} a side`);
  }
  if (!/^420(jpeg|mpeg2|paldv)?$/.test(sampling)) {
    throw new Error(`a Y4M file of C${sampling}; only 8-bit 4:2:0 is read here`);
  }
  return { width, height, frameRate: rateOf(fields.get('F') ?? '0:1'), byteLength: end + 1 };
}

/** Whole and of a picture that there is; undefined for anything else. */
function sideOf(text: string | undefined): number | undefined {
  const side = /^\d+$/.test(text ?? '') ? Number(text) : 0;
  return side >= 1 && side <= longestSide ? side : undefined;
}

function rateOf(text: string): FrameRate {
  const [, numerator, denominator] = (/^(\d{1,9}):(\d{1,9})$/.exec(text) ?? []).map(Number);
  if (numerator === undefined || !denominator) {
    throw new Error(`a Y4M file with a frame rate of "${text}"; FRAMES:SECONDS is wanted`);
  }
  return { numerator, denominator };
}

/** Bytes of one frame in the file, its marker included. */
export function y4mFrameBytes(width: number, height: number): number {
  const chroma = Math.ceil(width / 2) * Math.ceil(height / 2);
  return frameMarker.length + width * height + 2 * chroma;
}

/** An open Y4M file whose frames are read one by one. */
export class Y4mFile {
  readonly header: Y4mHeader;
  readonly frameCount: number;
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'r');
    const start = new Uint8Array(longestHeader);
    readSync(this.#file, start, 0, longestHeader, 0);
    this.header = parseY4mHeader(start);
    const { width, height, byteLength } = this.header;
    const frames = (fstatSync(this.#file).size - byteLength) / y4mFrameBytes(width, height);
    this.frameCount = Math.floor(frames);
  }

  /** Luma of a frame, counted from 0. */
  readLuma(frame: number): Plane {
    return this.#read(frame, 0, this.header.width, this.header.height);
  }

  /** Luma, then the two planes of colour difference (blue, red). */
  readPlanes(frame: number): readonly [Plane, Plane, Plane] {
    const { width, height } = this.header;
    const [chromaWidth, chromaHeight] = [Math.ceil(width / 2), Math.ceil(height / 2)];
    const luma = width * height;
    return [
      this.#read(frame, 0, width, height),
      this.#read(frame, luma, chromaWidth, chromaHeight),
      this.#read(frame, luma + chromaWidth * chromaHeight, chromaWidth, chromaHeight),
    ];
  }

  #read(frame: number, offset: number, planeWidth: number, planeHeight: number): Plane {
    const { width, height, byteLength } = this.header;
    const pixels = new Uint8Array(planeWidth * planeHeight);
    const start = byteLength + frame * y4mFrameBytes(width, height) + frameMarker.length;
    if (readSync(this.#file, pixels, 0, pixels.length, start + offset) !== pixels.length) {
      throw new RangeError(`frame ${frame} of a file with ${this.frameCount}`);
    }
    return { pixels, width: planeWidth, height: planeHeight };
  }

  close(): void {
    closeSync(this.#file);
  }
}

/**
 * Which frame of a clip is shown as the n-th when the clip runs forward and backward for ever. The
 * end frames are not shown twice in a row.
 */
export function pingPongFrame(shown: number, frameCount: number): number {
  if (frameCount < 2) return 0;
  const phase = shown % (2 * frameCount - 2);
  return phase < frameCount ? phase : 2 * frameCount - 2 - phase;
}
