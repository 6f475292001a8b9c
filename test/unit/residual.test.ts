// A second decoder of the residual codec, written from docs/protocol.md alone: it makes the golden
// pixels of the golden payloads, or the specification does not say enough.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

interface GoldenPatch {
  name: string;
  width: number;
  height: number;
  scale: number;
  step: number;
  low: string;
  high: string;
  payload: string;
  decoded: string;
}

const golden = JSON.parse(read('../golden/residual.json')) as { patches: GoldenPatch[] };
const startProbabilities = read('../../plugin/core/patch/residual_start.inc')
  .split(',')
  .map((word) => word.trim())
  .filter((word) => word !== '')
  .map(Number);

const at = <T>(list: ArrayLike<T>, index: number): T => {
  const value = list[index];
  if (value === undefined) throw new RangeError(`${index} of ${list.length}`);
  return value;
};

class RangeDecoder {
  readonly #bytes: Uint8Array;
  readonly #fast = [...startProbabilities];
  readonly #slow = [...startProbabilities];
  #read = 0;
  #range = 0xffffffff;
  #code = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    for (let i = 0; i < 4; i++) this.#take();
  }

  #take(): void {
    this.#code = ((this.#code << 8) | (this.#bytes[this.#read++] ?? 0)) >>> 0;
  }

  #narrow(bound: number): 0 | 1 {
    const bit = this.#code >= bound ? 1 : 0;
    if (bit === 1) {
      this.#code -= bound;
      this.#range -= bound;
    } else this.#range = bound;
    while (this.#range < 2 ** 24) {
      this.#range = (this.#range << 8) >>> 0;
      this.#take();
    }
    return bit;
  }

  bit(context: number): 0 | 1 {
    const fast = at(this.#fast, context);
    const slow = at(this.#slow, context);
    const zero = Math.min(32768 - 64, Math.max(64, (fast + slow) >> 2));
    const bit = this.#narrow((this.#range >>> 15) * zero);
    this.#fast[context] = bit === 1 ? fast - (fast >> 5) : fast + ((65535 - fast) >> 5);
    this.#slow[context] = bit === 1 ? slow - (slow >> 7) : slow + ((65535 - slow) >> 7);
    return bit;
  }

  even(): 0 | 1 {
    return this.#narrow(this.#range >>> 1);
  }

  get usedUp(): boolean {
    return this.#read >= this.#bytes.length && this.#read <= this.#bytes.length + 4;
  }
}

interface Done {
  magnitude: number[];
  energy: number;
  sign: number;
}
const nothing = (): Done => ({ magnitude: new Array<number>(64).fill(0), energy: 0, sign: 0 });

const zigzag: number[] = [];
for (let diagonal = 0; diagonal < 15; diagonal++) {
  for (let i = 0; i <= diagonal; i++) {
    const row = diagonal % 2 === 1 ? i : diagonal - i;
    if (row < 8 && diagonal - row < 8) zigzag.push(row * 8 + diagonal - row);
  }
}

function decodeBlock(coder: RangeDecoder, left: Done, above: Done): [number[], Done] {
  const levels = new Array<number>(64).fill(0);
  const done = nothing();
  const energy = left.energy + above.energy;
  const energyClass = [1, 3, 6, 12, 30].filter((limit) => energy >= limit).length;
  if (coder.bit(energyClass) === 0) return [levels, done];
  let node = 1;
  const tree = 6 + 64 * (energyClass >> 1);
  for (let i = 0; i < 6; i++) node = 2 * node + coder.bit(tree + node);
  const last = node - 64;
  for (let i = last; i >= 0; i--) {
    const place = at(zigzag, i);
    const row = place >> 3;
    const column = place & 7;
    const size = (r: number, c: number): number =>
      r < 8 && c < 8 ? Math.abs(at(levels, r * 8 + c)) : 0;
    const near =
      size(row, column + 1) +
      size(row + 1, column) +
      size(row + 1, column + 1) +
      size(row, column + 2) +
      size(row + 2, column);
    const neighbours = at(left.magnitude, place) + at(above.magnitude, place);
    const diagonal = row + column;
    const position = diagonal === 0 ? 0 : diagonal < 3 ? 1 : diagonal < 6 ? 2 : 3;
    const context = (position * 4 + Math.min(near, 3)) * 3 + Math.min(neighbours, 2);
    if (i !== last && coder.bit(198 + context) === 0) continue;
    let level = 1;
    if (coder.bit(246 + context) === 1) {
      level = 2;
      if (coder.bit(294 + context) === 1) {
        let bits = 0;
        while (coder.bit(342 + bits) === 1) bits++;
        let value = 1;
        for (let b = 0; b < bits; b++) value = 2 * value + coder.even();
        level = 3 + value - 1;
      }
    }
    const sum = left.sign + above.sign;
    const negative =
      place === 0 ? coder.bit(354 + (sum === 0 ? 0 : sum < 0 ? 1 : 2)) : coder.even();
    levels[place] = negative === 1 ? -level : level;
    done.magnitude[place] = Math.min(level, 255);
    done.energy += level;
  }
  done.sign = Math.sign(at(levels, 0));
  return [levels, done];
}

const cosines = [
  [64, 64, 64, 64, 64, 64, 64, 64],
  [89, 75, 50, 18, -18, -50, -75, -89],
  [83, 36, -36, -83, -83, -36, 36, 83],
  [75, -18, -89, -50, 50, 89, 18, -75],
  [64, -64, -64, 64, 64, -64, -64, 64],
  [50, -89, 18, 75, -75, -18, 89, -50],
  [36, -83, 83, -36, -36, 83, -83, 36],
  [18, -50, 75, -89, 89, -75, 50, -18],
];

function residualOf(levels: readonly number[], step: number): number[] {
  const outward = (step * 5) >> 5;
  const coefficients = levels.map((level) => level * step + Math.sign(level) * outward);
  return Array.from({ length: 64 }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < 64; k++) {
      sum += at(coefficients, k) * at(at(cosines, k >> 3), i >> 3) * at(at(cosines, k & 7), i & 7);
    }
    return (sum + 2 ** 14) >> 15;
  });
}

