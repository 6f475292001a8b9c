import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  learningRate,
  noSteps,
  patchArrived,
  patchesPerSecond,
  rateForSteps,
  stepsDue,
  stepsGivenUp,
  stepsPerSecond,
  stepsRun,
  stepsUntilPause,
} from '../../elements/sr-enhancer/schedule.ts';

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

describe('the rate for few steps', () => {
  it('is doubled at a hundred steps a second and the usual one from four hundred on', () => {
    expect(rateForSteps(0)).toBe(2);
    expect(rateForSteps(100)).toBe(2);
    expect(rateForSteps(225)).toBeCloseTo(4 / 3, 9);
    expect(rateForSteps(400)).toBe(1);
    expect(rateForSteps(5000)).toBe(1);
  });

  it('goes by the steps of the last ten seconds of media time', () => {
    let count = patchArrived(noSteps, 0);
    expect(stepsPerSecond(count, 0)).toBe(0);
    for (let second = 1; second <= 30; second++) {
      count = stepsRun(count, 60, second * 1e9);
      count = stepsRun(count, 40, second * 1e9);
      expect(stepsPerSecond(count, second * 1e9)).toBe(100);
      expect(count.runs.length).toBeLessThanOrEqual(10);
    }
    expect(stepsPerSecond(count, 35e9)).toBe(50);
    expect(stepsPerSecond(count, 60e9)).toBe(0);
    // After a flush media time begins anew.
    expect(stepsPerSecond(stepsRun(count, 10, 1e9), 1e9)).toBe(10);
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

describe('the steps', () => {
  it('are due by media time from the first patch on, however often one asks', () => {
    const rate = fc.double({ min: 0.1, max: 5000, noNaN: true });
    const ticks = fc.array(fc.integer({ min: 0, max: 2_000_000_000 }), { minLength: 1 });
    fc.assert(
      fc.property(rate, ticks, (stepsPerSecond, gaps) => {
        let count = patchArrived(noSteps, 7e9);
        let nowNs = 7e9;
        let run = 0;
        for (const gap of gaps) {
          nowNs += gap;
          const steps = stepsDue(count, nowNs, stepsPerSecond);
          count = stepsRun(count, steps, 0);
          run += steps;
        }
        expect(run).toBe(Math.floor(((nowNs - 7e9) / 1e9) * stepsPerSecond));
      }),
    );
  });

  it('are not due before the first patch, nor again when they were given up', () => {
    expect(stepsDue(noSteps, 60e9, 700)).toBe(0);
    const count = stepsGivenUp(patchArrived(noSteps, 0), 700);
    expect(stepsDue(count, 1e9, 700)).toBe(0);
    expect(stepsDue(count, 2e9, 700)).toBe(700);
  });

  it('pause when patches stop coming, sooner with few, and go on with the next', () => {
    let count = patchArrived(noSteps, 0);
    const withOne = stepsUntilPause(count, 1);
    const withMany = stepsUntilPause(count, 500);
    expect(withOne).toBeGreaterThan(0);
    expect(withMany).toBe(10 * withOne);
    count = stepsRun(count, withMany, 0);
    expect(stepsUntilPause(count, 500)).toBe(0);
    expect(stepsUntilPause(patchArrived(count, 90e9), 501)).toBe(withMany);
  });
});
