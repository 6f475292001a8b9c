import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { curveOf, slopeDbPerBps, streamClasses } from '../../elements/patch-sender/curves.ts';
import {
  encoderTargetBps,
  encoderTrouble,
  initialScheduler,
  memorySeen,
  newsCame,
  patchesSent,
  pictureSeen,
  rungChanged,
  schedule,
  type SchedulerSettings,
  type SchedulerState,
} from '../../elements/patch-sender/scheduler.ts';
import {
  newsOf,
  type TrainingNews,
  type TrainingReport,
} from '../../elements/patch-sender/training-news.ts';
import { fullSizeSchedule, schedules } from '../../elements/patch-sender/schedules.ts';

const settings: SchedulerSettings = {
  schedule: schedules.residual,
  curve: curveOf('default'),
  patchesOn: true,
  patchBitrateBps: 0,
  minVideoBitrateBps: 200_000,
  limitsFrames: false,
  expectsFeedback: true,
  pixelsPerSecond: 640 * 360 * 25,
};

const second = 1e9;

/** A stream of `seconds`, ticked each 200 ms; the encoder gives what it is told. */
function run(
  seconds: number,
  change: Partial<SchedulerSettings>,
  uplinkBps: (seconds: number) => number,
  news: (seconds: number) => TrainingNews | undefined,
  from: SchedulerState = initialScheduler,
): SchedulerState[] {
  const used = { ...settings, ...change };
  let state = from;
  const states: SchedulerState[] = [];
  for (let tick = 0; tick <= seconds * 5; tick++) {
    const now = tick / 5;
    state = patchesSent(state, state.plan.patchBitrateBps / 40);
    const told = tick % 25 === 0 && tick > 0 ? news(now) : undefined;
    if (told) state = newsCame(state, told, now * second);
    const bytes = encoderTargetBps(state) / 40;
    state = schedule(state, used, uplinkBps(now), { bytes }, now * second);
    states.push(state);
  }
  return states;
}

const learning = (gained: number) => (): TrainingNews => ({
  state: 'training',
  epochGainDb: gained,
});

const share = (state: SchedulerState | undefined): number =>
  (state?.plan.patchBitrateBps ?? NaN) /
  ((state?.plan.patchBitrateBps ?? NaN) + (state?.plan.videoBitrateBps ?? NaN));

describe('the schedule of patches in full size', () => {
  const inFullSize = { schedule: fullSizeSchedule };
  const rateBps = (
    seconds: number,
    news: (seconds: number) => TrainingNews | undefined,
    uplinkBps = 1e6,
  ): number => run(seconds, inFullSize, () => uplinkBps, news).at(-1)?.plan.patchBitrateBps ?? NaN;

  it('is 8 kbit/s at most and 1 %, and next to nothing where training gains nothing or nobody tells', () => {
    expect(rateBps(1, learning(0))).toBe(8_000);
    expect(rateBps(60, learning(0.3))).toBe(8_000);
    expect(rateBps(60, learning(0.3), 5e5)).toBe(5_000);
    expect(rateBps(60, learning(0))).toBe(1_000);
    expect(rateBps(60, () => ({ state: 'suspended', epochGainDb: null }))).toBe(1_000);
    expect(rateBps(60, () => undefined)).toBe(1_000);
  });

  it('counts what an epoch gained where it is shown', () => {
    const report = {
      state: 'training',
      epochGainDb: 0.3,
      gainDb: 0,
      genericGainDb: 0,
      pairs: 40,
    } as const;
    const begunNs = 10 * second;
    const gained = (change: Partial<TrainingReport>, seconds = 15): number | null =>
      newsOf({ ...report, ...change }, true, begunNs, seconds * second).epochGainDb;
    expect(gained({ gainDb: 0.2 })).toBe(0.3);
    expect(gained({})).toBe(0);
    // Nothing can be shown yet.
    expect(gained({ pairs: 10 })).toBeNull();
    // It has had its time.
    expect(gained({ pairs: 10 }, 31)).toBe(0);
    // A game cuts so often that no patch is held out for long.
    expect(gained({ gainDb: null, epochGainDb: null })).toBe(0);
  });

  it('keeps nothing of what another size gained', () => {
    const [before] = run(20, {}, () => 1e6, learning(0.3)).slice(-1);
    if (!before) throw new Error('no state');
    expect(before.gainDbPerBit).toBeGreaterThan(0);
    // Nor that training had nothing more to give there.
    for (const training of ['training', 'suspended'] as const) {
      const [first] = run(
        1,
        inFullSize,
        () => 1e6,
        () => undefined,
        rungChanged({ ...before, training }),
      );
      expect(first?.gainDbPerBit).toBeUndefined();
      expect(first?.plan.patchBitrateBps).toBe(8_000);
    }
  });
});

