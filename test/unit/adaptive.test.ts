// Algorithm 1 of LiveNAS as a machine of its own, and the rules it is compared with.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  afterEpoch,
  afterRetreat,
  afterValidation,
  initialPlan,
  isLeadLost,
  defaultThresholds,
  nextPlan,
  onceNs,
  paceWithin,
  savedAfter,
  type TrainingPlan,
} from '../../elements/sr-enhancer/adaptive.ts';

const {
  saturatedGainDb,
  saturatedEpochs,
  lostLeadDb,
  lostLeadPeriods,
  slowGainDb,
  fullEpochs,
  leastPace,
} = defaultThresholds;
const suspended: TrainingPlan = {
  phase: 'suspended',
  patience: 0,
  pace: 1,
  epochs: 0,
  isSlowing: false,
};
const gaining = 2 * slowGainDb;
const leading = lostLeadDb + 0.5;

function epochs(plan: TrainingPlan, gains: readonly (number | null)[]): TrainingPlan {
  return gains.reduce<TrainingPlan>(
    (next, gain) => afterEpoch(next, gain, defaultThresholds),
    plan,
  );
}

function periods(plan: TrainingPlan, leads: readonly (number | null)[]): TrainingPlan {
  return leads.reduce<TrainingPlan>(
    (next, lead) => afterValidation(next, lead, defaultThresholds),
    plan,
  );
}

const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

