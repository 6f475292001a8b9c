// What is kept of the scenes of a session, and when.
import { describe, expect, it } from 'vitest';
import { mostScenes, SceneMemory } from '../../elements/sr-enhancer/scenes.ts';

const weights = (value: number): Float32Array => Float32Array.of(value);
const offered = (memory: SceneMemory, learned: Float32Array | null): number[] =>
  memory.leave(learned).map(({ parameters }) => parameters[0] ?? NaN);

describe('the memory of scenes', () => {
  it('offers a new scene what was learned of those before, not of the one that ends', () => {
    const memory = new SceneMemory();
    expect(offered(memory, weights(1))).toEqual([]);
    memory.settle(true);
    expect(offered(memory, weights(2))).toEqual([1]);
    memory.settle(true);
    expect(offered(memory, null)).toEqual([1, 2]);
  });

  it('keeps nothing at a cut within the scene, nor where nothing was learned', () => {
    const memory = new SceneMemory();
    memory.leave(weights(1));
    memory.settle(false);
    memory.leave(null);
    memory.settle(true);
    expect(offered(memory, weights(2))).toEqual([]);
  });

  it('keeps what was there before the first of two quick cuts', () => {
    const memory = new SceneMemory();
    memory.leave(weights(1));
    memory.leave(weights(2));
    memory.settle(true);
    expect(offered(memory, null)).toEqual([1]);
  });

  it('keeps a scene that came back once, as it then was', () => {
    const memory = new SceneMemory();
    const first = weights(1);
    memory.leave(first);
    memory.settle(true);
    memory.leave(weights(2));
    memory.recall(first);
    expect(offered(memory, weights(1.5))).toEqual([2]);
    memory.settle(true);
    expect(offered(memory, null)).toEqual([2, 1.5]);
  });

  it('forgets the scene that has been away for longest', () => {
    const memory = new SceneMemory();
    for (let scene = 0; scene < mostScenes + 3; scene++) {
      memory.leave(weights(scene));
      memory.settle(true);
    }
    const kept = offered(memory, null);
    expect(kept).toHaveLength(mostScenes);
    expect(kept[0]).toBe(3);
  });
});
