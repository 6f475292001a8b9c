import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Memory } from '../../elements/feedback/messages.ts';
import {
  cellsChosen,
  coverAt,
  forgotten,
  memoryTold,
  memoryWorth,
  noCoverage,
  staleNs,
  type Coverage,
} from '../../elements/patch-sender/coverage.ts';

const grid = { columns: 2, rows: 2, cell: 120 };

const told = (change: Partial<Memory> = {}): Memory => ({
  type: 'memory',
  version: 1,
  session: 'a',
  sequence: 0,
  mediaTimeNs: 10e9,
  ...grid,
  cover: 'f0ff',
  rung: 2,
  benefit: null,
  ...change,
});

const after = (...news: readonly Memory[]): Coverage =>
  news.reduce((state, memory) => memoryTold(state, memory, grid, 10e9), noCoverage);

describe('what memory is known to cover', () => {
  it('is nothing before the server has told', () => {
    expect(coverAt(noCoverage, grid, 10e9)).toBeUndefined();
  });

  it('is what the server tells, as long as the picture may still be that one', () => {
    const state = after(told({ cover: 'f03c' }));
    expect(coverAt(state, grid, 10e9)).toEqual([1, 0, 0.2, 0.8]);
    expect(coverAt(state, grid, 10e9 + staleNs / 2)?.[0]).toBeCloseTo(0.5);
    expect(coverAt(state, grid, 10e9 + staleNs)).toBeUndefined();
  });

  it('is nothing any more when the server says that nothing is remembered', () => {
    const state = after(told(), told({ columns: 0, rows: 0, cover: '' }));
    expect(coverAt(state, grid, 10e9)).toBeUndefined();
    expect(state.ignored).toBe(0);
  });

  it.each([
    ['of other columns', { columns: 4, rows: 1 }],
    ['of other cells', { cell: 60 }],
    ['that are stale', { mediaTimeNs: 10e9 - staleNs }],
    ['of a time that has not come', { mediaTimeNs: 12e9 }],
  ])('leaves out and counts news %s', (_what, change) => {
    const before = after(told());
    const state = memoryTold(before, told({ ...change, cover: '0000' }), grid, 10e9);
    expect(state).toEqual({ ...before, ignored: 1 });
  });

  it('is of one grid: another one starts with nothing', () => {
    expect(coverAt(after(told()), { columns: 4, rows: 1 }, 10e9)).toBeUndefined();
  });

  it('takes what was sent for remembered until the server tells of a later frame', () => {
    const empty = { cover: '0000' };
    const sent = cellsChosen(after(told(empty)), [2], 10.2e9);
    expect(coverAt(sent, grid, 10.4e9)).toEqual([0, 0, 1, 0]);
    const soon = memoryTold(sent, told({ ...empty, mediaTimeNs: 10.5e9 }), grid, 11e9);
    expect(coverAt(soon, grid, 11e9)).toEqual([0, 0, 1, 0]);
    const later = memoryTold(sent, told({ ...empty, mediaTimeNs: 11e9 }), grid, 11e9);
    expect(coverAt(later, grid, 11e9)).toEqual([0, 0, 0, 0]);
  });

  it('is unknown when time is set back', () => {
    expect(coverAt(after(told()), grid, 2e9)).toBeUndefined();
  });

  it('lies between 0 and 1, and never grows by waiting', () => {
    const cover = fc.nat(0xffff).map((four) => four.toString(16).padStart(4, '0'));
    fc.assert(
      fc.property(cover, fc.nat(7e9), fc.nat(7e9), (digits, a, b) => {
        const state = after(told({ cover: digits }));
        const [early, late] = [Math.min(a, b), Math.max(a, b)];
        const first = coverAt(state, grid, 10e9 + early);
        const second = coverAt(state, grid, 10e9 + late);
        for (const [cell, share] of (second ?? []).entries()) {
          expect(share).toBeGreaterThanOrEqual(0);
          expect(share).toBeLessThanOrEqual(first?.[cell] ?? -1);
          expect(first?.[cell]).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});

describe('what memory is worth', () => {
  const errors = Uint32Array.of(100, 100, 100, 100);

  it('is what it takes away of the error of what it knows', () => {
    const state = after(told({ cover: 'f0f0', benefit: 0.2 }));
    const worth = memoryWorth(state, errors, coverAt(state, grid, 10e9));
    expect(worth?.leadDb).toBeCloseTo(-10 * Math.log10(1 - 0.1));
  });

  it('is more by each patch where it lacks much, and nothing where it knows all', () => {
    const byPatchDb = (cover: string, benefit: number | null): number => {
      const state = after(told({ cover, benefit }));
      return memoryWorth(state, errors, coverAt(state, grid, 10e9))?.byPatchDb ?? NaN;
    };
    expect(byPatchDb('0000', 0.2)).toBeCloseTo(-10 * Math.log10(1 - 0.2 / 4));
    expect(byPatchDb('ff00', 0.2)).toBeGreaterThan(byPatchDb('fff0', 0.2));
    expect(byPatchDb('ffff', 0.2)).toBe(0);
    expect(byPatchDb('0000', 0)).toBe(0);
  });

  it('is nothing where memory does harm, and unknown where it was not tested or nothing is told', () => {
    const harming = after(told({ benefit: -3 }));
    expect(memoryWorth(harming, errors, coverAt(harming, grid, 10e9))).toEqual({
      leadDb: 0,
      byPatchDb: 0,
    });
    const untested = after(told());
    expect(memoryWorth(untested, errors, coverAt(untested, grid, 10e9))).toBeUndefined();
    expect(memoryWorth(noCoverage, errors, undefined)).toBeUndefined();
    const state = after(told({ benefit: 0.2 }));
    expect(
      memoryWorth(state, Uint32Array.of(0, 0, 0, 0), coverAt(state, grid, 10e9)),
    ).toBeUndefined();
  });

  it('is forgotten with the size of the video', () => {
    const state = forgotten(after(told({ benefit: 0.2 })));
    expect(coverAt(state, grid, 10e9)).toBeUndefined();
  });

  it('is finite and never negative, whatever is told', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(2 ** 32 - 1), { minLength: 4, maxLength: 4 }),
        fc.string({ unit: fc.constantFrom('0', '1', '7', 'e', 'f'), minLength: 4, maxLength: 4 }),
        fc.double({ max: 1, noNaN: true }),
        (sums, cover, benefit) => {
          const state = after(told({ cover, benefit }));
          const worth = memoryWorth(state, Uint32Array.from(sums), coverAt(state, grid, 10e9));
          if (worth === undefined) return;
          expect(worth.leadDb).toBeGreaterThanOrEqual(0);
          expect(worth.byPatchDb).toBeGreaterThanOrEqual(0);
          expect(worth.leadDb + worth.byPatchDb).toBeLessThanOrEqual(20.001);
        },
      ),
    );
  });
});
