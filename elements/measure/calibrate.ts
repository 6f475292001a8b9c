// Finds how much to ask an encoder for so that what it sends fills the uplink and does not exceed it.
// Rate control misses its target by a few per cent, each content and size by others; a scheme must
// not win by what its encoder overspent. Pure functions.

/** One trial: what was asked for and what went out, as shares of the uplink. */
export interface Trial {
  readonly asked: number;
  readonly sent: number;
}

/** A run counts as filling the uplink from here on. */
export const leastFilled = 0.99;
const aim = 0.996;
const mostTrials = 6;
/** Asking for more than this no longer makes a difference: the content needs no more bits. */
const mostAsked = 3;

export const fits = (trial: Trial): boolean => trial.sent <= 1;

/** What to ask for next; null when the trials so far are enough. */
export function nextAsked(trials: readonly Trial[]): number | null {
  const last = trials.at(-1);
  if (last === undefined) return 1;
  if (trials.some((trial) => fits(trial) && trial.sent >= leastFilled)) return null;
  if (trials.length >= mostTrials) {
    // The uplink must not be exceeded, even if a good part of it then stays empty.
    return trials.some(fits) ? null : Math.min(...trials.map((t) => t.asked)) * 0.9;
  }
  const below = trials.filter(fits).sort((a, b) => b.sent - a.sent)[0];
  const above = trials.filter((trial) => !fits(trial)).sort((a, b) => a.sent - b.sent)[0];
  if (below === undefined || above === undefined) {
    const asked = Math.min(mostAsked, (last.asked * aim) / last.sent);
    return trials.some((trial) => trial.asked === asked) ? null : asked;
  }
  // Between the nearest two, as if what is sent rose evenly with what is asked for.
  const share = (aim - below.sent) / (above.sent - below.sent);
  return below.asked + share * (above.asked - below.asked);
}

/** The trial that fills the uplink most without exceeding it. */
export function bestTrial<T extends Trial>(trials: readonly T[]): T | undefined {
  return trials.filter(fits).sort((a, b) => b.sent - a.sent)[0];
}
