import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../elements/patch-sender/random.ts';
import { knownWeight, Sampler, worseShare } from '../../elements/patch-sender/sampler.ts';

const grid = { columns: 10, rows: 6 };
const errorGrids = fc
  .array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 60, maxLength: 60 })
  .map((errors) => Uint32Array.from(errors));

function worseThanMean(errors: Uint32Array): number[] {
  const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
  return [...errors.keys()].filter((cell) => (errors[cell] ?? 0) > mean);
}

describe('the sampler', () => {
  it('draws only cells worse than the frame, each at most once, as many as asked and there are', () => {
    fc.assert(
      fc.property(errorGrids, fc.nat(12), fc.nat(), (errors, most, seed) => {
        const cells = new Sampler(seededRandom(seed)).select(grid, errors, most);
        const worse = worseThanMean(errors);
        expect(new Set(cells).size).toBe(cells.length);
        expect(cells.every((cell) => worse.includes(cell))).toBe(true);
        expect(cells).toHaveLength(Math.min(most, worse.length));
      }),
    );
  });

  it('draws no cell again while others wait', () => {
    fc.assert(
      fc.property(errorGrids, fc.integer({ min: 1, max: 3 }), fc.nat(), (errors, most, seed) => {
        const sampler = new Sampler(seededRandom(seed));
        const worse = worseThanMean(errors).length;
        const drawn: number[] = [];
        while (drawn.length + most <= worse) drawn.push(...sampler.select(grid, errors, most));
        expect(new Set(drawn).size).toBe(drawn.length);
      }),
    );
  });

  it('comes back to a cell in the next round', () => {
    const sampler = new Sampler(seededRandom(1));
    const errors = new Uint32Array(60);
    errors[7] = 100;
    expect(sampler.select(grid, errors, 3)).toEqual([7]);
    expect(sampler.select(grid, errors, 3)).toEqual([7]);
  });

  it('draws nothing from a frame whose cells are all alike', () => {
    const sampler = new Sampler(seededRandom(1));
    expect(sampler.select(grid, new Uint32Array(60), 5)).toEqual([]);
    expect(sampler.select(grid, new Uint32Array(60).fill(9), 5)).toEqual([]);
    expect(sampler.select({ columns: 0, rows: 0 }, new Uint32Array(0), 5)).toEqual([]);
  });

  it('draws the same from the same seed, and otherwise from another', () => {
    const errors = Uint32Array.from({ length: 60 }, (_, i) => (i % 2) * 1000);
    const draw = (seed: number): number[] =>
      new Sampler(seededRandom(seed)).select(grid, errors, 10);
    expect(draw(5)).toEqual(draw(5));
    expect(draw(5)).not.toEqual(draw(6));
  });

  it('starts a new round when the grid changes', () => {
    const sampler = new Sampler(() => 0);
    const errors = Uint32Array.of(0, 5, 5, 0);
    expect(sampler.select({ columns: 2, rows: 2 }, errors, 1)).toEqual([1]);
    expect(sampler.select({ columns: 4, rows: 1 }, errors, 1)).toEqual([1]);
  });
});

describe('the sampler that knows what memory covers', () => {
  const covers = fc.array(fc.float({ min: 0, max: 1, noNaN: true }), {
    minLength: 60,
    maxLength: 60,
  });

  it('draws as many cells as are asked for and have an error, each once: training never starves', () => {
    fc.assert(
      fc.property(errorGrids, covers, fc.nat(70), fc.nat(), (errors, cover, most, seed) => {
        const cells = new Sampler(seededRandom(seed)).select(grid, errors, most, cover);
        const wrong = [...errors.keys()].filter((cell) => (errors[cell] ?? 0) > 0);
        expect(new Set(cells).size).toBe(cells.length);
        expect(cells.every((cell) => wrong.includes(cell))).toBe(true);
        expect(cells).toHaveLength(Math.min(most, wrong.length));
      }),
    );
  });

  it('draws what is covered as rarely as it is said to', () => {
    const cover = Array.from({ length: 60 }, (_, cell) => (cell < 30 ? 1 : 0));
    const errors = new Uint32Array(60).fill(50);
    const sampler = new Sampler(seededRandom(4));
    let known = 0;
    for (let i = 0; i < 2000; i++)
      known += (sampler.select(grid, errors, 1, cover)[0] ?? 60) < 30 ? 1 : 0;
    expect(known / 2000).toBeCloseTo(knownWeight / (1 + knownWeight), 1);
  });

  it('draws a cell the more often the more error it has', () => {
    const errors = Uint32Array.from({ length: 60 }, (_, cell) => (cell === 5 ? 590 : 10));
    const sampler = new Sampler(seededRandom(4));
    const none = new Array<number>(60).fill(0);
    let drawn = 0;
    for (let i = 0; i < 1000; i++) drawn += sampler.select(grid, errors, 1, none)[0] === 5 ? 1 : 0;
    expect(drawn / 1000).toBeCloseTo(0.5, 1);
  });

  it('draws nothing where there is no error', () => {
    const none = new Array<number>(60).fill(0);
    expect(new Sampler(seededRandom(1)).select(grid, new Uint32Array(60), 5, none)).toEqual([]);
  });
});

describe('the share of the error in worse cells', () => {
  it('is all of it where all is in one cell, and nothing where all cells are alike', () => {
    expect(worseShare(Uint32Array.of(0, 0, 8, 0))).toBe(1);
    expect(worseShare(Uint32Array.of(5, 5, 5, 5))).toBe(0);
    expect(worseShare(Uint32Array.of(1, 1, 3, 3))).toBe(0.75);
  });

  it('is unknown without an error, and without cells', () => {
    expect(worseShare(Uint32Array.of(0, 0))).toBeUndefined();
    expect(worseShare(new Uint32Array())).toBeUndefined();
  });
});

describe('seeded random numbers', () => {
  it('are spread over [0, 1)', () => {
    const random = seededRandom(42);
    const bins = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i++) {
      const value = random();
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThan(1);
      const bin = Math.floor(value * 10);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    for (const count of bins) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it('depend on all 53 bits of the seed', () => {
    expect(seededRandom(1)()).not.toBe(seededRandom(1 + 2 ** 40)());
  });
});
