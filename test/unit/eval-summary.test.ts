import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  firstPart,
  perSecond,
  summariseScheme,
  summariseTraining,
  type SchemeRun,
} from '../../elements/measure/summary.ts';

/** Two frames a second, each `gainDb` over bicubic, which is at 30 dB. */
function run(gainsDb: readonly number[], bytesPerFrame: number): SchemeRun {
  return {
    frames: gainsDb.map((gainDb, index) => ({
      timeSeconds: index / 2,
      psnrDb: 30 + gainDb,
      ssim: index % 2 === 0 ? 0.9 : null,
      bicubicPsnrDb: 30,
    })),
    video: gainsDb.map((_, index) => ({ timeSeconds: index / 2, bytes: bytesPerFrame })),
    packets: [
      { timeSeconds: 0, bytes: 0, patches: 0 },
      { timeSeconds: 1.2, bytes: 125, patches: 2 },
    ],
    seconds: gainsDb.length / 2,
  };
}

describe('summary of a scheme', () => {
  test('a second is the mean of its frames, and its bits are those sent within it', () => {
    expect(perSecond(run([0, 1, 2, 4], 250))).toEqual([
      { second: 0, psnrYDb: 30.5, overBicubicDb: 0.5, videoKbps: 4, patchKbps: 0, patches: 0 },
      { second: 1, psnrYDb: 33, overBicubicDb: 3, videoKbps: 4, patchKbps: 1, patches: 2 },
    ]);
  });

  test('a last second cut short counts its bits over the time there was', () => {
    const cut = run([0, 0, 0], 250);
    expect(perSecond(cut)[1]?.videoKbps).toBe(4);
  });

  test('gains compare with the schemes at the same uplink, the worst second with the same frames', () => {
    const bicubic = run([0, 0, 0, 0], 250);
    const bilinear = run([-1, -1, -1, -1], 250);
    const summary = summariseScheme(run([-2, 0, 2, 2], 240), { bicubic, bilinear });
    expect(summary.psnrYDb).toBe(30.5);
    expect(summary.gainOverBicubicDb).toBe(0.5);
    expect(summary.gainOverBilinearDb).toBe(1.5);
    expect(summary.worstSecondOverBicubicDb).toBe(-1);
    expect(summary.ssim).toBe(0.9);
    expect(summary.patchKbps).toBe(0.5);
    expect(summary.patchesPerSecond).toBe(1);
    expect(summary.bytesPerPatch).toBe(62.5);
  });

  test('the first ten seconds are reported apart', () => {
    const gains = Array.from({ length: 30 }, (_, index) => (index < 20 ? 1 : 3));
    const flat = run(new Array<number>(30).fill(0), 100);
    const summary = summariseScheme(run(gains, 100), { bicubic: flat, bilinear: flat });
    expect(summary.first10s.gainOverBicubicDb).toBe(1);
    expect(summary.gainOverBicubicDb).toBeCloseTo(5 / 3);
    expect(summary.perSecond).toHaveLength(15);
  });

  test('a session is reported from its first scene change on too', () => {
    const gains = Array.from({ length: 12 }, (_, index) => (index < 4 ? 1 : 3));
    const flat = run(new Array<number>(12).fill(0), 100);
    const baselines = { bicubic: flat, bilinear: flat };
    const session = summariseScheme(run(gains, 100), baselines, 2);
    expect(session.afterSwitch?.gainOverBicubicDb).toBe(3);
    expect(session.afterSwitch?.worstSecondOverBicubicDb).toBe(3);
    expect(session.afterSwitch?.videoKbps).toBeCloseTo(1.6);
    expect(summariseScheme(run(gains, 100), baselines, 6).afterSwitch).toBeUndefined();
    expect(summariseScheme(run(gains, 100), baselines).afterSwitch).toBeUndefined();
  });

  test('training is what it took of all the steps that there was time for', () => {
    const epoch = (timeSeconds: number, state: string, steps: number) => ({
      timeSeconds,
      state,
      steps,
    });
    const summary = summariseTraining(
      [epoch(5, 'training', 400), epoch(10, 'suspended', 500), epoch(15, 'suspended', 0)],
      100,
    );
    expect(summary.share).toBeCloseTo(0.6);
    expect(summary.epochs.map(({ share }) => share)).toEqual([0.8, 1, 0]);
    expect(summariseTraining([], 100)).toEqual({ share: 0, epochs: [] });
  });

  test('no frame and no byte is lost or counted twice by cutting a run into seconds', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 60 }),
        (gains) => {
          const whole = run(gains, 100);
          const kilobits = perSecond(whole).map(
            ({ second, videoKbps }) => videoKbps * Math.min(1, whole.seconds - second),
          );
          const total = kilobits.reduce((sum, value) => sum + value, 0);
          expect(total).toBeCloseTo((gains.length * 100 * 8) / 1000);
          expect(firstPart(whole, whole.seconds).frames).toHaveLength(gains.length);
        },
      ),
    );
  });
});
