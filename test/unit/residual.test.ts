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
const table = (name: string): number[] =>
  read(`../../plugin/core/patch/${name}`)
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
    .map(Number);
const startProbabilities = table('residual_start.inc');
const startWeights = table('residual_weights.inc');

const at = <T>(list: ArrayLike<T>, index: number): T => {
  const value = list[index];
  if (value === undefined) throw new RangeError(`${index} of ${list.length}`);
  return value;
};

const clamp = (value: number, low: number, high: number): number =>
  Math.max(low, Math.min(high, value));

const stretch = Array.from({ length: 4096 }, (_, p) =>
  clamp(Math.round(256 * Math.log((2 * p + 1) / (8191 - 2 * p))), -2047, 2047),
);
const squash = (x: number): number => Math.round(65536 / (1 + Math.exp(-x / 256)));

/** Contexts of each input of each kind of bit, in the order of the tables. */
const level = [384, 640, 640, 384];
const kinds = {
  coded: [32, 48, 96, 36],
  last: [768, 512, 256],
  significant: level,
  aboveOne: level,
  aboveTwo: level,
  escape: [48, 60],
  sign: [640, 900, 150, 576],
} as const;
type Kind = keyof typeof kinds;

const contextsAt = {} as Record<Kind, number[]>;
const weightsAt = {} as Record<Kind, number>;
let contextCount = 0;
let weightCount = 0;
for (const kind of Object.keys(kinds) as Kind[]) {
  weightsAt[kind] = weightCount;
  contextsAt[kind] = kinds[kind].map((size) => {
    contextCount += size;
    return contextCount - size;
  });
  weightCount += kinds[kind].length;
}

class RangeDecoder {
  readonly #bytes: Uint8Array;
  readonly #ones = [...startProbabilities];
  readonly #weights = [...startWeights];
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

