import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bestTrial,
  fits,
  leastFilled,
  nextAsked,
  type Trial,
} from '../../elements/measure/calibrate.ts';

/** Asks an encoder until calibration is content. */
function calibrate(encoder: (asked: number) => number): Trial[] {
  const trials: Trial[] = [];
  for (let asked = nextAsked(trials); asked !== null; asked = nextAsked(trials)) {
    trials.push({ asked, sent: encoder(asked) });
    if (trials.length > 50) throw new Error('calibration does not end');
  }
  return trials;
}

describe('filling the uplink', () => {
  test('an encoder that keeps its target is asked once or twice', () => {
    expect(calibrate((asked) => asked * 0.995)).toHaveLength(1);
    expect(calibrate((asked) => asked * 1.03).length).toBe(2);
  });

  test('whatever share the encoder over- or underspends, the uplink is filled and not exceeded', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.6, max: 1.6, noNaN: true }),
        fc.double({ min: 0, max: 0.2, noNaN: true }),
        (factor, offset) => {
          const best = bestTrial(calibrate((asked) => asked * factor + offset * (1 - asked)));
          expect(best).toBeDefined();
          expect(best?.sent).toBeLessThanOrEqual(1);
          expect(best?.sent).toBeGreaterThanOrEqual(leastFilled);
        },
      ),
    );
  });

  test('an encoder whose rate jumps about never exceeds the uplink in the end', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.8, max: 1.3, noNaN: true }), { minLength: 1 }),
        (noise) => {
          let call = 0;
          const trials = calibrate((asked) => asked * (noise[call++ % noise.length] ?? 1));
          const best = bestTrial(trials);
          expect(best).toBeDefined();
          expect(best !== undefined && fits(best)).toBe(true);
        },
      ),
    );
  });

  test('content that needs fewer bits than there are is left at what it needs', () => {
    const best = bestTrial(calibrate((asked) => Math.min(asked, 0.4)));
    expect(best?.sent).toBe(0.4);
  });
});
