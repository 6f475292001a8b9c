import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  admit,
  emptyPool,
  endScene,
  firstHeld,
  maxPoolBytes,
  heldEvery,
  mostHeld,
  mostTrainingPatches,
  recentPatches,
  recentWeight,
  trainingWeight,
  type Pool,
} from '../../elements/sr-enhancer/pool.ts';

interface Run {
  readonly pool: Pool;
  /** As the trainer would have them. */
  readonly weights: Map<number, number>;
}

const usualBytes = 20_000;

function arrive(count: number, bytes = usualBytes): Run {
  const weights = new Map<number, number>();
  let pool = emptyPool;
  for (let id = 0; id < count; id++) {
    weights.set(id, 0);
    const change = admit(pool, id, bytes);
    pool = change.pool;
    for (const [patch, weight] of change.weights) weights.set(patch, weight);
    for (const patch of change.removed) weights.delete(patch);
  }
  return { pool, weights };
}

/** Every fourth from the eighth on. */
function heldAfter(count: number): number {
  const candidates = Math.floor(count / heldEvery) - (firstHeld / heldEvery - 1);
  return Math.min(mostHeld, Math.max(0, candidates));
}

describe('the pool of patches', () => {
  it('holds out every fourth patch and never gives it weight while it is held', () => {
    fc.assert(
      fc.property(fc.nat(2000), (count) => {
        const { pool, weights } = arrive(count);
        expect(pool.held).toHaveLength(heldAfter(count));
        for (const id of pool.held) expect(weights.get(id)).toBe(0);
        for (const id of pool.training) expect(weights.get(id)).toBeGreaterThan(0);
      }),
      { numRuns: 30 },
    );
  });

  it('keeps exactly the held and the trained patches in the trainer, within its bound', () => {
    fc.assert(
      fc.property(fc.nat(2000), (count) => {
        const { pool, weights } = arrive(count);
        const kept = [...pool.held, ...pool.training].sort((a, b) => a - b);
        expect([...weights.keys()].sort((a, b) => a - b)).toEqual(kept);
        expect(pool.training.length).toBeLessThanOrEqual(mostTrainingPatches);
        expect(kept.length).toBe(Math.min(count, mostTrainingPatches + pool.held.length));
      }),
      { numRuns: 30 },
    );
  });

  it('draws the latest patches four times as often as older ones', () => {
    const { pool, weights } = arrive(500);
    const recent = pool.training.slice(-recentPatches);
    const older = pool.training.slice(0, -recentPatches);
    expect(new Set(recent.map((id) => weights.get(id)))).toEqual(new Set([recentWeight]));
    expect(new Set(older.map((id) => weights.get(id)))).toEqual(new Set([1]));
  });

  it('knows the sum of the weights in training', () => {
    fc.assert(
      fc.property(fc.nat(1000), (count) => {
        const { pool, weights } = arrive(count);
        const sum = [...weights.values()].reduce((total, weight) => total + weight, 0);
        expect(trainingWeight(pool)).toBe(sum);
      }),
      { numRuns: 20 },
    );
  });

  it('trains on the first patches at once', () => {
    expect(arrive(1).pool.training).toEqual([0]);
  });

  it('weighs what came before a scene as old, and what came of it as recent', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 900 }), fc.nat(60), (count, later) => {
        const { pool, weights } = arrive(count);
        const first = Math.max(0, count - later);
        const ended = endScene(pool, first);
        for (const [patch, weight] of ended.weights) weights.set(patch, weight);
        expect(ended.removed).toEqual([]);
        expect(ended.pool.training).toEqual(pool.training);
        for (const id of ended.pool.training) {
          // One that was held out when the scene ended comes among the others of its time.
          if (id < first - mostHeld * heldEvery) expect(weights.get(id)).toBe(1);
        }
        const sum = ended.pool.training.reduce((total, id) => total + (weights.get(id) ?? 0), 0);
        expect(trainingWeight(ended.pool)).toBe(sum);
        const again = endScene(ended.pool, first);
        expect(again.pool).toEqual(ended.pool);
        expect([...again.weights]).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('goes on counting the past down as old patches leave', () => {
    const { pool } = arrive(mostTrainingPatches);
    let current = endScene(pool, mostTrainingPatches).pool;
    for (let id = mostTrainingPatches; id < 3 * mostTrainingPatches; id++) {
      current = admit(current, id, usualBytes).pool;
      expect(current.past).toBeLessThanOrEqual(current.training.length);
    }
    expect(current.past).toBe(0);
  });

  it('keeps fewer of the largest patches, the latest of them', () => {
    const bytes = 340_000;
    const { pool, weights } = arrive(300, bytes);
    const kept = pool.training.length + pool.held.length;
    expect(kept * bytes).toBeLessThanOrEqual(maxPoolBytes);
    expect((kept + 1) * bytes).toBeGreaterThan(maxPoolBytes);
    expect(weights.size).toBe(kept);
    expect(pool.bytes.size).toBe(kept);
    expect(Math.max(...pool.training)).toBe(298);
  });
});
