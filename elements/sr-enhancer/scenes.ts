// What was learned of the scenes of a session, so that a scene that comes back need not be learned
// again: programmes cut between the same few cameras.
import type { Model } from './trial.ts';

/**
 * Each costs the time of one enhanced patch for each of the first patches after a cut, and 20-80 kB. With
 * six, scenes that came back were not known again in a session of which one scene had eleven cuts.
 */
export const mostScenes = 16;

export class SceneMemory {
  /** Latest last. */
  #scenes: readonly Float32Array[] = [];
  /** Of the scene that a cut may have ended. */
  #left: Float32Array | undefined;

  /**
   * A cut: `learned` is what the scene before it is shown with, null when nothing was learned. Returns
   * what the new scene may start from.
   */
  leave(learned: Float32Array | null): readonly Model[] {
    // Another cut before the last one was settled: there was no time to learn anything.
    this.#left ??= learned ?? undefined;
    return this.#scenes.map((parameters) => ({ origin: 'scene', parameters }));
  }

  /** The new scene starts from these; they will be kept again, as they then are, when it ends. */
  recall(parameters: Float32Array): void {
    this.#scenes = this.#scenes.filter((scene) => scene !== parameters);
    this.settle(true);
  }

  /** Whether the cut ended the scene, or what was learned before it serves on. */
  settle(hasEnded: boolean): void {
    if (hasEnded && this.#left) this.#scenes = [...this.#scenes, this.#left].slice(-mostScenes);
    this.#left = undefined;
  }
}
