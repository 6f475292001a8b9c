// Which kept weights a stream starts from, by how its first patches look under them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseModel, type TrialScores } from '../../elements/sr-enhancer/trial.ts';

const own = { origin: 'own' } as const;
const other = { origin: 'other' } as const;

/** `count` patches of different difficulty whose errors keep these ratios. */
function patches(count: number, models: readonly number[], live = 0.9): TrialScores[] {
  return Array.from({ length: count }, (_, i) => {
    const difficulty = 40 + 25 * Math.sin(i * 1.7);
    return {
      bicubic: difficulty,
      generic: 0.9 * difficulty,
      live: live * difficulty,
      models: models.map((ratio) => ratio * difficulty),
    };
  });
}

describe("a stream's start", () => {
  it("is from the stream's own weights after two patches that they show better", () => {
    expect(chooseModel(patches(1, [0.8]), [own])).toBeUndefined();
    expect(chooseModel(patches(2, [0.8]), [own])).toBe(0);
  });

  it('is from those of another stream only after more patches', () => {
    expect(chooseModel(patches(3, [0.8]), [other])).toBeUndefined();
    expect(chooseModel(patches(4, [0.8]), [other])).toBe(0);
  });

  it('is from the best of those that may be chosen', () => {
    expect(chooseModel(patches(4, [0.8, 0.7, 0.75]), [own, other, other])).toBe(1);
    expect(chooseModel(patches(2, [0.8, 0.7, 0.75]), [own, other, other])).toBe(0);
  });

  it('is from none that does not beat generic, bicubic and what is live', () => {
    expect(chooseModel(patches(8, [0.9, 0.95, 1.2]), [own, other, other])).toBeUndefined();
    expect(chooseModel(patches(8, [0.8]), [own])).toBe(0);
    expect(chooseModel(patches(8, [0.8], 0.75), [own])).toBeUndefined();
    expect(chooseModel(patches(8, []), [])).toBeUndefined();
    expect(chooseModel([], [own])).toBeUndefined();
  });

  it('is never from weights with more error in all than any rival', () => {
    const error = fc.double({ min: 0, max: 5000, noNaN: true });
    const scores = fc.record({
      bicubic: error,
      generic: error,
      live: error,
      models: fc.tuple(error, error, error),
    });
    fc.assert(
      fc.property(fc.array(scores, { maxLength: 8 }), (evidence) => {
        const chosen = chooseModel(evidence, [own, other, other]);
        if (chosen === undefined) return;
        const sum = (of: (s: TrialScores) => number): number =>
          evidence.reduce((total, s) => total + of(s), 0);
        const shown = sum((s) => s.models[chosen] ?? Infinity);
        expect(shown).toBeLessThanOrEqual(sum((s) => s.bicubic));
        expect(shown).toBeLessThanOrEqual(sum((s) => s.generic));
        expect(shown).toBeLessThanOrEqual(sum((s) => s.live));
      }),
      { numRuns: 2000 },
    );
  });
});
