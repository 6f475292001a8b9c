// When to train: LiveNAS, Algorithm 1 (content-adaptive online training), and the simpler rules that it
// is compared with. Pure functions of what an epoch or a validation period showed.
import type { TrainingMode } from '../channel/messages.ts';

export interface TrainingPlan {
  readonly phase: 'training' | 'suspended';
  /** Epochs (while suspended: validation periods) in a row that spoke for a change of phase. */
  readonly patience: number;
  /** Share of the time that the training phase trains. */
  readonly pace: number;
  /** Epochs trained since the scene began. */
  readonly epochs: number;
  /** The epoch before gained little: one more, and the pace is halved. */
  readonly isSlowing: boolean;
}

export const initialPlan: TrainingPlan = {
  phase: 'training',
  patience: 0,
  pace: 1,
  epochs: 0,
  isSlowing: false,
};
const paceAfterRecall = 0.5;
const suspended: TrainingPlan = { ...initialPlan, phase: 'suspended' };

export interface AdaptiveThresholds {
  /** An epoch that gains less has nothing left to gain: thresh_sat. */
  readonly saturatedGainDb: number;
  /** Training is suspended when more epochs than this in a row were saturated: count_sat. */
  readonly saturatedEpochs: number;
  /**
   * With fewer patches an epoch says nothing: where they come slowly, one that gains nothing has had
   * nothing to learn from.
   */
  readonly leastPairs: number;
  /**
   * Weights that lead the generic ones by less no longer reflect the content: thresh_online. Below it
   * the lead is lost in the differences from patch to patch.
   */
  readonly lostLeadDb: number;
  /** Training resumes after more validation periods than this in a row without a lead: count_online. */
  readonly lostLeadPeriods: number;
  /**
   * After a scene cut the first patches decide at once: training resumes when less than this share is
   * left of the lead that the weights had before. Where cuts come and go within one kind of pictures
   * the lead stays, and so does the pause.
   */
  readonly leadKeptOverCut: number;
  /**
   * Beyond Algorithm 1, which trains with all its might or not at all: an epoch that gains less than
   * half of this, or two in a row that gain less than this, halve the pace; one that gains twice as
   * much doubles it. Half of the steps gain nearly as
   * much once the first seconds of a scene are over.
   */
  readonly slowGainDb: number;
  /** Of a scene, without slowing down: what is learned slowly at first may be learned well later. */
  readonly fullEpochs: number;
  readonly leastPace: number;
  /** Of the time of a session, for training; what is not used is saved up, as epochs of full pace. */
  readonly shareOfTime: number;
  readonly mostSavedEpochs: number;
}

/**
 * Measured on a session of five scenes of a minute each (docs/results.md, "When training pays"): pausing
 * at 0.03 dB after two epochs without slowing down (to an eighth then) first cost 0.03 dB more for the same
 * training time.
 */
export const defaultThresholds: AdaptiveThresholds = {
  saturatedGainDb: 0.015,
  saturatedEpochs: 2,
  leastPairs: 40,
  lostLeadDb: 0.1,
  lostLeadPeriods: 1,
  leadKeptOverCut: 0.5,
  slowGainDb: 0.12,
  fullEpochs: 4,
  leastPace: 0.25,
  shareOfTime: 0.36,
  mostSavedEpochs: 4,
};

/** Patches of a new scene that say whether the lead is lost. */
export const patchesAfterCut = 4;

/** What the rule `once` trains on. */
export const onceNs = 60e9;

function paceAfter(
  { pace, epochs, isSlowing }: TrainingPlan,
  gainDb: number,
  { slowGainDb, leastPace, fullEpochs }: AdaptiveThresholds,
): Pick<TrainingPlan, 'pace' | 'isSlowing'> {
  if (pace === 1 && epochs < fullEpochs) return { pace, isSlowing: false };
  if (gainDb >= 2 * slowGainDb) return { pace: Math.min(1, pace * 2), isSlowing: false };
  if (gainDb >= slowGainDb) return { pace, isSlowing: false };
  if (!isSlowing && gainDb >= slowGainDb / 2) return { pace, isSlowing: true };
  return { pace: Math.max(leastPace, pace / 2), isSlowing: false };
}