describe('the schedule of residual patches', () => {
  it('begins with 10 % of the uplink, and goes on with 5 % once patches had their time', () => {
    const at = (seconds: number, uplinkBps: number): number =>
      share(
        run(
          seconds,
          {},
          () => uplinkBps,
          () => undefined,
        ).at(-1),
      );
    expect(at(1, 1e6)).toBeCloseTo(0.1);
    expect(at(1, 2e6)).toBeCloseTo(125 / 2000);
    expect(at(1, 300e3)).toBeCloseTo(0.1);
    expect(at(11, 1e6)).toBeCloseTo(0.05);
    expect(at(11, 2e6)).toBeCloseTo(0.05);
    expect(at(11, 300e3)).toBeCloseTo(0.07);
  });

  it('goes to 7 % while training gains, and to 3 % when it does not', () => {
    expect(share(run(60, {}, () => 600e3, learning(0.3)).at(-1))).toBeCloseTo(0.07, 2);
    expect(share(run(60, {}, () => 600e3, learning(0)).at(-1))).toBeCloseTo(0.03, 2);
  });

  it('waits for enough patches before it takes what they gain for an answer', () => {
    const report = { state: 'training', epochGainDb: 0, gainDb: 0, genericGainDb: 0 } as const;
    const after = (pairs: number): number => {
      const news = newsOf({ ...report, pairs }, false, 0, 5 * second);
      return share(
        run(
          60,
          {},
          () => 1e6,
          () => news,
        ).at(-1),
      );
    };
    expect(after(10)).toBeCloseTo(0.05);
    expect(after(30)).toBeCloseTo(0.03);
  });

  it('counts what texture memory gains as what training does', () => {
    const remembering = (byPatchDb: number): number => {
      let state = initialScheduler;
      for (let frame = 0; frame < 100; frame++) state = memorySeen(state, byPatchDb, 5_000);
      return share(run(60, {}, () => 1e6, learning(0), state).at(-1));
    };
    expect(remembering(0.01)).toBeCloseTo(0.07);
    expect(remembering(0)).toBeCloseTo(0.03);
  });

  it('goes to 12 % where the encoder leaves bits that it has no use for', () => {
    const shareWith = (mostVideoBps: number): number => {
      let state = initialScheduler;
      for (let tick = 0; tick < 400; tick++) {
        state = patchesSent(state, state.plan.patchBitrateBps / 40);
        if (tick % 25 === 24) state = newsCame(state, learning(0.3)(), tick * 2e8);
        const bytes = Math.min(mostVideoBps, 0.9 * encoderTargetBps(state)) / 40;
        state = schedule(state, settings, 1.2e6, { bytes }, tick * 2e8);
      }
      return share(state);
    };
    expect(shareWith(700e3)).toBeCloseTo(0.12, 2);
    expect(shareWith(1.2e6)).toBeCloseTo(0.07, 2);
  });

  it('steps by at most 10 kbit/s a second', () => {
    const rates = run(60, {}, () => 2e6, learning(0.3)).map(({ plan }) => plan.patchBitrateBps);
    // From the beginning it goes to the usual rate at once.
    const later = rates.slice(5 * 6);
    later.slice(1).forEach((rate, i) => {
      expect(Math.abs(rate - (later[i] ?? NaN))).toBeLessThanOrEqual(10_000 + 1);
    });
  });

  it('falls to the minimum while training is suspended, and begins anew when it resumes', () => {
    const news = (seconds: number): TrainingNews => ({
      ...learning(0.3)(),
      state: seconds < 30 ? 'training' : seconds < 60 ? 'suspended' : 'training',
    });
    const states = run(70, {}, () => 600e3, news);
    expect(states[5 * 45]?.plan.patchBitrateBps).toBe(5000);
    expect(states[5 * 60 + 5]?.plan.patchBitrateBps).toBeGreaterThanOrEqual(0.05 * 600e3 - 10_000);
  });

  it('goes on for texture memory alone while training is suspended', () => {
    const suspended = (): TrainingNews => ({ state: 'suspended', epochGainDb: null });
    const rates = (byPatchDb: number | undefined): number => {
      const state = memorySeen(initialScheduler, byPatchDb, 5_000);
      return run(60, {}, () => 600e3, suspended, state).at(-1)?.plan.patchBitrateBps ?? NaN;
    };
    expect(rates(0.01)).toBeCloseTo(0.07 * 600e3);
    expect(rates(0)).toBe(5_000);
    expect(rates(undefined)).toBe(5_000);
  });

  it('keeps its plan for 15 s without a word, then sends at the minimum rate', () => {
    const silent = (seconds: number): TrainingNews | undefined =>
      seconds <= 20 ? learning(0.3)() : undefined;
    const states = run(50, {}, () => 600e3, silent);
    expect(states[5 * 34]?.plan.patchBitrateBps).toBeGreaterThan(30_000);
    expect(states[5 * 37]?.plan.patchBitrateBps).toBe(5000);
  });

  it('keeps to its first share where no server tells', () => {
    const states = run(
      60,
      { expectsFeedback: false },
      () => 1e6,
      () => undefined,
    );
    expect(states.every((state) => Math.abs(share(state) - 0.05) < 1e-9)).toBe(true);
  });
});

