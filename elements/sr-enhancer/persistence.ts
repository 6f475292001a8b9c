// What one stream has to do with the model store: what it tries from there on its first patches, and
// when it keeps what it has learned.
import type { Architecture, Native } from '../bridge/index.ts';
import type { EnhancerStart } from '../channel/messages.ts';
import { ModelStore } from './model-store.ts';
import { chooseModel, mostOthers, trialPatches, type TrialScores } from './trial.ts';

interface Model {
  readonly isOwn: boolean;
  readonly parameters: Float32Array;
}

/** Below this the next session would gain as much from the generic weights. */
const leastKeptLeadDb = 0.05;

export class Persistence {
  readonly #store: ModelStore | undefined;
  readonly #key: string;
  readonly #architecture: Architecture;
  #onTrial: readonly Model[] = [];
  #evidence: TrialScores[] = [];
  #kept: Float32Array | undefined;

  constructor(
    start: EnhancerStart,
    architecture: Architecture,
    core: Native,
    onTrouble: (cause: string, remedy: string) => void,
  ) {
    this.#key = start.streamKey;
    this.#architecture = architecture;
    if (start.modelStore === '') return;
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
    this.#onTrial = [
      ...(own ? [{ isOwn: true, parameters: own.parameters }] : []),
      ...this.#store
        .others(this.#key, architecture, mostOthers)
        .map(({ parameters }) => ({ isOwn: false, parameters })),
    ];
  }

  /** Weights that a patch that has just come is to be scored under; none when the trial is over. */
  get onTrial(): readonly Float32Array[] {
    return this.#onTrial.map(({ parameters }) => parameters);
  }

  /** How that patch looks under each. Returns the weights to start from once the choice is clear. */
  judge(scores: TrialScores): Float32Array | undefined {
    this.#evidence.push(scores);
    const chosen = chooseModel(this.#evidence, this.#onTrial);
    const parameters = chosen === undefined ? undefined : this.#onTrial[chosen]?.parameters;
    if (parameters || this.#evidence.length >= trialPatches) {
      this.#onTrial = [];
      this.#evidence = [];
    }
    return parameters;
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
