import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { learningRate, patchesPerSecond } from '../../elements/sr-enhancer/schedule.ts';

describe('the learning rate', () => {
  it('is that of few patches a second at one end and of many at the other', () => {
    expect(learningRate(0)).toBeCloseTo(4e-4, 9);
    expect(learningRate(1)).toBeCloseTo(4e-4, 9);
    expect(learningRate(4)).toBeCloseTo(8e-4, 9);
    expect(learningRate(50)).toBeCloseTo(8e-4, 9);
  });

  it('rises with the patches in between', () => {
    const rate = fc.double({ min: 0, max: 100, noNaN: true });
    fc.assert(
      fc.property(rate, rate, (a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        expect(learningRate(low)).toBeLessThanOrEqual(learningRate(high));
      }),
    );
  });
});

describe('the patches per second', () => {
  it('are counted over the last ten seconds', () => {
    const arrivals = Array.from({ length: 60 }, (_, i) => i * 0.5e9);
    expect(patchesPerSecond(arrivals, 29.5e9)).toBe(2);
    expect(patchesPerSecond(arrivals, 60e9)).toBe(0);
    expect(patchesPerSecond([], 5e9)).toBe(0);
  });

  it('are not overrated at the start', () => {
    expect(patchesPerSecond([0], 0)).toBe(1);
    expect(patchesPerSecond([0, 1e9, 2e9], 3e9)).toBe(1);
  });
});
