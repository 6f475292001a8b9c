// The weights that a stream's picture can have: those in use, those that training offers, and the
// messages that put others into use. Which are to be is the gate's question.
import { native, type Architecture, type Trainer } from '../bridge/index.ts';
import { blobOfFloats } from '../channel/frame.ts';
import type { WeightSource } from '../channel/messages.ts';
import type { Send } from '../engine/contract.ts';
import { shares, type Challenger, type Scores } from './gate.ts';
import { withExactFlats } from './rehearsal.ts';

export class Weights {
  readonly generic: Float32Array;
  readonly #send: Send;
  readonly #architecture: Architecture;
  readonly #rung: number;
  #live: Float32Array | null;
  #source: WeightSource;
  #trained: Float32Array;
  /** Made when they are asked for: training offers weights far more often. */
  #mixed: readonly Float32Array[] | undefined;
  #version = 0;

  /** `trained`: what training starts from. Tells the element at once what it shows. */
  constructor(
    architecture: Architecture,
    rung: number,
    generic: Float32Array,
    trained: Float32Array,
    source: WeightSource,
    send: Send,
  ) {
    this.#architecture = architecture;
    this.#rung = rung;
    this.generic = generic;
    this.#send = send;
    this.#source = source;
    this.#live = source === 'bicubic' ? null : trained;
    this.#trained = trained;
    this.#sendSwap(null);
  }

  get source(): WeightSource {
    return this.#source;
  }

  /** null: bicubic. */
  get live(): Float32Array | null {
    return this.#live;
  }

  /** Learned from this stream or an earlier one, not from pre-training alone. */
  get isLearned(): boolean {
    return this.#source === 'online' || this.#source === 'stored';
  }

  get swaps(): number {
    return this.#version - 1;
  }

  /** Training has come to these. */
  offer(trained: Float32Array): void {
    this.#trained = trained;
    this.#mixed = undefined;
  }

  show(challenger: Challenger, expectedGainDb: number | null): void {
    if (typeof challenger === 'number') {
      this.#source = 'online';
      this.#live = this.#candidates[challenger] ?? this.generic;
    } else {
      this.#source = challenger;
      this.#live = challenger === 'generic' ? this.generic : null;
    }
    this.#sendSwap(expectedGainDb);
  }

  showStored(parameters: Float32Array): void {
    this.#source = 'stored';
    this.#live = parameters;
    this.#sendSwap(null);
  }

  /** Scores of patches under the weights of this moment. */
  async score(trainer: Trainer, ids: readonly number[]): Promise<Scores[]> {
    const sets = [null, this.generic, this.#live, ...this.#candidates];
    const errors = await trainer.meanSquaredError(ids, sets);
    const error = (set: number, patch: number): number => errors[set * ids.length + patch] ?? 0;
    return ids.map((_, patch) => ({
      bicubic: error(0, patch),
      generic: error(1, patch),
      live: error(2, patch),
      candidates: shares.map((_, share) => error(3 + share, patch)),
    }));
  }

  get #candidates(): readonly Float32Array[] {
    this.#mixed ??= shares.map((share) => {
      const mixed = this.generic.map(
        (value, i) => value + share * ((this.#trained[i] ?? value) - value),
      );
      return withExactFlats(native(), this.#architecture, mixed);
    });
    return this.#mixed;
  }

  #sendSwap(gainDb: number | null): void {
    this.#version++;
    this.#send(
      {
        type: 'model.swap',
        version: this.#version,
        rung: this.#rung,
        source: this.#source,
        gainDb,
      },
      this.#live ? blobOfFloats(this.#live) : undefined,
    );
  }
}