/** Bicubic taps for pixels x - 2 ... x + 2, by scale and phase. */
const taps: Readonly<Record<number, readonly (readonly number[])[]>> = {
  1: [[0, 0, 16384, 0, 0]],
  2: [
    [-384, 3712, 14208, -1152, 0],
    [0, -1152, 14208, 3712, -384],
  ],
  3: [
    [-607, 5461, 12743, -1213, 0],
    [0, 0, 16384, 0, 0],
    [0, -1213, 12743, 5461, -607],
  ],
  4: [
    [-720, 6384, 11920, -1200, 0],
    [-112, 1488, 15792, -784, 0],
    [0, -784, 15792, 1488, -112],
    [0, -1200, 11920, 6384, -720],
  ],
};

function enlarge(low: Uint8Array, width: number, height: number, scale: number): number[] {
  const lowWidth = width / scale + 4;
  const phases = taps[scale] ?? [];
  return Array.from({ length: width * height }, (_, i) => {
    const x = i % width;
    const y = Math.floor(i / width);
    let v = 0;
    for (let r = 0; r < 5; r++) {
      let h = 128;
      for (let c = 0; c < 5; c++) {
        const sample = at(low, (Math.floor(y / scale) + r) * lowWidth + Math.floor(x / scale) + c);
        h += sample * at(at(phases, x % scale), c);
      }
      v += (h >> 8) * at(at(phases, y % scale), r);
    }
    return Math.max(0, Math.min(255, (v + 2 ** 19) >> 20));
  });
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function decode(patch: GoldenPatch): Uint8Array {
  const { width, height, scale, step } = patch;
  const low = Buffer.from(patch.low, 'hex');
  const payload = Buffer.from(patch.payload, 'hex');
  expect(payload.readUInt32BE(0)).toBe(crc32(low));
  const coder = new RangeDecoder(payload.subarray(4));
  const pixels = enlarge(low, width, height, scale);
  const columns = Math.ceil(width / 8);
  const above = Array.from({ length: columns }, nothing);
  for (let row = 0; row < Math.ceil(height / 8); row++) {
    let left = nothing();
    for (let column = 0; column < columns; column++) {
      const [levels, done] = decodeBlock(coder, left, at(above, column));
      left = done;
      above[column] = done;
      for (const [i, value] of residualOf(levels, step).entries()) {
        const x = column * 8 + (i & 7);
        const y = row * 8 + (i >> 3);
        if (x >= width || y >= height) continue;
        const sum = at(pixels, y * width + x) + value;
        pixels[y * width + x] = Math.max(0, Math.min(255, sum));
      }
    }
  }
  expect(coder.usedUp).toBe(true);
  return Uint8Array.from(pixels);
}

describe('the residual codec, decoded by its specification', () => {
  it('has a start probability for each of its 357 contexts', () => {
    expect(startProbabilities).toHaveLength(357);
    for (const probability of startProbabilities) {
      expect(probability).toBeGreaterThan(0);
      expect(probability).toBeLessThan(65536);
    }
  });

  for (const patch of golden.patches) {
    it(`${patch.name}: the golden pixels`, () => {
      expect(Buffer.from(decode(patch)).toString('hex')).toBe(patch.decoded);
    });
  }
});
