// The training run itself: a pool of pairs, a schedule of learning rates, the averaged weights.
import type { Architecture, Native } from '../bridge/index.ts';
import type { WeightedPair } from './pairs.ts';

/**
 * What is learned of a stream runs in the standard size (FIELD-NOTES' net A: what fits a frame's time on
 * one core). The small one takes about two fifths of that with AVX-512, a quarter with AVX2.
 */
export const networkSizes = {
  standard: { channels: 16, layers: 4 },
  small: { channels: 8, layers: 3 },
} as const;
export type NetworkSize = keyof typeof networkSizes;

export const architectureOf = (scale: number, size: NetworkSize): Architecture => ({
  scale,
  ...networkSizes[size],
});

export const schedule = {
  batch: 8,
  window: 40,
  charbonnier: 0.01,
  averageDecay: 0.9995,
  /** 15,000 steps at 4e-3 end above 30,000 at 1e-3. */
  peakLearningRate: 4e-3,
  warmUpSteps: 500,
  /** Steps at one learning rate; the unit of progress too. */
  blockSteps: 50,
} as const;

/** Rises over the warm-up, then falls along half a cosine to (almost) nothing. */
export const learningRateAt = (step: number, steps: number): number => {
  const warm = Math.min(1, (step + 1) / schedule.warmUpSteps);
  const falling = 0.5 * (1 + Math.cos((Math.PI * step) / steps));
  return schedule.peakLearningRate * warm * falling + 1e-6;
};

export interface Progress {
  readonly step: number;
  readonly steps: number;
  /** Mean over the steps since the last report. */
  readonly loss: number;
}

/** Trains a network from the start on the pairs; the same arguments give the same parameters. */
export const trainNetwork = async (
  core: Native,
  architecture: Architecture,
  pairs: AsyncIterable<WeightedPair>,
  seed: number,
  steps: number,
  report: (progress: Progress) => void,
): Promise<Float32Array> => {
  const { batch, window, charbonnier, averageDecay } = schedule;
  const start = core.makeNetwork(architecture, seed);
  const trainer = new core.Trainer(architecture, start, {
    batch,
    window,
    charbonnier,
    averageDecay,
    seed,
  });
  for await (const { pair, weight } of pairs) trainer.add(pair, weight);
  for (let step = 0; step < steps;) {
    const block = Math.min(schedule.blockSteps, steps - step);
    const loss = await trainer.train(block, learningRateAt(step + block / 2, steps));
    step += block;
    report({ step, steps, loss });
  }
  return trainer.averaged();
};