describe("the paper's schedule", () => {
  const livenas = { schedule: schedules.livenas };

  it('begins with 100 kbit/s and never goes below 25', () => {
    const states = run(120, livenas, () => 900e3, learning(0));
    expect(states[0]?.plan.patchBitrateBps).toBe(100_000);
    expect(states.at(-1)?.plan.patchBitrateBps).toBe(25_000);
  });

  it('has no upper bound but the video', () => {
    const states = run(120, livenas, () => 900e3, learning(5));
    expect(states.at(-1)?.plan).toEqual({ videoBitrateBps: 200_000, patchBitrateBps: 700_000 });
  });
});

describe('any schedule', () => {
  const name = fc.constantFrom<keyof typeof schedules>('livenas', 'residual');
  const news = fc.record({
    state: fc.constantFrom<TrainingNews['state']>('waiting', 'training', 'suspended', 'off'),
    epochGainDb: fc.option(fc.double({ min: -60, max: 60, noNaN: true })),
  });

  it('never plans more than the uplink carries, and no patches beside little video', () => {
    fc.assert(
      fc.property(
        name,
        fc.array(
          fc.record({
            uplinkBps: fc.integer({ min: 0, max: 20_000_000 }),
            videoBytes: fc.integer({ min: 0, max: 500_000 }),
            seconds: fc.double({ min: 0, max: 3, noNaN: true }),
            squaredError: fc.double({ min: 0, max: 65_025, noNaN: true }),
            news: fc.option(news),
          }),
          { maxLength: 60 },
        ),
        (scheduleName, steps) => {
          const used = { ...settings, schedule: schedules[scheduleName] };
          let state = initialScheduler;
          let now = 0;
          for (const step of steps) {
            now += step.seconds * second;
            state = patchesSent(pictureSeen(state, step.squaredError), 500);
            if (step.news) state = newsCame(state, step.news, now);
            state = schedule(state, used, step.uplinkBps, { bytes: step.videoBytes }, now);
            const { videoBitrateBps, patchBitrateBps } = state.plan;
            expect(videoBitrateBps + patchBitrateBps).toBeLessThanOrEqual(step.uplinkBps + 1e-6);
            expect(patchBitrateBps).toBeGreaterThanOrEqual(0);
            if (videoBitrateBps < 200_000) expect(patchBitrateBps).toBe(0);
            expect(encoderTargetBps(state)).toBeLessThanOrEqual(videoBitrateBps);
          }
        },
      ),
    );
  });

  it('cannot be lied out of its bounds by a server', () => {
    fc.assert(
      fc.property(fc.array(news, { minLength: 1, maxLength: 30 }), (told) => {
        const states = run(
          told.length * 5,
          {},
          () => 600e3,
          (seconds) => told[seconds / 5 - 1],
        );
        for (const { plan } of states) {
          expect(plan.patchBitrateBps).toBeGreaterThanOrEqual(5000 - 1e-6);
          expect(plan.patchBitrateBps).toBeLessThanOrEqual(0.12 * 600e3 + 1e-6);
        }
      }),
    );
  });

  it('gives the same series for the same events', () => {
    expect(run(30, {}, () => 7e5, learning(0.1))).toEqual(run(30, {}, () => 7e5, learning(0.1)));
  });

  it('gives a patch rate that is set, whatever the server says', () => {
    const states = run(30, { patchBitrateBps: 80_000 }, () => 600e3, learning(0.3));
    expect(states.every(({ plan }) => plan.patchBitrateBps === 80_000)).toBe(true);
  });
});

