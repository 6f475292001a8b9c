// Whether a stream, or a scene of it, should start from weights that were kept: its own of last time,
// those of a scene that comes back, or those of another stream that happen to fit. Decided by how the
// first patches look under each.
import { meanGainDb } from './gate.ts';

/** Mean squared errors of one patch's picture, 8-bit units. */
export interface TrialScores {
  readonly bicubic: number;
  readonly generic: number;
  readonly live: number;
  /** One for each model on trial. */
  readonly models: readonly number[];
}

export interface OnTrial {
  /** The stream's of last time, of a scene of this session, of another stream. */
  readonly origin: 'own' | 'scene' | 'other';
}

export interface Model extends OnTrial {
  readonly parameters: Float32Array;
}

/**
 * The stream's own weights have last time to speak for them. Of sixteen scenes one may be the best on two
 * patches by chance.
 */
const leastPatches = { own: 2, scene: 4, other: 4 } as const;
/** Over all that it would replace: less is chance, with so few patches. */
const leastGainDb = 0.1;

/** By then the stream's own training has passed most of them. */
export const trialPatches = 8;

/** Others that are tried: each costs the time of one enhanced patch for every patch. */
export const mostOthers = 4;

/** Index of the model to start from, if any is good enough. */
export function chooseModel(
  evidence: readonly TrialScores[],
  models: readonly OnTrial[],
): number | undefined {
  let chosen: number | undefined;
  let highestDb = leastGainDb;
  for (const [index, { origin }] of models.entries()) {
    if (evidence.length < leastPatches[origin]) continue;
    const own = evidence.map((scores) => scores.models[index] ?? Infinity);
    const gainsDb = (['bicubic', 'generic', 'live'] as const).map((rival) => {
      const theirs = evidence.map((scores) => scores[rival]);
      const isWorse = sum(own) > sum(theirs);
      return isWorse ? -Infinity : (meanGainDb(theirs, own) ?? -Infinity);
    });
    const leastDb = Math.min(...gainsDb);
    if (leastDb >= highestDb) {
      chosen = index;
      highestDb = leastDb;
    }
  }
  return chosen;
}

const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);

/** Models that are scored on each patch that comes, until one is chosen or enough have come. */
export class Trial {
  #models: readonly Model[];
  #evidence: TrialScores[] = [];

  constructor(models: readonly Model[]) {
    this.#models = models;
  }

  /** What a patch that has just come is to be scored under; none when the trial is over. */
  get models(): readonly Model[] {
    return this.#models;
  }

  /** How that patch looks under each. Returns the model to start from once the choice is clear. */
  judge(scores: TrialScores): Model | undefined {
    this.#evidence.push(scores);
    const index = chooseModel(this.#evidence, this.#models);
    const chosen = index === undefined ? undefined : this.#models[index];
    if (chosen || this.#evidence.length >= trialPatches) this.#models = [];
    return chosen;
  }
}
