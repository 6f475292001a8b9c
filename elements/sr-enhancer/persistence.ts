// What one stream has to do with the model store: what it may start from, and when it keeps what
// it has learned.
import type { Architecture, Native } from '../bridge/index.ts';
import type { EnhancerStart } from '../channel/messages.ts';
import { ModelStore } from './model-store.ts';
import { mostOthers, type Model } from './trial.ts';

/** Below this the next session would gain as much from the generic weights. */
const leastKeptLeadDb = 0.05;

export class Persistence {
  readonly #store: ModelStore | undefined;
  readonly #key: string;
  readonly #architecture: Architecture;
  /** What the session may start from. */
  readonly models: readonly Model[];
  #kept: Float32Array | undefined;

  constructor(
    start: EnhancerStart,
    architecture: Architecture,
    core: Native,
    onTrouble: (cause: string, remedy: string) => void,
  ) {
    this.#key = start.streamKey;
    this.#architecture = architecture;
    this.models = [];
    // What full size gains is small, and learned within seconds.
    if (start.modelStore === '' || start.rung === 1) return;
    this.#store = new ModelStore({ folder: start.modelStore, core, onTrouble });
    if (start.streamKey === '') {
      onTrouble(
        'There is a model store, but the stream has no key: nothing of it is kept.',
        'Set stream-key to a name that the stream has in every session.',
      );
    }
    // What a restart of the engine hands over is ahead of what was kept.
    if (start.liveSource === 'online' || start.liveSource === 'stored') return;
    const own = this.#key === '' ? null : this.#store.load(this.#key, architecture);
    this.models = [
      ...(own ? [{ origin: 'own' as const, parameters: own.parameters }] : []),
      ...this.#store
        .others(this.#key, architecture, mostOthers)
        .map(({ parameters }) => ({ origin: 'other' as const, parameters })),
    ];
  }

  /** Keeps weights for the next session, when they are others than before and worth it. */
  keep(parameters: Float32Array | null, leadDb: number | null): void {
    if (!this.#store || this.#key === '' || parameters === null || parameters === this.#kept)
      return;
    if (leadDb === null || leadDb < leastKeptLeadDb) return;
    this.#kept = parameters;
    this.#store.save(this.#key, this.#architecture, { parameters, leadDb });
  }
}