  bit(kind: Kind, choice: readonly number[]): 0 | 1 {
    const contexts = choice.map((context, input) => at(contextsAt[kind], input) + context);
    const says = contexts.map((context) => at(stretch, at(this.#ones, context) >> 4));
    const sum = says.reduce((s, x, i) => s + x * at(this.#weights, weightsAt[kind] + i), 0);
    const one = squash(clamp(Math.floor(sum / 65536), -2047, 2047));
    const zero = clamp(32768 - (one >> 1), 32, 32736);
    const bit = this.#narrow((this.#range >>> 15) * zero);
    for (const [i, x] of says.entries()) {
      const weight = weightsAt[kind] + i;
      this.#weights[weight] =
        (at(this.#weights, weight) + (((bit * 65536 - one) * x + 32768) >> 16)) | 0;
    }
    for (const context of contexts) {
      const before = at(this.#ones, context);
      this.#ones[context] = before + ((bit * 65535 - before) >> 4);
    }
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
  levels: number[];
  energy: number;
  count: number;
  last: number;
  right: number[];
  bottom: number[];
}
const zeros = (count: number): number[] => new Array<number>(count).fill(0);
const nothing = (): Done => ({
  levels: zeros(64),
  energy: 0,
  count: 0,
  last: 0,
  right: zeros(8),
  bottom: zeros(8),
});

/** Class of a size, of so many. */
const classOf = (size: number, count: number): number =>
  Math.min(
    count - 1,
    [1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 90].filter((limit) => size >= limit).length,
  );
const signedClass = (value: number): number => {
  const size = classOf(Math.abs(value) >> 11, 8);
  return value < 0 ? 7 - size : 7 + size;
};

const zigzag: number[] = [];
for (let diagonal = 0; diagonal < 15; diagonal++) {
  for (let i = 0; i <= diagonal; i++) {
    const row = diagonal % 2 === 1 ? i : diagonal - i;
    if (row < 8 && diagonal - row < 8) zigzag.push(row * 8 + diagonal - row);
  }
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

/** Coefficients of a block of samples, times 2^15. */
const transformed = (samples: readonly number[]): number[] =>
  Array.from({ length: 64 }, (_, k) => {
    let sum = 0;
    for (let i = 0; i < 64; i++)
      sum += at(samples, i) * at(at(cosines, k >> 3), i >> 3) * at(at(cosines, k & 7), i & 7);
    return sum;
  });

/** The enlargement's fine detail, a block. */
function detailOf(plane: readonly number[], width: number, height: number, x0: number, y0: number) {
  const pixel = (x: number, y: number): number =>
    at(plane, clamp(y, 0, height - 1) * width + clamp(x, 0, width - 1));
  return transformed(
    Array.from({ length: 64 }, (_, i) => {
      const x = x0 + (i & 7);
      const y = y0 + (i >> 3);
      if (x >= width || y >= height) return 0;
      let blur = 0;
      for (const [dy, v] of [1, 2, 1].entries())
        for (const [dx, h] of [1, 2, 1].entries())
          blur += v * h * pixel(x + 2 * (dx - 1), y + 2 * (dy - 1));
      return 4 * pixel(x, y) - (blur >> 2);
    }),
  );
}

interface Neighbours {
  readonly left: Done;
  readonly above: Done;
  readonly aboveLeft: Done;
  readonly aboveRight: Done;
}

function decodeBlock(
  coder: RangeDecoder,
  { left, above, aboveLeft, aboveRight }: Neighbours,
  coefficients: readonly number[],
  step: number,
): Done {
  const done = nothing();
  const perStep = Math.floor(65536 / step);
  const inSteps = (size: number): number => Math.floor((size * perStep) / 65536);
  const stepClass = [12, 20, 32].filter((limit) => step >= limit).length;
  const detail = coefficients.map((c) => Math.abs(c) >> 14);
  const detailClass = classOf(
    inSteps(Math.floor((detail.reduce((sum, d) => sum + d, 0) - at(detail, 0)) / 4)),
    12,
  );
  const energy = 2 * (left.energy + above.energy) + aboveLeft.energy + aboveRight.energy;
  const energyClass = classOf(energy >> 1, 8);
  const coded = coder.bit('coded', [
    4 * energyClass + stepClass,
    4 * detailClass + stepClass,
    8 * detailClass + energyClass,
    6 * Math.min(left.count, 5) + Math.min(above.count, 5),
  ]);
  if (coded === 0) return done;
  const lastClass = classOf((left.last + above.last) >> 1, 8);
  let node = 1;
  for (let i = 0; i < 6; i++) {
    const choice = [64 * detailClass + node, 64 * lastClass + node, 64 * stepClass + node];
    node = 2 * node + coder.bit('last', choice);
  }
  done.last = node - 64;
  const fromLeft = [...left.right];
  const fromAbove = [...above.bottom];
  for (let i = done.last; i >= 0; i--) {
    const place = at(zigzag, i);
    const row = place >> 3;
    const column = place & 7;
    const of = (values: readonly number[], r: number, c: number): number =>
      r >= 0 && c >= 0 && r < 8 && c < 8 ? Math.abs(at(values, r * 8 + c)) : 0;
    const own = (r: number, c: number): number =>
      Math.min(255, of(done.levels, row + r, column + c));
    const spread = (values: readonly number[]): number =>
      2 * of(values, row, column) +
      of(values, row - 1, column) +
      of(values, row + 1, column) +
      of(values, row, column - 1) +
      of(values, row, column + 1);
    const beside = own(0, 1) + own(1, 0);
    const beyond = own(1, 1) + own(0, 2) + own(2, 0);
    const near = classOf(
      2 * beside + beyond + own(-1, 2) + own(-1, 1) + own(2, -1) + own(1, -1),
      8,
    );
    const neighbours = classOf(spread(left.levels) + spread(above.levels), 8);
    const fine = classOf(inSteps(at(detail, place)), 10);
    const fineAround = classOf(inSteps(spread(detail) >> 2), 10);
    const diagonal = row + column;
    const band = diagonal === 0 ? 0 : diagonal < 3 ? 1 : diagonal < 6 ? 2 : 3;
    const choice = [
      6 * place + Math.min(beside + beyond, 5),
      10 * place + fine,
      8 * (8 * fineAround + near) + neighbours,
      4 * (8 * detailClass + neighbours) + band,
    ];
    if (i !== done.last && coder.bit('significant', choice) === 0) continue;
    let magnitude = 1;
    if (coder.bit('aboveOne', choice) === 1) {
      magnitude = 2;
      if (coder.bit('aboveTwo', choice) === 1) {
        let bits = 0;
        const more = (): number => {
          const kind = Math.min(bits, 5);
          return coder.bit('escape', [8 * kind + near, 10 * kind + fineAround]);
        };
        while (more() === 1) bits++;
        let value = 1;
        for (let b = 0; b < bits; b++) value = 2 * value + coder.even();
        magnitude = 3 + value - 1;
      }
    }
    const expected = at(coefficients, place) < 0 ? -1 : 1;
    const cosine = (k: number, x: number): number => at(at(cosines, k), x);
    const across = expected * at(fromLeft, row) * cosine(column, 0);
    const down = expected * at(fromAbove, column) * cosine(row, 0);
    const side = (value: number): number => [1, 0, 2][Math.sign(expected * value) + 1] ?? 0;
    const other = coder.bit('sign', [
      10 * place + fine,
      4 * (15 * signedClass(across) + signedClass(down)) + band,
      10 * signedClass(across + down) + fine,
      9 * place + 3 * side(at(left.levels, place)) + side(at(above.levels, place)),
    ]);
    const value = (other === 1 ? -expected : expected) * magnitude;
    done.levels[place] = value;
    done.energy += magnitude;
    done.count++;
    fromLeft[row] = at(fromLeft, row) - value * cosine(column, 0);
    fromAbove[column] = at(fromAbove, column) - value * cosine(row, 0);
    done.right[row] = at(done.right, row) + value * cosine(column, 7);
    done.bottom[column] = at(done.bottom, column) + value * cosine(row, 7);
  }
  return done;
}

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
  const enlarged = [...pixels];
  const columns = Math.ceil(width / 8);
  let above = Array.from({ length: columns }, nothing);
  for (let row = 0; row < Math.ceil(height / 8); row++) {
    const line: Done[] = [];
    for (let column = 0; column < columns; column++) {
      const done = decodeBlock(
        coder,
        {
          left: line[column - 1] ?? nothing(),
          above: at(above, column),
          aboveLeft: above[column - 1] ?? nothing(),
          aboveRight: above[column + 1] ?? nothing(),
        },
        detailOf(enlarged, width, height, column * 8, row * 8),
        step,
      );
      line.push(done);
      for (const [i, value] of residualOf(done.levels, step).entries()) {
        const x = column * 8 + (i & 7);
        const y = row * 8 + (i >> 3);
        if (x >= width || y >= height) continue;
        const sum = at(pixels, y * width + x) + value;
        pixels[y * width + x] = clamp(sum, 0, 255);
      }
    }
    above = line;
  }
  expect(coder.usedUp).toBe(true);
  return Uint8Array.from(pixels);
}

describe('the residual codec, decoded by its specification', () => {
  it('has a start probability for each context and a weight for each input', () => {
    expect(startProbabilities).toHaveLength(contextCount);
    expect(startWeights).toHaveLength(weightCount);
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