describe('the rate of the encoder', () => {
  const changes = (uplinkBps: (seconds: number) => number): number => {
    const targets = run(60, {}, uplinkBps, learning(0)).map(encoderTargetBps);
    return targets.filter((target, i) => i > 0 && target !== targets[i - 1]).length;
  };

  it('is not changed for every small rise', () => {
    expect(changes((seconds) => 600e3 + 10 * seconds)).toBeLessThanOrEqual(60 / 5 + 5);
  });

  it('follows a drop within one tick', () => {
    const states = run(20, {}, (seconds) => (seconds < 10.1 ? 3e6 : 0.8e6), learning(0));
    const at = states[5 * 10 + 1];
    expect(
      (at?.plan.videoBitrateBps ?? NaN) + (at?.plan.patchBitrateBps ?? NaN),
    ).toBeLessThanOrEqual(0.8e6);
  });

  it('is asked for less where it gives more than it is told', () => {
    let state = initialScheduler;
    for (let tick = 0; tick < 200; tick++) {
      const bytes = (encoderTargetBps(state) * 1.2) / 40;
      state = schedule(state, settings, 600e3, { bytes }, tick * 2e8);
    }
    expect(encoderTargetBps(state) * 1.2).toBeLessThan(1.03 * state.plan.videoBitrateBps);
  });

  it('that ignores its rate takes from the patches, not from the uplink', () => {
    let state = initialScheduler;
    for (let tick = 0; tick < 200; tick++) {
      state = schedule(state, settings, 600e3, { bytes: 1_200_000 / 40 }, tick * 2e8);
    }
    expect(state.plan.patchBitrateBps).toBe(0);
    expect(encoderTrouble(state)?.cause).toContain('gives 1200 kbit/s');
    expect(encoderTrouble(state)?.cause).toContain('exceeds the uplink, which carries 600 kbit/s');
    // Against what it was asked for at that time, not since.
    const { video } = state;
    const lately = { ...state, video: { ...video, rateBps: 321e3, toldBps: 366e3 } };
    expect(encoderTrouble(lately)).toBeUndefined();
    const within = { ...state, video: { ...video, rateBps: 500e3, toldBps: 300e3 } };
    expect(encoderTrouble(within)?.cause).toMatch(/asked for 300 kbit\/s: patches give way$/);
    expect(encoderTrouble(state)?.remedy).toContain('constant bit rate');
  });

  it('is no trouble while it is followed late, or exceeded for a moment', () => {
    let state = initialScheduler;
    let given = 0;
    for (let tick = 0; tick < 400; tick++) {
      const scene = tick % 60 === 30 ? 3 : 1;
      state = schedule(
        state,
        settings,
        tick % 100 < 50 ? 2e6 : 5e5,
        { bytes: given / 40 },
        tick * 2e8,
      );
      given = scene * (0.7 * given + 0.3 * encoderTargetBps(state));
      expect(encoderTrouble(state)).toBeUndefined();
    }
  });
});

