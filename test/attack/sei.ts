// A second writer of what coded pictures carry, from docs/protocol.md ("Inside the picture"): SEI of H.264,
// right and wrong.

const uuid = Buffer.from('6c69766573724001a35e706174636873', 'hex');
const startCode = Buffer.from([0, 0, 0, 1]);
const seiUnit = 6;
const userDataUnregistered = 5;

export interface HostilePart {
  readonly picture: number;
  readonly back: number;
  readonly message: number;
  readonly part: number;
  readonly parts: number;
  readonly bytes: Uint8Array;
}

export function coded({ picture, back, message, part, parts, bytes }: HostilePart): Buffer {
  const head = Buffer.alloc(11);
  head.writeUInt8(1, 0);
  head.writeUInt32BE(picture >>> 0, 1);
  head.writeInt16BE(back, 5);
  head.writeUInt16BE(message & 0xffff, 7);
  head.writeUInt8(part, 9);
  head.writeUInt8(parts, 10);
  return Buffer.concat([head, bytes]);
}

/** One SEI message under the project's UUID; claims to be longer than it is by `missing` bytes. */
export function message(payload: Uint8Array, missing = 0): Buffer {
  const size = uuid.length + payload.length + missing;
  const sizes = Buffer.alloc(Math.floor(size / 255) + 1, 255);
  sizes.writeUInt8(size % 255, sizes.length - 1);
  return Buffer.concat([Buffer.from([userDataUnregistered]), sizes, uuid, payload]);
}

function withEmulationPrevention(bytes: Uint8Array): Buffer {
  const escaped: number[] = [];
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros === 2 && byte <= 3) {
      escaped.push(3);
      zeros = 0;
    }
    escaped.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return Buffer.from(escaped);
}

/** A NAL unit of these messages, with its start code. */
export function unit(...messages: readonly Uint8Array[]): Buffer {
  const body = withEmulationPrevention(Buffer.concat([...messages, Buffer.from([0x80])]));
  return Buffer.concat([startCode, Buffer.from([seiUnit]), body]);
}

/** Before the first slice of a picture in start codes; at its end where there is none. */
export function inFrontOfSlices(picture: Buffer, units: readonly Uint8Array[]): Buffer {
  let at = picture.indexOf(startCode.subarray(1));
  for (; at >= 0; at = picture.indexOf(startCode.subarray(1), at + 3)) {
    const type = (picture[at + 3] ?? 0) & 31;
    if (type === 1 || type === 5) break;
  }
  if (at < 0) return Buffer.concat([picture, ...units]);
  if (picture[at - 1] === 0) at--;
  return Buffer.concat([picture.subarray(0, at), ...units, picture.subarray(at)]);
}
