// What the residual codec begins each patch with (plugin/core/patch/residual_start.inc and
// residual_weights.inc): how often each context saw a 1 on the recipe's own clips, and how much its
// word counts beside the others', so that a patch need not learn what all patches have in common.
import type { Native, TrainingPair } from '../bridge/index.ts';
import { makePairs, type PairPlan } from './pairs.ts';

/** Low-resolution pixels around a pair that bicubic enlargement reads. */
const bicubicMargin = 2;

/** Contexts that are seen seldom start near one half. */
const pseudoCount = 0.4;

/** Fixed point of probabilities and weights. */
const one = 65536;

/** Before any is learned: a little more than the mean of five contexts. */
const firstWeight = Math.round(0.24 * one);

/** Passes over the pairs that weights are learned in; they are the mean of those in the last one. */
const passes = 2;

export interface ResidualStart {
  /** 16-bit probabilities of a 1, one a context. */
  readonly probabilities: readonly number[];
  /** In 1/2^16. */
  readonly weights: readonly number[];
}

export function startProbabilities(counts: Uint32Array): number[] {
  return Array.from({ length: counts.length / 2 }, (_, context) => {
    const zeros = (counts[2 * context] ?? 0) + pseudoCount;
    const ones = (counts[2 * context + 1] ?? 0) + pseudoCount;
    return Math.round(Math.min(0.998, Math.max(0.002, ones / (zeros + ones))) * one);
  });
}

export function tableText(numbers: readonly number[]): string {
  const lines: string[] = [];
  for (let i = 0; i < numbers.length; i += 12) {
    lines.push(`${numbers.slice(i, i + 12).join(', ')},`);
  }
  return `${lines.join('\n')}\n`;
}

interface Sample {
  readonly pair: TrainingPair;
  readonly scale: number;
  readonly step: number;
}

/** The same plan gives the same tables. */
export async function findResidualStart(
  core: Native,
  plan: Omit<PairPlan, 'margin' | 'scale'>,
): Promise<ResidualStart> {
  const samples: Sample[] = [];
  for (const scale of [2, 3]) {
    for await (const { pair } of makePairs({ ...plan, scale, margin: bicubicMargin }))
      samples.push({ pair, scale, step: core.encodeFittingResidual(pair, scale).step });
  }
  const counts = new Uint32Array(2 * core.residualContexts);
  for (const { pair, scale, step } of samples) core.countResidualBits(pair, scale, step, counts);
  const probabilities = startProbabilities(counts);

  const start = Uint16Array.from(probabilities);
  const weights = new Int32Array(core.residualWeights).fill(firstWeight);
  const sums = new Float64Array(weights.length);
  for (let pass = 1; pass <= passes; pass++) {
    for (const { pair, scale, step } of samples) {
      core.learnResidualWeights(pair, scale, step, start, weights);
      if (pass === passes) weights.forEach((weight, i) => (sums[i] = (sums[i] ?? 0) + weight));
    }
  }
  return { probabilities, weights: [...sums].map((sum) => Math.round(sum / samples.length)) };
}
