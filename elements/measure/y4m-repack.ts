// y4menc of GStreamer 1.22 writes frames with the row padding that they have in memory. Y4M has no padding:
// unless the width is a multiple of 8 the file is no Y4M. This takes the padding out. y4menc of 1.26 writes
// none, and its files pass as they are.
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { parseY4mHeader } from './y4m.ts';

interface PaddedPlane {
  readonly offset: number;
  readonly stride: number;
  readonly width: number;
  readonly height: number;
}

const frameMarker = Buffer.from('FRAME\n');
const longestHeader = 512;

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

/** How GStreamer lays out an I420 frame: the planes, and the bytes of all of it. */
export function paddedLayout(
  width: number,
  height: number,
): { readonly planes: readonly PaddedPlane[]; readonly byteLength: number } {
  const stride = roundUp(width, 4);
  const chromaStride = roundUp(roundUp(width, 2) / 2, 4);
  const chroma = {
    stride: chromaStride,
    width: Math.ceil(width / 2),
    height: Math.ceil(height / 2),
  };
  const lumaBytes = stride * roundUp(height, 2);
  const chromaBytes = chromaStride * chroma.height;
  return {
    planes: [
      { offset: 0, stride, width, height },
      { offset: lumaBytes, ...chroma },
      { offset: lumaBytes + chromaBytes, ...chroma },
    ],
    byteLength: lumaBytes + 2 * chromaBytes,
  };
}

function packedLayout(width: number, height: number): ReturnType<typeof paddedLayout> {
  const planes: PaddedPlane[] = [];
  let byteLength = 0;
  for (const { width: stride, height: rows } of paddedLayout(width, height).planes) {
    planes.push({ offset: byteLength, stride, width: stride, height: rows });
    byteLength += stride * rows;
  }
  return { planes, byteLength };
}

/** Whether another frame, or the end of the file, follows a frame without padding. */
function isPacked(file: number, headerBytes: number, frameBytes: number): boolean {
  const end = headerBytes + frameMarker.length + frameBytes;
  const next = Buffer.alloc(frameMarker.length);
  return (
    fstatSync(file).size === end ||
    (readSync(file, next, 0, next.length, end) > 0 && next.equals(frameMarker))
  );
}

/** Copies at most `mostFrames` whole frames of y4menc's file `source` into the Y4M file `target`. */
export function repackY4m(source: string, target: string, mostFrames: number): void {
  const from = openSync(source, 'r');
  const to = openSync(target, 'w');
  try {
    const start = Buffer.alloc(longestHeader);
    readSync(from, start, 0, longestHeader, 0);
    const header = parseY4mHeader(start);
    writeSync(to, start, 0, header.byteLength);
    const { width, height } = header;
    const withoutPadding = packedLayout(width, height);
    const { planes, byteLength } = isPacked(from, header.byteLength, withoutPadding.byteLength)
      ? withoutPadding
      : paddedLayout(width, height);
    const padded = Buffer.alloc(frameMarker.length + byteLength);
    const packed = Buffer.alloc(frameMarker.length + withoutPadding.byteLength);
    frameMarker.copy(packed);
    for (let frame = 0; frame < mostFrames; frame++) {
      const position = header.byteLength + frame * padded.length;
      if (readSync(from, padded, 0, padded.length, position) < padded.length) return;
      let at = frameMarker.length;
      for (const plane of planes) {
        for (let row = 0; row < plane.height; row++) {
          const begin = frameMarker.length + plane.offset + row * plane.stride;
          at += padded.copy(packed, at, begin, begin + plane.width);
        }
      }
      writeSync(to, packed);
    }
  } finally {
    closeSync(from);
    closeSync(to);
  }
}
