// What the server says of training, and what of it the scheduler may act upon.
/** What the server says at the end of each epoch. */
export interface TrainingNews {
  readonly state: 'waiting' | 'training' | 'suspended' | 'off';
  /** Of this epoch's weights over those of the epoch before, on the same patches; null: unknown. */
  readonly epochGainDb: number | null;
}

/**
 * What training gains on fewer patches is chance: with eleven the gate lets nothing through yet. (20 of
 * graphics teach nearly as much as 60.)
 */
const pairsToShow = 20;
/** In full size: a small uplink has not paid for so many by then, and each costs the picture something. */
const timeToShowNs = 20e9;

/** What the server says of training, before it is made out what that means. */
export interface TrainingReport extends TrainingNews {
  readonly pairs: number;
  /** Over bicubic: of what is shown, and of the generic network. */
  readonly gainDb: number | null;
  readonly genericGainDb: number | null;
}

/**
 * In full size what is learned may not be good enough to be shown for as long as the stream lasts (a game
 * whose damage is another every second): then it gains nothing, whatever an epoch adds to it. `begunNs`: since when
 * training has been on at this size.
 */
export function newsOf(
  report: TrainingReport,
  isFullSize: boolean,
  begunNs: number | undefined,
  mediaTimeNs: number,
): TrainingNews {
  const isYoung = report.pairs < pairsToShow;
  const hadTime = mediaTimeNs - (begunNs ?? mediaTimeNs) > timeToShowNs;
  const isShown = (report.gainDb ?? 0) > (report.genericGainDb ?? 0);
  if (isFullSize && !isShown && (hadTime || !isYoung)) return { ...report, epochGainDb: 0 };
  return isYoung ? { ...report, epochGainDb: null } : report;
}
