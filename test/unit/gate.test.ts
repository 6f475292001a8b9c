import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WeightSource } from '../../elements/channel/messages.ts';
import {
  gainDb,
  judge,
  lostTo,
  paired,
  pooledGainDb,
  shares,
  type Challenger,
  type Evidence,
  type Scores,
} from '../../elements/sr-enhancer/gate.ts';

const error = fc.double({ min: 0, max: 5000, noNaN: true });
const candidates = fc.tuple(error, error, error);
const anyScores = fc.record({ bicubic: error, generic: error, live: error, candidates });
const allAllowed = shares.map(() => true);
const fullWay = shares.length - 1;

interface Ratios {
  readonly bicubic: number;
  readonly generic: number;
  readonly live: number;
  /** Of all shares alike, or of each. */
  readonly candidate: number | readonly [number, number, number];
}

function decide(
  evidence: Evidence,
  live: WeightSource,
  allowed: readonly boolean[] = allAllowed,
): Challenger | undefined {
  return judge(evidence, live, allowed);
}

/** Scores of `count` patches, each with its own difficulty, in which the errors keep these ratios. */
function patches(count: number, ratios: Ratios): Scores[] {
  const { candidate } = ratios;
  const each = typeof candidate === 'number' ? [candidate, candidate, candidate] : candidate;
  return Array.from({ length: count }, (_, i) => {
    const difficulty = 40 + 25 * Math.sin(i * 1.7);
    const noise = (k: number): number => difficulty * (1 + 0.02 * Math.sin(i * 5.1 + k));
    return {
      bicubic: ratios.bicubic * noise(1),
      generic: ratios.generic * noise(2),
      live: ratios.live * noise(3),
      candidates: each.map((ratio) => ratio * noise(4)),
    };
  });
}

describe('the pooled gain', () => {
  it('is what PSNR over all patches together shows: the hardest count most', () => {
    const easy = { bicubic: 10, generic: 10, live: 1, candidates: [10, 10, 10] };
    const hard = { bicubic: 1000, generic: 1000, live: 1000, candidates: [10, 10, 10] };
    expect(gainDb([easy, hard], 'live')).toBeGreaterThan(4);
    expect(pooledGainDb([easy, hard], 'live')).toBeCloseTo(10 * Math.log10(1010.25 / 1001.25), 6);
    expect(pooledGainDb([easy], 'live')).toBeCloseTo(gainDb([easy], 'live') ?? NaN, 6);
    expect(pooledGainDb([], 'live')).toBeNull();
  });
});

