// When to train: LiveNAS, Algorithm 1 (content-adaptive online training), and the simpler rules that it
// is compared with. Pure functions of what an epoch or a validation period showed.
import type { TrainingMode } from '../channel/messages.ts';

export interface TrainingPlan {
  readonly phase: 'training' | 'suspended';
  /** Epochs (while suspended: validation periods) in a row that spoke for a change of phase. */
  readonly patience: number;
}

export const initialPlan: TrainingPlan = { phase: 'training', patience: 0 };

/**
 * An epoch that gains less than this has nothing left to gain: thresh_sat. An epoch late on a long
 * scene still gains 0.01 to 0.02 dB, which no viewer sees and all the time of a core pays for.
 */
export const saturatedGainDb = 0.03;
/** Training is suspended when more epochs than this in a row were saturated: count_sat. */
export const saturatedEpochs = 1;

/**
 * Weights that lead the generic ones by less no longer reflect the content: thresh_online. Below it the
 * lead is lost in the differences from patch to patch.
 */
export const lostLeadDb = 0.1;
/** Training resumes after more validation periods than this in a row without a lead: count_online. */
export const lostLeadPeriods = 1;

/**
 * After a scene cut the first patches decide at once: training resumes when less than this share is left
 * of the lead that the weights had when it was suspended. Where cuts come and go within one kind of
 * pictures the lead stays, and so does the pause.
 */
const leadKeptOverCut = 0.5;
export const patchesAfterCut = 4;

/** What the rule `once` trains on. */
export const onceNs = 60e9;

/** Lines 5 to 14. `gainDb`: of the epoch's weights over those of the epoch before, on patches that
 * neither was trained on; null when there are none, which says nothing. */
export function afterEpoch(plan: TrainingPlan, gainDb: number | null): TrainingPlan {
  if (gainDb === null) return plan;
  if (gainDb >= saturatedGainDb) return { phase: 'training', patience: 0 };
  const patience = plan.patience + 1;
  return patience > saturatedEpochs
    ? { phase: 'suspended', patience: 0 }
    : { phase: 'training', patience };
}

/** Lines 15 to 25. `leadDb`: of the live weights over the generic ones on the period's patches. */
export function afterValidation(plan: TrainingPlan, leadDb: number | null): TrainingPlan {
  if (leadDb === null) return plan;
  if (leadDb >= lostLeadDb) return { phase: 'suspended', patience: 0 };
  const patience = plan.patience + 1;
  return patience > lostLeadPeriods
    ? { phase: 'training', patience: 0 }
    : { phase: 'suspended', patience };
}

/** What the end of an epoch showed. */
export interface EpochOutcome {
  /** Since the first patch. */
  readonly elapsedNs: number;
  readonly epochGainDb: number | null;
  readonly leadDb: number | null;
}

/** The plan for the next epoch under each rule. */
export function nextPlan(
  mode: TrainingMode,
  plan: TrainingPlan,
  outcome: EpochOutcome,
): TrainingPlan {
  const suspended: TrainingPlan = { phase: 'suspended', patience: 0 };
  if (mode === 'off' || (mode === 'once' && outcome.elapsedNs >= onceNs)) return suspended;
  if (mode === 'continuous' || mode === 'once') return plan;
  if (plan.phase === 'training') return afterEpoch(plan, outcome.epochGainDb);
  return mode === 'adaptive' ? afterValidation(plan, outcome.leadDb) : plan;
}

/** The gate saw that the scene has changed: only `adaptive` heeds it. */
export function afterRetreat(mode: TrainingMode, plan: TrainingPlan): TrainingPlan {
  return mode === 'adaptive' ? { phase: 'training', patience: 0 } : plan;
}

/** Leads over the generic weights: on the first patches after a cut, and when training was suspended. */
export function afterCut(
  mode: TrainingMode,
  plan: TrainingPlan,
  leadDb: number,
  suspendedLeadDb: number,
): TrainingPlan {
  const isLost = leadDb < Math.max(lostLeadDb, leadKeptOverCut * suspendedLeadDb);
  return isLost ? afterRetreat(mode, plan) : plan;
}
