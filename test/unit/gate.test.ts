import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gainDb, judge, paired, type Scores } from '../../elements/sr-enhancer/gate.ts';

const error = fc.double({ min: 0, max: 5000, noNaN: true });
const anyScores = fc.record({ bicubic: error, generic: error, live: error, candidate: error });

/** Scores of `count` patches, each with its own difficulty, in which the errors keep these ratios. */
function patches(count: number, ratios: Scores): Scores[] {
  return Array.from({ length: count }, (_, i) => {
    const difficulty = 40 + 25 * Math.sin(i * 1.7);
    const noise = (k: number): number => difficulty * (1 + 0.02 * Math.sin(i * 5.1 + k));
    return {
      bicubic: ratios.bicubic * noise(1),
      generic: ratios.generic * noise(2),
      live: ratios.live * noise(3),
      candidate: ratios.candidate * noise(4),
    };
  });
}

describe('the gate', () => {
  it('lets a candidate through that beats all others', () => {
    const evidence = patches(8, { bicubic: 1, generic: 0.9, live: 0.9, candidate: 0.8 });
    expect(judge({ held: evidence, arrivals: [] }, 'generic')).toBe('candidate');
    expect(judge({ held: [], arrivals: evidence }, 'generic')).toBe('candidate');
  });

  it('keeps what is live without evidence', () => {
    const evidence = patches(3, { bicubic: 1, generic: 0.9, live: 0.9, candidate: 0.5 });
    expect(judge({ held: evidence, arrivals: [] }, 'generic')).toBeUndefined();
    expect(judge({ held: [], arrivals: [] }, 'online')).toBeUndefined();
  });

  it('keeps what is live when the candidate is as good or worse', () => {
    for (const candidate of [0.9, 0.95, 1.5]) {
      const evidence = patches(16, { bicubic: 1, generic: 0.9, live: 0.9, candidate });
      expect(judge({ held: [], arrivals: evidence }, 'generic')).toBeUndefined();
    }
  });

  it('refuses a candidate that beats the live weights but not bicubic or generic', () => {
    const losing = patches(16, { bicubic: 1, generic: 0.9, live: 1.2, candidate: 0.95 });
    expect(judge({ held: losing, arrivals: [] }, 'online')).toBeUndefined();
    const worse = patches(16, { bicubic: 1, generic: 1.2, live: 1.2, candidate: 1.1 });
    expect(judge({ held: worse, arrivals: [] }, 'generic')).toBeUndefined();
  });

  it('falls back to generic when online weights lose, and to bicubic when generic loses too', () => {
    const toGeneric = patches(5, { bicubic: 1, generic: 0.9, live: 1.1, candidate: 1.1 });
    expect(judge({ held: [], arrivals: toGeneric }, 'online')).toBe('generic');
    const toBicubic = patches(5, { bicubic: 1, generic: 1.05, live: 1.1, candidate: 1.1 });
    expect(judge({ held: [], arrivals: toBicubic }, 'online')).toBe('bicubic');
    expect(judge({ held: [], arrivals: toBicubic }, 'generic')).toBe('bicubic');
  });

  it('falls back on the latest patches, whatever the held ones of an older scene say', () => {
    const before = patches(8, { bicubic: 1, generic: 0.9, live: 0.5, candidate: 0.5 });
    const after = patches(4, { bicubic: 1, generic: 0.9, live: 1.2, candidate: 1.2 });
    expect(judge({ held: before, arrivals: after }, 'online')).toBe('generic');
  });

  it('comes back from bicubic to generic when generic wins again', () => {
    const evidence = patches(9, { bicubic: 1, generic: 0.9, live: 1, candidate: 1 });
    expect(judge({ held: [], arrivals: evidence }, 'bicubic')).toBe('generic');
  });

  it('never chooses what does worse than bicubic on all the evidence', () => {
    fc.assert(
      fc.property(
        fc.array(anyScores, { maxLength: 16 }),
        fc.array(anyScores, { maxLength: 8 }),
        fc.constantFrom('bicubic', 'generic', 'online'),
        (arrivals, held, live) => {
          const chosen = judge({ held, arrivals }, live);
          if (chosen !== 'candidate') return;
          const sum = (of: keyof Scores): number =>
            [...held, ...arrivals].reduce((total, scores) => total + scores[of], 0);
          expect(sum('candidate')).toBeLessThanOrEqual(sum('bicubic'));
          expect(sum('candidate')).toBeLessThanOrEqual(sum('live'));
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
        const forth = paired(evidence, 'candidate', 'live').t;
        expect(forth).toBeCloseTo(-paired(evidence, 'live', 'candidate').t, 6);
      }),
    );
  });

  it('is that of a worked example', () => {
    // Differences of the logs: -0.1, -0.2, -0.3: mean -0.2, deviation 0.1, n 3.
    const evidence = [0.1, 0.2, 0.3].map((d) => ({
      bicubic: 1,
      generic: 1,
      live: 100 - 0.25,
      candidate: 100 * Math.exp(-d) - 0.25,
    }));
    expect(paired(evidence, 'candidate', 'live').t).toBeCloseTo(
      -0.2 / (0.1 / Math.sqrt(3) + 1e-4),
      6,
    );
  });
});

describe('the gain', () => {
  it('is the mean over patches in dB, and unknown without any', () => {
    expect(gainDb([], 'live')).toBeNull();
    const halved = [{ bicubic: 99.75, generic: 99.75, live: 49.75, candidate: 99.75 }];
    expect(gainDb(halved, 'live')).toBeCloseTo(3.0103, 4);
    expect(gainDb(halved, 'generic')).toBeCloseTo(0, 9);
  });
});
