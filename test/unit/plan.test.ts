import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  advance,
  allowance,
  emptyBudget,
  leastVideoBesidePatchesBps,
  mostPatchesPerRound,
  selected,
  sent,
  splitUplink,
  type PatchBudget,
} from '../../elements/patch-sender/plan.ts';

const settings = { patchesOn: true, patchBitrateBps: 50_000, minVideoBitrateBps: 200_000 };
const noBudget = emptyBudget('jpeg');
const bitrateBps = fc.integer({ min: 0, max: 50_000_000 });

describe('the split of the uplink', () => {
  it('gives patches their rate and video the rest', () => {
    expect(splitUplink(600_000, settings)).toEqual({
      videoBitrateBps: 550_000,
      patchBitrateBps: 50_000,
    });
  });

  it('never exceeds the uplink, leaves nothing of it unused, and keeps video before patches', () => {
    fc.assert(
      fc.property(
        bitrateBps,
        bitrateBps,
        bitrateBps,
        fc.boolean(),
        (uplinkBps, patchBitrateBps, minVideoBitrateBps, patchesOn) => {
          const split = splitUplink(uplinkBps, { patchesOn, patchBitrateBps, minVideoBitrateBps });
          expect(split.videoBitrateBps + split.patchBitrateBps).toBe(uplinkBps);
          expect(split.patchBitrateBps).toBeGreaterThanOrEqual(0);
          expect(split.patchBitrateBps).toBeLessThanOrEqual(patchesOn ? patchBitrateBps : 0);
          const leastBps = Math.max(minVideoBitrateBps, leastVideoBesidePatchesBps);
          if (split.videoBitrateBps < leastBps) expect(split.patchBitrateBps).toBe(0);
        },
      ),
    );
  });

  it('sends no patches beside video of less than 200 kbit/s', () => {
    const low = { ...settings, minVideoBitrateBps: 0 };
    expect(splitUplink(200_000, low).patchBitrateBps).toBe(0);
    expect(splitUplink(220_000, low).patchBitrateBps).toBe(20_000);
  });

  it('sends no patches when they are off', () => {
    expect(splitUplink(600_000, { ...settings, patchesOn: false }).patchBitrateBps).toBe(0);
  });
});

interface Run {
  readonly sentAt: { readonly timeNs: number; readonly bits: number }[];
  readonly selections: number[];
}

/** Offers every 100 ms; each selection is sent with the next size of `patchBytes`. */
function run(rateBps: number, offers: number, patchBytes: readonly number[]): Run {
  let budget: PatchBudget = { ...noBudget, patchBitrateBps: rateBps };
  const result: Run = { sentAt: [], selections: [] };
  let next = 0;
  for (let i = 0; i < offers; i++) {
    const timeNs = i * 100e6;
    budget = advance(budget, timeNs);
    const patches = allowance(budget);
    budget = selected(budget, patches);
    result.selections.push(patches);
    for (let p = 0; p < patches; p++) {
      const bytes = patchBytes[next++ % patchBytes.length] ?? 1;
      budget = sent(budget, bytes, 1);
      result.sentAt.push({ timeNs, bits: bytes * 8 });
    }
  }
  return result;
}

describe('the budget of patches', () => {
  it('keeps the rate over any window, but for what one round of patches may overdraw', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 25_000, max: 400_000 }),
        fc.array(fc.integer({ min: 300, max: 15_000 }), { minLength: 1, maxLength: 30 }),
        (rateBps, patchBytes) => {
          const { sentAt, selections } = run(rateBps, 300, patchBytes);
          const largestBits = Math.max(...patchBytes) * 8;
          const mostAtOnce = Math.max(...selections);
          for (const from of sentAt) {
            let bits = 0;
            for (const { timeNs, bits: size } of sentAt) {
              if (timeNs < from.timeNs) continue;
              bits += size;
              const seconds = (timeNs - from.timeNs) / 1e9;
              // One second may have been saved before, and the last round is paid afterwards.
              expect(bits).toBeLessThanOrEqual(rateBps * (seconds + 1) + mostAtOnce * largestBits);
            }
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('uses the rate up', () => {
    const { sentAt } = run(50_000, 600, [4200]);
    const sumBps = sentAt.reduce((sum, { bits }) => sum + bits, 0) / 60;
    expect(sumBps).toBeGreaterThan(0.97 * 50_000);
    expect(sumBps).toBeLessThan(1.03 * 50_000);
  });

  it('lets a first dear patch go after half a second', () => {
    expect(run(50_000, 8, [4200]).selections).toEqual([0, 0, 0, 0, 0, 1, 0, 0]);
  });

  it('waits until several cheap patches can share a packet', () => {
    const cheap = { ...emptyBudget('residual'), patchBitrateBps: 50_000 };
    const after = (ms: number): number => allowance(advance(advance(cheap, 0), ms * 1e6));
    expect([100, 200, 300, 400].map(after)).toEqual([0, 0, 0, 5]);
  });

  it('saves at most one second, and bounds a round', () => {
    const rich = { ...noBudget, patchBitrateBps: 10_000_000 };
    const waited = advance(advance(rich, 0), 60e9);
    expect(waited.balanceBits).toBe(10_000_000);
    expect(allowance(waited)).toBe(mostPatchesPerRound);
  });

  it('counts announcements, which nobody selected', () => {
    const budget = sent({ ...noBudget, patchBitrateBps: 50_000 }, 60, 0);
    expect(budget.balanceBits).toBe(-480);
    expect(budget.meanPatchBits).toBe(noBudget.meanPatchBits);
  });

  it('waits for what is under way, but not for ever', () => {
    let budget = advance(advance({ ...noBudget, patchBitrateBps: 20_000 }, 0), 500e6);
    expect(allowance(budget)).toBe(1);
    budget = selected(budget, 1);
    budget = advance(budget, 1.5e9);
    expect(allowance(budget)).toBe(0);
    expect(allowance(advance(budget, 3e9))).toBe(1);
  });

  it('earns nothing when time is set back', () => {
    const budget = advance({ ...noBudget, patchBitrateBps: 50_000 }, 10e9);
    expect(advance(budget, 1e9).balanceBits).toBe(0);
    expect(advance(advance(budget, 1e9), 1.5e9).balanceBits).toBe(25_000);
  });

  it('allows nothing without a rate', () => {
    expect(allowance(advance({ ...noBudget }, 5e9))).toBe(0);
  });
});
