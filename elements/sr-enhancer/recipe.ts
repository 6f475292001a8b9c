// How and when training is done: what `livesr ablate` varies. Each default is the best of what
// docs/results.md ("How to train") compares.
import type { TrainerOptions } from '../bridge/index.ts';
import { defaultThresholds, type AdaptiveThresholds } from './adaptive.ts';
import { recentWeight } from './pool.ts';
import { rehearsalWeight } from './rehearsal.ts';

export interface Recipe {
  /** For the trainer, over its own defaults. */
  readonly trainer: Pick<
    TrainerOptions,
    'batch' | 'window' | 'augment' | 'charbonnier' | 'averageDecay'
  >;
  /** Of the learning rate that schedule.ts gives. */
  readonly rateFactor: number;
  /** Weight of a recent patch in the draw, an older one having 1. */
  readonly recentWeight: number;
  /** Weight of all rehearsal pictures in the draw, that of all patches being 1. */
  readonly rehearsalWeight: number;
  readonly thresholds: AdaptiveThresholds;
}

export const defaultRecipe: Recipe = {
  // Flips and transposes steady what is trained from nothing on few patches (pre-training keeps them);
  // from generic weights, with rehearsal, they keep the network from learning what is peculiar to the
  // scene, which is the point of it. A loss that is square for longer is nearer to what PSNR counts.
  trainer: { augment: false, charbonnier: 0.03 },
  rateFactor: 1,
  recentWeight,
  rehearsalWeight,
  thresholds: defaultThresholds,
};

/**
 * In full size training begins with the picture itself and has a patch or two a second. What is to be
 * learned is how this encoder damages this content, which flips and transposes do not change: with them
 * 20 patches of graphics teach as much as 240 do without.
 */
export const fullSizeRecipe: Recipe = {
  ...defaultRecipe,
  trainer: { augment: true, charbonnier: 0.1 },
  rateFactor: 2,
};

export const recipeOf = (rung: number): Recipe => (rung === 1 ? fullSizeRecipe : defaultRecipe);