describe('an encoder whose frames are limited', () => {
  const fine = { ...settings, patchesOn: false, limitsFrames: true };

  /** It gives a share of what it is told, and a key frame each 12 ticks. */
  function steered(share: number, keyBits: number, used = fine): SchedulerState[] {
    let state = initialScheduler;
    const states: SchedulerState[] = [];
    for (let tick = 0; tick < 300; tick++) {
      const keyFrameBytes = tick % 12 === 1 ? keyBits / 8 : 0;
      const bytes = (share * encoderTargetBps(state)) / 40 + keyFrameBytes;
      state = schedule(state, used, 600e3, { bytes, keyFrameBytes }, tick * 2e8);
      states.push(state);
    }
    return states;
  }

  it('is told more where it gives less, a quarter at most', () => {
    const boosts = (share: number): number => steered(share, 0).at(-1)?.boost ?? NaN;
    expect(boosts(1)).toBeCloseTo(1, 1);
    expect(boosts(0.9)).toBeCloseTo(1 / 0.9, 1);
    expect(boosts(0.5)).toBeCloseTo(1.25);
    expect(boosts(1.2)).toBeCloseTo(1 / 1.2, 1);
  });

  it('is not told more than its share where they are not limited', () => {
    const states = steered(0.8, 0, { ...fine, limitsFrames: false });
    for (const state of states) {
      expect(encoderTargetBps(state)).toBeLessThanOrEqual(state.plan.videoBitrateBps);
    }
  });

  it('leaves room for the key frame that is due, and no 2 s have more than the uplink', () => {
    const keyBits = 0.1 * 600e3;
    const states = steered(0.9, keyBits);
    const sent = states.map((_, tick) => {
      const before = states[tick - 1] ?? initialScheduler;
      return (0.9 * encoderTargetBps(before)) / 5 + (tick % 12 === 1 ? keyBits : 0);
    });
    for (let from = 100; from + 10 <= sent.length; from++) {
      const bits = sent.slice(from, from + 10).reduce((a, b) => a + b, 0);
      expect(bits).toBeLessThan(1.01 * 2 * 600e3);
      expect(bits).toBeGreaterThan(0.85 * 2 * 600e3);
    }
  });

  it('is told less before a key frame, not when it comes', () => {
    const states = steered(0.9, 0.1 * 600e3);
    // Key frames are told of at ticks 1, 13, 25: they belong to the stretch that began at 0, 12, 24.
    const told = (tick: number): number => encoderTargetBps(states[tick] ?? initialScheduler);
    for (let key = 240; key < 280; key += 12) {
      expect(told(key - 2)).toBeLessThan(0.99 * told(key));
    }
  });

  it('never has video and patches steered above the uplink', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            uplinkBps: fc.integer({ min: 100_000, max: 5_000_000 }),
            bytes: fc.nat(200_000),
            keyFrameBytes: fc.nat(100_000),
            seconds: fc.double({ min: 0, max: 3, noNaN: true }),
          }),
          { maxLength: 60 },
        ),
        (steps) => {
          let state = initialScheduler;
          let now = 0;
          for (const { uplinkBps, bytes, keyFrameBytes, seconds } of steps) {
            now += seconds * second;
            const given = { bytes: bytes + keyFrameBytes, keyFrameBytes };
            state = schedule(state, { ...fine, patchesOn: true }, uplinkBps, given, now);
            const { plan, mostVideoBps, boost } = state;
            const videoBps = Math.min(plan.videoBitrateBps, mostVideoBps);
            expect(videoBps + plan.patchBitrateBps).toBeLessThanOrEqual(uplinkBps + 1e-6);
            expect(boost).toBeLessThanOrEqual(1.25);
          }
        },
      ),
    );
  });
});

describe('the curves of the classes', () => {
  it.each(streamClasses)('%s rises and flattens out', (name) => {
    const curve = curveOf(name);
    curve.slice(1).forEach((point, i) => {
      const before = curve[i];
      expect(point.bitsPerPixel).toBeGreaterThan(before?.bitsPerPixel ?? NaN);
      expect(point.quality).toBeGreaterThanOrEqual(before?.quality ?? NaN);
    });
    expect(curve.at(-1)?.quality).toBe(1);
    const slope = (bitsPerPixel: number): number =>
      slopeDbPerBps(curve, 36, bitsPerPixel * 1e6, 1e6);
    expect(slope(0.02)).toBeGreaterThan(slope(0.2));
    expect(slope(0.2)).toBeGreaterThanOrEqual(0);
  });

  it('has a default for a class that nobody measured', () => {
    expect(curveOf('cooking')).toBe(curveOf('default'));
  });

  it('has slopes that are finite anywhere', () => {
    const number = fc.double({ min: 0, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(
        number,
        number,
        fc.double({ min: 0, max: 60, noNaN: true }),
        (rate, pixels, psnr) => {
          expect(Number.isFinite(slopeDbPerBps(curveOf('default'), psnr, rate, pixels))).toBe(true);
        },
      ),
    );
  });
});
