import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Memory } from '../../elements/feedback/messages.ts';
import {
  cellsChosen,
  coverAt,
  memoryTold,
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
