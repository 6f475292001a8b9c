// How the uplink is split between video and patches, and when patches may go: pure functions of state
// and media time. What the uplink carries is handed in.

export interface PlanSettings {
  readonly patchesOn: boolean;
  readonly patchBitrateBps: number;
  readonly minVideoBitrateBps: number;
}

export interface Split {
  readonly videoBitrateBps: number;
  readonly patchBitrateBps: number;
}

/** LiveNAS 5.1: below this video rate the uplink is better spent on video alone. */
export const leastVideoBesidePatchesBps = 200_000;

/** Video and patches never exceed the uplink together; patches yield first. */
export function splitUplink(uplinkBps: number, settings: PlanSettings): Split {
  const leastVideoBps = Math.max(settings.minVideoBitrateBps, leastVideoBesidePatchesBps);
  const wantedBps = settings.patchesOn ? settings.patchBitrateBps : 0;
  const patchBitrateBps = Math.max(0, Math.min(wantedBps, uplinkBps - leastVideoBps));
  return { videoBitrateBps: uplinkBps - patchBitrateBps, patchBitrateBps };
}

/** A token bucket over media time: patches keep their rate over any window of several seconds. */
export interface PatchBudget {
  readonly patchBitrateBps: number;
  readonly balanceBits: number;
  readonly mediaTimeNs: number | undefined;
  /** Selected, but not yet reported as sent. */
  readonly underway: number;
  readonly underwaySinceNs: number;
  readonly meanPatchBits: number;
}

/** Longest saving, seconds of patch rate: a still scene must not end in a burst. */
const savingSeconds = 1;
/** A selection that was not sent by then was dropped by the element. */
const underwayNs = 2e9;
/** A patch of 120x120 until the stream has shown its own: means of six clips (docs/results.md). */
const firstPatchBits = { residual: 500 * 8, jpeg: 4200 * 8 } as const;
const meanDecay = 0.8;
/** So many share a packet and its 46 bytes: worth waiting for. */
const patchesTogether = 4;
/** But not for longer than it takes to earn this many seconds of patch rate. */
const longestWaitSeconds = 0.5;
/** LiveNAS 5.2: about ten patches a round. */
export const mostPatchesPerRound = 10;

export function emptyBudget(codec: keyof typeof firstPatchBits): PatchBudget {
  return {
    patchBitrateBps: 0,
    balanceBits: 0,
    mediaTimeNs: undefined,
    underway: 0,
    underwaySinceNs: 0,
    meanPatchBits: firstPatchBits[codec],
  };
}

export function advance(budget: PatchBudget, mediaTimeNs: number): PatchBudget {
  // A flush or a new segment may set time back; nothing is earned then.
  const elapsedNs = Math.max(0, mediaTimeNs - (budget.mediaTimeNs ?? mediaTimeNs));
  const earnedBits = (elapsedNs / 1e9) * budget.patchBitrateBps;
  const mostBits = savingSeconds * budget.patchBitrateBps;
  const given = mediaTimeNs - budget.underwaySinceNs > underwayNs || elapsedNs > underwayNs;
  return {
    ...budget,
    mediaTimeNs,
    balanceBits: Math.min(mostBits, budget.balanceBits + earnedBits),
    underway: given ? 0 : budget.underway,
  };
}

/** How many patches may be selected now. */
export function allowance(budget: PatchBudget): number {
  if (budget.patchBitrateBps <= 0) return 0;
  const freeBits = budget.balanceBits - budget.underway * budget.meanPatchBits;
  const worthBits = Math.min(
    patchesTogether * budget.meanPatchBits,
    longestWaitSeconds * budget.patchBitrateBps,
  );
  if (freeBits < worthBits) return 0;
  // A positive balance allows one patch more than it pays for: the debt is worked off afterwards.
  const patches = Math.ceil(freeBits / budget.meanPatchBits);
  return Math.max(0, Math.min(mostPatchesPerRound, patches));
}

/** How many patches are due when they go by number, `sent` of them so far; as many together as by bit rate. */
export function patchesDue(mediaTimeNs: number, patchesPerSecond: number, sent: number): number {
  const due = Math.floor((mediaTimeNs / 1e9) * patchesPerSecond) - sent;
  const together = Math.min(patchesTogether, longestWaitSeconds * patchesPerSecond);
  return due < together ? 0 : Math.min(mostPatchesPerRound, due);
}

export function selected(budget: PatchBudget, patches: number): PatchBudget {
  if (patches === 0) return budget;
  return {
    ...budget,
    underway: budget.underway + patches,
    underwaySinceNs: budget.mediaTimeNs ?? 0,
  };
}

/** A packet of `patches` went out; without any it announced the sizes. */
export function sent(budget: PatchBudget, bytes: number, patches: number): PatchBudget {
  const bits = bytes * 8;
  const balanceBits = budget.balanceBits - bits;
  if (patches === 0) return { ...budget, balanceBits };
  const decay = meanDecay ** patches;
  return {
    ...budget,
    balanceBits,
    underway: Math.max(0, budget.underway - patches),
    meanPatchBits: decay * budget.meanPatchBits + (1 - decay) * (bits / patches),
  };
}