describe('content-adaptive training', () => {
  it('begins with training', () => {
    expect(initialPlan).toMatchObject({ phase: 'training', patience: 0, pace: 1 });
  });

  it('is suspended when more than count_sat epochs in a row gain less than thresh_sat', () => {
    expect(epochs(initialPlan, times(saturatedEpochs, 0)).phase).toBe('training');
    expect(epochs(initialPlan, times(saturatedEpochs + 1, 0))).toEqual(suspended);
  });

  it('is not suspended by saturated epochs with a gaining one between them', () => {
    const gains = [...times(saturatedEpochs, 0), gaining, ...times(saturatedEpochs, 0)];
    expect(epochs(initialPlan, gains).phase).toBe('training');
  });

  it('takes a gain of exactly thresh_sat for a gain', () => {
    expect(epochs(initialPlan, times(20, saturatedGainDb))).toMatchObject({
      phase: 'training',
      patience: 0,
    });
  });

  it('resumes when the lead was below thresh_online in more than count_online periods', () => {
    expect(periods(suspended, times(lostLeadPeriods, 0)).phase).toBe('suspended');
    expect(periods(suspended, times(lostLeadPeriods + 1, 0))).toEqual(initialPlan);
    const recovered = [...times(lostLeadPeriods, 0), leading, ...times(lostLeadPeriods, 0)];
    expect(periods(suspended, recovered).phase).toBe('suspended');
    expect(periods(suspended, times(20, lostLeadDb))).toEqual(suspended);
  });

  it('learns nothing from an epoch without patches', () => {
    const impatient = {
      phase: 'training',
      patience: saturatedEpochs,
      pace: 0.5,
      epochs: 9,
      isSlowing: false,
    } as const;
    expect(epochs(impatient, [null, null])).toEqual(impatient);
    expect(periods({ ...suspended, patience: 1 }, [null])).toEqual({ ...suspended, patience: 1 });
  });

  it('never holds a patience above its limit, whatever comes', () => {
    const db = fc.option(fc.double({ min: -10, max: 10, noNaN: true }), { nil: null });
    const outcomes = fc.array(
      fc.record({ epochGainDb: db, leadDb: db, elapsedNs: fc.nat(), pairs: fc.nat(200) }),
    );
    fc.assert(
      fc.property(outcomes, (list) => {
        let plan = initialPlan;
        for (const outcome of list) {
          const before = plan;
          plan = nextPlan('adaptive', plan, outcome);
          expect(plan.pace).toBeGreaterThanOrEqual(leastPace);
          expect(plan.pace).toBeLessThanOrEqual(1);
          const limit = plan.phase === 'training' ? saturatedEpochs : lostLeadPeriods;
          expect(plan.patience).toBeLessThanOrEqual(limit);
          if (plan.phase !== before.phase) expect(plan.patience).toBe(0);
        }
      }),
    );
  });

  it('slows down while epochs gain little and speeds up when they gain again', () => {
    const little = 0.7 * slowGainDb;
    const started = epochs(initialPlan, times(fullEpochs, gaining));
    expect(epochs(started, [little]).pace).toBe(1);
    expect(epochs(started, [little, slowGainDb, little]).pace).toBe(1);
    expect(epochs(started, [little, little]).pace).toBe(0.5);
    expect(epochs(started, [0.4 * slowGainDb]).pace).toBe(0.5);
    const slow = epochs(started, times(10, little));
    expect(slow).toMatchObject({ phase: 'training', patience: 0, pace: leastPace });
    expect(epochs(slow, [2 * slowGainDb]).pace).toBe(2 * leastPace);
    expect(epochs(slow, times(9, gaining)).pace).toBe(1);
  });

  it('does not slow down in the first epochs of a scene, which may only begin to gain', () => {
    const start = epochs(initialPlan, times(fullEpochs - 1, saturatedGainDb));
    expect(start.pace).toBe(1);
    expect(epochs(start, [saturatedGainDb]).pace).toBe(0.5);
  });

  it('keeps to its share of the time, whatever is asked, and starts with what is saved', () => {
    const { shareOfTime, mostSavedEpochs } = defaultThresholds;
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true })), (paces) => {
        let saved = mostSavedEpochs;
        let used = 0;
        for (const pace of paces) {
          const given = paceWithin('adaptive', { ...initialPlan, pace }, saved);
          expect(given).toBeLessThanOrEqual(pace);
          saved = savedAfter(saved, given);
          used += given;
        }
        expect(used).toBeLessThanOrEqual(mostSavedEpochs + shareOfTime * paces.length + 1e-9);
      }),
    );
    expect(paceWithin('adaptive', initialPlan, mostSavedEpochs)).toBe(1);
    expect(paceWithin('adaptive', initialPlan, 0)).toBe(shareOfTime);
    expect(paceWithin('continuous', initialPlan, 0)).toBe(1);
    expect(paceWithin('adaptive', suspended, mostSavedEpochs)).toBe(0);
  });

  it('does not take it for the end that few patches teach nothing', () => {
    const run = (pairs: number): TrainingPlan =>
      times(20, { elapsedNs: 5e9, pairs, epochGainDb: 0, leadDb: 1 }).reduce(
        (plan, outcome) => nextPlan('adaptive', plan, outcome),
        initialPlan,
      );
    expect(run(39)).toEqual(initialPlan);
    expect(run(40).phase).toBe('suspended');
  });

  it('resumes at once when the gate falls back, and after a cut that costs half of the lead', () => {
    expect(afterRetreat('adaptive', suspended)).toEqual(initialPlan);
    expect(afterRetreat('early-stop', suspended)).toEqual(suspended);
    expect(isLeadLost(0.9, 2)).toBe(true);
    expect(isLeadLost(1.1, 2)).toBe(false);
    expect(isLeadLost(lostLeadDb / 2, 0)).toBe(true);
    expect(afterRetreat('adaptive', suspended)).toEqual(initialPlan);
    expect(afterRetreat('once', suspended)).toEqual(suspended);
  });
});

describe('the other rules', () => {
  const poor = { elapsedNs: 5e9, pairs: 40, epochGainDb: 0, leadDb: 0 };
  const run = (mode: Parameters<typeof nextPlan>[0], count: number, outcome = poor): TrainingPlan =>
    times(count, outcome).reduce((plan, o) => nextPlan(mode, plan, o), initialPlan);

  it('continuous trains whatever is gained', () => {
    expect(run('continuous', 50).phase).toBe('training');
  });

  it('once trains for the first minute', () => {
    expect(run('once', 50, { ...poor, elapsedNs: onceNs - 1 }).phase).toBe('training');
    expect(run('once', 1, { ...poor, elapsedNs: onceNs })).toEqual(suspended);
  });

  it('early-stop never resumes', () => {
    expect(run('early-stop', saturatedEpochs).phase).toBe('training');
    expect(run('early-stop', 50)).toEqual(suspended);
  });

  it('off never trains', () => {
    expect(run('off', 1)).toEqual(suspended);
  });
});