/**
 * The pace that a plan has with so many epochs saved up: new scenes get all that there is, in the long
 * run the share holds.
 */
export function paceWithin(
  mode: TrainingMode,
  { phase, pace }: TrainingPlan,
  savedEpochs: number,
  { shareOfTime }: AdaptiveThresholds = defaultThresholds,
): number {
  if (phase === 'suspended') return 0;
  return mode === 'adaptive' ? Math.min(pace, savedEpochs + shareOfTime) : pace;
}

/** Epochs saved up after one that was trained at this pace. */
export function savedAfter(
  savedEpochs: number,
  pace: number,
  { shareOfTime, mostSavedEpochs }: AdaptiveThresholds = defaultThresholds,
): number {
  return Math.min(mostSavedEpochs, Math.max(0, savedEpochs + shareOfTime - pace));
}

/**
 * Lines 5 to 14. `gainDb`: of the epoch's weights over those of the epoch before, on patches that
 * neither was trained on; null when there are none, which says nothing.
 */
export function afterEpoch(
  plan: TrainingPlan,
  gainDb: number | null,
  thresholds: AdaptiveThresholds,
): TrainingPlan {
  if (gainDb === null) return plan;
  const patience = gainDb < thresholds.saturatedGainDb ? plan.patience + 1 : 0;
  if (patience > thresholds.saturatedEpochs) return suspended;
  const after = { ...plan, patience, epochs: plan.epochs + 1 };
  return { ...after, ...paceAfter(after, gainDb, thresholds) };
}

/** Lines 15 to 25. `leadDb`: of the live weights over the generic ones on the period's patches. */
export function afterValidation(
  plan: TrainingPlan,
  leadDb: number | null,
  thresholds: AdaptiveThresholds,
): TrainingPlan {
  if (leadDb === null) return plan;
  const patience = leadDb < thresholds.lostLeadDb ? plan.patience + 1 : 0;
  return patience > thresholds.lostLeadPeriods ? initialPlan : { ...suspended, patience };
}

/** What the end of an epoch showed. */
export interface EpochOutcome {
  /** Since the first patch. */
  readonly elapsedNs: number;
  /** Patches to train on. */
  readonly pairs: number;
  readonly epochGainDb: number | null;
  readonly leadDb: number | null;
}

/** The plan for the next epoch under each rule. */
export function nextPlan(
  mode: TrainingMode,
  plan: TrainingPlan,
  outcome: EpochOutcome,
  thresholds: AdaptiveThresholds = defaultThresholds,
): TrainingPlan {
  if (mode === 'off' || (mode === 'once' && outcome.elapsedNs >= onceNs)) return suspended;
  if (mode === 'continuous' || mode === 'once') return plan;
  if (plan.phase === 'training') {
    return outcome.pairs < thresholds.leastPairs
      ? plan
      : afterEpoch(plan, outcome.epochGainDb, thresholds);
  }
  return mode === 'adaptive' ? afterValidation(plan, outcome.leadDb, thresholds) : plan;
}

/** The rules of LiveNAS 8.3 that train once: whoever takes them wants no more work, whatever comes. */
export function isOver(mode: TrainingMode, { phase }: TrainingPlan): boolean {
  return phase === 'suspended' && mode !== 'adaptive';
}

/** The gate, or the first patches after a cut, say that the scene has changed: only `adaptive` heeds it. */
export function afterRetreat(mode: TrainingMode, plan: TrainingPlan): TrainingPlan {
  return mode === 'adaptive' ? initialPlan : plan;
}

/** A scene has come back: what was learned of it is a start that little is left to add to. */
export function afterRecall(mode: TrainingMode, plan: TrainingPlan): TrainingPlan {
  return mode === 'adaptive' ? { ...initialPlan, pace: paceAfterRecall } : plan;
}

/**
 * Whether a cut has taken the lead over the generic weights: as it is on the first patches after the cut,
 * and as it was in the epoch before it.
 */
export function isLeadLost(
  leadDb: number,
  leadBeforeDb: number,
  { lostLeadDb, leadKeptOverCut }: AdaptiveThresholds = defaultThresholds,
): boolean {
  return leadDb < Math.max(lostLeadDb, leadKeptOverCut * leadBeforeDb);
}
