// A second writer of patch packets, from docs/protocol.md: it writes what the project's own refuses to.
import { crc32 } from './crc32.ts';

const label = new Uint8Array(16);
label.set([6, 0x0e, 0x2b, 0x34, 1, 1, 1, 1, 0x0f, 0, 0x6c, 0x69, 0x76, 0x65, 0x73, 0x72]);

const headerBytes = 27;
const checksumAt = 23;

export interface HostileHeader {
  /** Code of the scale: 1-4, 15 for 1.5, anything else to be refused. */
  readonly scale: number;
  readonly streamId: number;
  readonly sequence: number;
  /** Any 64 bits. */
  readonly runningTimeNs: bigint;
  readonly frameWidth: number;
  readonly frameHeight: number;
}

export interface HostilePatch {
  readonly codec: number;
  readonly quality: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly payload: Uint8Array;
}

function coded(patch: HostilePatch): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt8(patch.codec, 0);
  head.writeUInt8(patch.quality, 1);
  [patch.x, patch.y, patch.width, patch.height, patch.payload.length].forEach((value, index) => {
    head.writeUInt16BE(value, 2 + 2 * index);
  });
  return Buffer.concat([head, patch.payload]);
}

function seal(body: Buffer): void {
  const sum = crc32(body.subarray(headerBytes), crc32(body.subarray(0, checksumAt)));
  body.writeUInt32BE(sum, checksumAt);
}

/** KLV of any value under a label: the project's unless another is given. */
export function klv(value: Uint8Array, key: Uint8Array = label): Buffer {
  const length = Buffer.from([
    0x83,
    value.length >> 16,
    (value.length >> 8) & 255,
    value.length & 255,
  ]);
  return Buffer.concat([key, length, value]);
}

export function hostilePacket(header: HostileHeader, patches: readonly HostilePatch[]): Buffer {
  const head = Buffer.alloc(headerBytes);
  head.writeUInt8(3, 0);
  head.writeUInt8(header.scale, 1);
  head.writeUInt8(patches.length, 2);
  head.writeUInt32BE(header.streamId, 3);
  head.writeUInt32BE(header.sequence, 7);
  head.writeBigUInt64BE(header.runningTimeNs, 11);
  head.writeUInt16BE(header.frameWidth, 19);
  head.writeUInt16BE(header.frameHeight, 21);
  const body = Buffer.concat([head, ...patches.map(coded)]);
  seal(body);
  return klv(body);
}

/** Where the value of a triplet begins, whose length is in whichever form. */
function valueAt(triplet: Uint8Array): number {
  const first = triplet[16] ?? 0;
  return first < 0x80 ? 17 : 17 + (first & 0x7f);
}

/** A packet of a recording as its sender would have written it later. */
export function resealed(
  triplet: Uint8Array,
  changes: { readonly sequence: number; readonly runningTimeNs: bigint },
): Buffer {
  const copy = Buffer.from(triplet);
  const body = copy.subarray(valueAt(copy));
  body.writeUInt32BE(changes.sequence, 7);
  body.writeBigUInt64BE(changes.runningTimeNs, 11);
  seal(body);
  return copy;
}

export function streamIdOf(triplet: Uint8Array): number {
  return Buffer.from(triplet).readUInt32BE(valueAt(triplet) + 3);
}