describe('the gate', () => {
  it('lets a candidate through that beats all others', () => {
    const evidence = patches(8, { bicubic: 1, generic: 0.9, live: 0.9, candidate: 0.8 });
    expect(decide({ held: evidence, arrivals: [] }, 'generic')).toBe(0);
    expect(decide({ held: [], arrivals: evidence }, 'generic')).toBe(0);
  });

  it('goes further from generic only where that is clearly better', () => {
    const common = { bicubic: 1, generic: 0.9, live: 0.9 };
    const goingOn = patches(8, { ...common, candidate: [0.85, 0.8, 0.7] });
    expect(decide({ held: goingOn, arrivals: [] }, 'generic')).toBe(2);
    const turning = patches(8, { ...common, candidate: [0.85, 0.8, 0.84] });
    expect(decide({ held: turning, arrivals: [] }, 'generic')).toBe(1);
  });

  it('shows only what is allowed', () => {
    const evidence = patches(8, {
      bicubic: 1,
      generic: 0.9,
      live: 0.9,
      candidate: [0.8, 0.7, 0.6],
    });
    expect(decide({ held: evidence, arrivals: [] }, 'generic', [true, true, false])).toBe(1);
    const none = [false, false, false];
    expect(decide({ held: evidence, arrivals: [] }, 'generic', none)).toBeUndefined();
  });

  it('asks for a clearer case when patches are few', () => {
    const evidence = patches(3, { bicubic: 1, generic: 0.9, live: 0.9, candidate: 0.88 });
    expect(decide({ held: evidence, arrivals: [] }, 'generic')).toBeUndefined();
    const many = patches(16, { bicubic: 1, generic: 0.9, live: 0.9, candidate: 0.88 });
    expect(decide({ held: many, arrivals: [] }, 'generic')).toBe(0);
  });

  it('keeps what is live without evidence', () => {
    const evidence = patches(2, { bicubic: 1, generic: 0.9, live: 0.9, candidate: 0.5 });
    expect(decide({ held: evidence, arrivals: [] }, 'generic')).toBeUndefined();
    expect(decide({ held: [], arrivals: [] }, 'online')).toBeUndefined();
  });

  it('keeps what is live when the candidate is as good or worse', () => {
    for (const candidate of [0.9, 0.95, 1.5]) {
      const evidence = patches(16, { bicubic: 1, generic: 0.9, live: 0.9, candidate });
      expect(decide({ held: [], arrivals: evidence }, 'generic')).toBeUndefined();
    }
  });

  it('refuses a candidate that beats the live weights but not bicubic or generic', () => {
    const losing = patches(16, { bicubic: 1, generic: 0.9, live: 1.2, candidate: 0.95 });
    expect(decide({ held: losing, arrivals: [] }, 'online')).toBeUndefined();
    const worse = patches(16, { bicubic: 1, generic: 1.2, live: 1.2, candidate: 1.1 });
    expect(decide({ held: worse, arrivals: [] }, 'generic')).toBeUndefined();
  });

  it('falls back to generic when online weights lose, and to bicubic when generic loses too', () => {
    const toGeneric = patches(5, { bicubic: 1, generic: 0.9, live: 1.1, candidate: 1.1 });
    expect(decide({ held: [], arrivals: toGeneric }, 'online')).toBe('generic');
    const toBicubic = patches(5, { bicubic: 1, generic: 1.05, live: 1.1, candidate: 1.1 });
    expect(decide({ held: [], arrivals: toBicubic }, 'online')).toBe('bicubic');
    expect(decide({ held: [], arrivals: toBicubic }, 'generic')).toBe('bicubic');
  });

  it('falls back on the latest patches, whatever the held ones of an older scene say', () => {
    const before = patches(8, { bicubic: 1, generic: 0.9, live: 0.5, candidate: 0.5 });
    const after = patches(4, { bicubic: 1, generic: 0.9, live: 1.2, candidate: 1.2 });
    expect(decide({ held: before, arrivals: after }, 'online')).toBe('generic');
  });

  it('falls back at once when one patch is far worse than bicubic, to the better refuge', () => {
    const worse = { bicubic: 1, generic: 0.9, live: 1.4, candidate: 1.4 };
    expect(decide({ held: [], arrivals: patches(1, worse) }, 'online')).toBe('generic');
    expect(decide({ held: [], arrivals: patches(1, worse) }, 'stored')).toBe('generic');
    expect(decide({ held: [], arrivals: patches(1, worse) }, 'generic')).toBe('bicubic');
    const bothWorse = { ...worse, generic: 1.2 };
    expect(decide({ held: [], arrivals: patches(1, bothWorse) }, 'online')).toBe('bicubic');
    const after = [
      ...patches(10, { bicubic: 1, generic: 0.9, live: 0.5, candidate: 0.5 }),
      ...patches(1, worse),
    ];
    expect(decide({ held: [], arrivals: after }, 'online')).toBe('generic');
  });

  it('is not alarmed by one patch that is somewhat worse, nor by an earlier one', () => {
    const somewhat = { bicubic: 1, generic: 0.9, live: 1.2, candidate: 1.2 };
    expect(decide({ held: [], arrivals: patches(1, somewhat) }, 'online')).toBeUndefined();
    const recovered = [
      ...patches(1, { bicubic: 1, generic: 0.9, live: 1.4, candidate: 1.4 }),
      ...patches(8, { bicubic: 1, generic: 0.9, live: 0.5, candidate: 0.6 }),
    ];
    expect(decide({ held: [], arrivals: recovered }, 'online')).toBeUndefined();
    expect(decide({ held: [], arrivals: patches(1, somewhat) }, 'bicubic')).toBeUndefined();
  });

  it('tells the patches of a new scene from those before by what the live weights lost', () => {
    const before = patches(3, { bicubic: 1, generic: 0.9, live: 0.5, candidate: 0.5 });
    const after = patches(2, { bicubic: 1, generic: 0.9, live: 1.4, candidate: 1.4 });
    expect(lostTo([...before, ...after], 'generic')).toEqual(after);
    expect(lostTo(before, 'generic')).toEqual([]);
  });

  it('comes back from bicubic to generic when generic wins again', () => {
    const evidence = patches(9, { bicubic: 1, generic: 0.9, live: 1, candidate: 1 });
    expect(decide({ held: [], arrivals: evidence }, 'bicubic')).toBe('generic');
  });

  it('never chooses what does worse than bicubic on all the evidence', () => {
    fc.assert(
      fc.property(
        fc.array(anyScores, { maxLength: 16 }),
        fc.array(anyScores, { maxLength: 8 }),
        fc.constantFrom('bicubic', 'generic', 'online'),
        (arrivals, held, live) => {
          const chosen = decide({ held, arrivals }, live);
          if (typeof chosen !== 'number') return;
          const sum = (error: (scores: Scores) => number): number =>
            [...held, ...arrivals].reduce((total, scores) => total + error(scores), 0);
          const shown = sum((scores) => scores.candidates[chosen] ?? Infinity);
          expect(shown).toBeLessThanOrEqual(sum((scores) => scores.bicubic));
          expect(shown).toBeLessThanOrEqual(sum((scores) => scores.live));
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('the paired t', () => {
  it('turns its sign when the two sides are exchanged', () => {
    fc.assert(
      fc.property(fc.array(anyScores, { maxLength: 20 }), (evidence) => {
        const forth = paired(evidence, fullWay, 'live').t;
        expect(forth).toBeCloseTo(-paired(evidence, 'live', fullWay).t, 6);
      }),
    );
  });

  it('is that of a worked example', () => {
    // Differences of the logs: -0.1, -0.2, -0.3: mean -0.2, deviation 0.1, n 3.
    const evidence = [0.1, 0.2, 0.3].map((d) => ({
      bicubic: 1,
      generic: 1,
      live: 100 - 0.25,
      candidates: shares.map(() => 100 * Math.exp(-d) - 0.25),
    }));
    expect(paired(evidence, fullWay, 'live').t).toBeCloseTo(-0.2 / (0.1 / Math.sqrt(3) + 1e-4), 6);
  });
});

describe('the gain', () => {
  it('is the mean over patches in dB, and unknown without any', () => {
    expect(gainDb([], 'live')).toBeNull();
    const halved = [{ bicubic: 99.75, generic: 99.75, live: 49.75, candidates: [] }];
    expect(gainDb(halved, 'live')).toBeCloseTo(3.0103, 4);
    expect(gainDb(halved, 'generic')).toBeCloseTo(0, 9);
  });
});
