// A second reader of patches inside pictures, written from docs/protocol.md ("Inside the picture").
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Part {
  readonly picture: number;
  readonly back: number;
  readonly message: number;
  readonly part: number;
  readonly parts: number;
  readonly bytes: string;
}

interface Golden {
  readonly parts: readonly Part[];
  readonly pictures: readonly {
    readonly codec: 'h264' | 'h265' | 'av1';
    readonly lengthBytes: number;
    readonly picture: string;
    readonly without: string;
  }[];
  readonly refused: readonly { readonly why: string; readonly part: string }[];
}

const golden = JSON.parse(
  readFileSync(new URL('../golden/carriage.json', import.meta.url), 'utf8'),
) as Golden;

const uuid = Buffer.from('6c69766573724001a35e706174636873', 'hex');

function nalUnits(picture: Buffer, lengthBytes: number): Buffer[] {
  const units: Buffer[] = [];
  if (lengthBytes > 0) {
    for (let at = 0; at < picture.length;) {
      const begin = at + lengthBytes;
      at = begin + picture.readUIntBE(at, lengthBytes);
      units.push(picture.subarray(begin, at));
    }
    return units;
  }
  const startCode = Buffer.from([0, 0, 1]);
  for (let at = picture.indexOf(startCode); at >= 0;) {
    const next = picture.indexOf(startCode, at + 3);
    const end = next < 0 ? picture.length : next - (picture[next - 1] === 0 ? 1 : 0);
    units.push(picture.subarray(at + 3, end));
    at = next;
  }
  return units;
}

function withoutEmulation(bytes: Buffer): Buffer {
  const kept: number[] = [];
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    kept.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return Buffer.from(kept);
}

function userData(sei: Buffer): Buffer {
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (; sei[at] === 0xff; at++) value += 0xff;
    return value + (sei[at++] ?? 0);
  };
  expect(number()).toBe(5);
  const size = number();
  return sei.subarray(at, at + size);
}

function inNalUnits(picture: Buffer, codec: 'h264' | 'h265', lengthBytes: number): Buffer[] {
  const found: Buffer[] = [];
  for (const unit of nalUnits(picture, lengthBytes)) {
    const isH264 = codec === 'h264';
    const type = isH264 ? (unit[0] ?? 0) & 31 : ((unit[0] ?? 0) >> 1) & 63;
    if (isH264 ? type >= 1 && type <= 5 : type < 32) break;
    if (type === (isH264 ? 6 : 39)) {
      found.push(userData(withoutEmulation(unit.subarray(isH264 ? 1 : 2))));
    }
  }
  return found;
}

function inObus(picture: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < picture.length;) {
    const type = ((picture[at++] ?? 0) >> 3) & 15;
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = picture[at++] ?? 0;
      size |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    const payload = picture.subarray(at, at + size);
    at += size;
    if (type === 6) break;
    // Type, country code; and the trailing bit.
    if (type === 5) found.push(payload.subarray(3, payload.length - 1));
  }
  return found;
}

function readPart(part: Buffer): Part | undefined {
  if (part.length < 12 || part[0] !== 1) return undefined;
  const [index, count] = [part[9] ?? 0, part[10] ?? 0];
  if (index >= count) return undefined;
  return {
    picture: part.readUInt32BE(1),
    back: part.readInt16BE(5),
    message: part.readUInt16BE(7),
    part: index,
    parts: count,
    bytes: part.subarray(11).toString('hex'),
  };
}

test.each(golden.pictures)(
  'parts in a picture of $codec, $lengthBytes bytes of length',
  (given) => {
    const picture = Buffer.from(given.picture, 'hex');
    const data =
      given.codec === 'av1' ? inObus(picture) : inNalUnits(picture, given.codec, given.lengthBytes);
    expect(data.every((item) => item.subarray(0, 16).equals(uuid))).toBe(true);
    expect(data.map((item) => readPart(item.subarray(16)))).toEqual(golden.parts);
  },
);

test.each(golden.refused)('a part with $why is refused', ({ part }) => {
  expect(readPart(Buffer.from(part, 'hex'))).toBeUndefined();
});
