// The start probabilities of the residual codec (plugin/core/patch/residual_start.inc): how often each
// context saw a 0 on the recipe's own clips, so that a patch need not learn what all patches have in
// common.
import type { Native } from '../bridge/index.ts';
import { makePairs, type PairPlan } from './pairs.ts';

/** Low-resolution pixels around a pair that bicubic enlargement reads. */
const bicubicMargin = 2;

/** Steps as patches of camera footage have them, so that the table serves all of them. */
const steps = [20, 26, 34] as const;

/** Contexts that are seen seldom start near one half. */
const pseudoCount = 2;

/** 16-bit probabilities of a 0, one a context. */
export function startProbabilities(counts: Uint32Array): number[] {
  return Array.from({ length: counts.length / 2 }, (_, context) => {
    const zeros = (counts[2 * context] ?? 0) + pseudoCount;
    const ones = (counts[2 * context + 1] ?? 0) + pseudoCount;
    return Math.round(Math.min(0.995, Math.max(0.005, zeros / (zeros + ones))) * 65536);
  });
}

export function tableText(probabilities: readonly number[]): string {
  const lines: string[] = [];
  for (let i = 0; i < probabilities.length; i += 12) {
    lines.push(`${probabilities.slice(i, i + 12).join(', ')},`);
  }
  return `${lines.join('\n')}\n`;
}

/** The same plan gives the same table. */
export async function findStartProbabilities(
  core: Native,
  plan: Omit<PairPlan, 'margin' | 'scale'>,
): Promise<number[]> {
  const counts = new Uint32Array(2 * core.residualContexts);
  for (const scale of [2, 3]) {
    for await (const { pair } of makePairs({ ...plan, scale, margin: bicubicMargin })) {
      for (const step of steps) core.countResidualBits(pair, scale, step, counts);
    }
  }
  return startProbabilities(counts);
}
