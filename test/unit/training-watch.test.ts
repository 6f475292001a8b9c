// Where patches got lost when training does not begin: from the figures of both elements.
import { describe, expect, it } from 'vitest';
import {
  diagnose,
  maxSecondsToPatch,
  maxSecondsToTraining,
  TrainingWatch,
} from '../../elements/demo/training-watch.ts';
import type { StructureFields } from '../../elements/measure/structure.ts';

const sending = { patches: 40 };
const wellOnTheWay = {
  'training-state': 'waiting',
  'patches-received': 40,
  'patches-aligned': 38,
  'pairs-sent': 38,
  'engine-unresponsive': 0,
};

describe('the watch over the start of training', () => {
  it('is content when training begins in time, and says how long it took', () => {
    const watch = new TrainingWatch();
    const none = { ...wellOnTheWay, 'pairs-sent': 0 };
    expect(watch.look(0, { patches: 0 }, none)).toBeNull();
    expect(watch.look(1, sending, none)).toBeNull();
    expect(watch.look(3, sending, { ...wellOnTheWay, 'training-state': 'training' })).toBeNull();
    expect(watch.hasBegun).toBe(true);
    expect(watch.secondsToTraining).toBe(2);
    expect(watch.look(60, sending, wellOnTheWay)).toBeNull();
  });

  it('counts from the first patch', () => {
    const watch = new TrainingWatch();
    expect(watch.look(4, sending, wellOnTheWay)).toBeNull();
    expect(watch.look(4 + maxSecondsToTraining - 1, sending, wellOnTheWay)).toBeNull();
    expect(watch.look(4 + maxSecondsToTraining, sending, wellOnTheWay)).not.toBeNull();
  });

  it('counts from the first picture when no patch is sent', () => {
    const watch = new TrainingWatch();
    expect(watch.look(0, { patches: 0 }, wellOnTheWay)).toBeNull();
    const problem = watch.look(maxSecondsToPatch, { patches: 0 }, wellOnTheWay);
    expect(problem?.cause).toContain('has sent no patch');
  });
});

describe('the diagnosis', () => {
  it.each<[string, StructureFields, StructureFields, string]>([
    [
      'an engine that cannot start',
      sending,
      { ...wellOnTheWay, 'training-state': 'stopped: no node' },
      'no node',
    ],
    ['no patch sent', { patches: 0, 'engine-ready': true }, wellOnTheWay, 'has chosen none'],
    [
      'a sender whose engine is silent',
      { patches: 0, 'engine-ready': false },
      wellOnTheWay,
      'has said nothing since it was started',
    ],
    ['none received', sending, { ...wellOnTheWay, 'patches-received': 0 }, 'has received none'],
    [
      'none placed',
      sending,
      { ...wellOnTheWay, 'patches-aligned': 0, 'patches-dropped-no-frame': 29 },
      'dropped: no-frame 29',
    ],
    [
      'none given to the engine',
      sending,
      { ...wellOnTheWay, 'pairs-sent': 0 },
      'its engine takes none',
    ],
    [
      'an engine that is silent',
      sending,
      { ...wellOnTheWay, 'training-state': 'starting', 'engine-unresponsive': 2 },
      '2 engines did not answer',
    ],
  ])('tells %s from the others', (_what, sender, server, cause) => {
    const found = diagnose(sender, server);
    expect(found.cause).toContain(cause);
    expect(found.remedy).not.toBe('');
  });
});
