// How fast and how long training runs: pure functions of media time and of the patches that came.

/**
 * From generic weights, on the test clips at 1-3 patches a second and 400 steps a second, the gain over
 * generic at 20 s (share 0.7 / full way) was 0.56/0.64 dB with 5e-5, 0.67/0.83 with 2e-4, 0.72/0.92
 * with 4e-4 and 0.74/0.99 with 8e-4, the latter 0.06 lower at 4 s where patches are fewest. FIELD-NOTES
 * quality 4 has lower rates: those were measured without the gate's mixing of weights.
 */
const fewPatchesPerSecond = 1;
const manyPatchesPerSecond = 4;
const rateWithFew = 4e-4;
const rateWithMany = 8e-4;

/** Adam's learning rate, interpolated on logarithmic axes between the two that were measured. */
export function learningRate(patchesPerSecond: number): number {
  const position =
    Math.log(Math.max(patchesPerSecond, 1e-3) / fewPatchesPerSecond) /
    Math.log(manyPatchesPerSecond / fewPatchesPerSecond);
  const share = Math.min(1, Math.max(0, position));
  return rateWithFew * (rateWithMany / rateWithFew) ** share;
}

/** Patches a second over the last stretch of media time. */
export const rateWindowNs = 10e9;

/** More say no more of the rate. */
const maxArrivals = 1000;

/** Arrivals of the last stretch, the latest at `nowNs`; those of a time that has not come are of before a flush. */
export function arrivalsWith(arrivalsNs: readonly number[], nowNs: number): readonly number[] {
  const recent = arrivalsNs.filter((t) => t > nowNs - rateWindowNs && t <= nowNs);
  return [...recent, nowNs].slice(-maxArrivals);
}

export function patchesPerSecond(arrivalsNs: readonly number[], nowNs: number): number {
  const first = arrivalsNs[0];
  if (first === undefined) return 0;
  const spanNs = Math.min(rateWindowNs, Math.max(1e9, nowNs - first));
  return arrivalsNs.filter((t) => t > nowNs - rateWindowNs).length / (spanNs / 1e9);
}

/**
 * A machine that runs few steps, or a pace that allows few, takes larger ones: over 600 s of six clips
 * twice the rate is worth 0.09 dB (patches) at 100 steps a second and 0.04 at 230 (docs/results.md).
 */
const stepsForUsualRate = 400;
const mostRateForFewSteps = 2;

export function rateForSteps(stepsPerSecond: number): number {
  return Math.min(
    mostRateForFewSteps,
    Math.max(1, Math.sqrt(stepsForUsualRate / Math.max(1, stepsPerSecond))),
  );
}

/** LiveNAS 6: an epoch is five seconds. */
export const epochNs = 5e9;

/**
 * With nothing new to learn, more steps only learn the pool by heart. 600 to 1500 steps a patch still
 * gained on the test clips (1200 steps a second, 0.8-2 patches a second), so training pauses when it
 * has run this many since the latest patch for each of up to ten patches that it has.
 */
const stepsPerPatch = 1500;
const mostPatchesCounted = 10;

export interface StepCount {
  /** Media time at which the first patch came. */
  readonly sinceNs: number | undefined;
  /** Run, or given up because they were due while training paused. */
  readonly settled: number;
  readonly sinceLatestPatch: number;
  /** Of the last stretch of media time, oldest first. */
  readonly runs: readonly { readonly timeNs: number; readonly steps: number }[];
}

export const noSteps: StepCount = {
  sinceNs: undefined,
  settled: 0,
  sinceLatestPatch: 0,
  runs: [],
};

export function patchArrived(count: StepCount, nowNs: number): StepCount {
  return { ...count, sinceNs: count.sinceNs ?? nowNs, sinceLatestPatch: 0 };
}

export function stepsRun(count: StepCount, steps: number, nowNs: number): StepCount {
  const { runs } = count;
  const latest = runs.at(-1);
  // A live machine runs many chunks between two ticks of media time.
  const before = latest?.timeNs === nowNs ? runs.slice(0, -1) : runs;
  const sum = { timeNs: nowNs, steps: steps + (latest?.timeNs === nowNs ? latest.steps : 0) };
  return {
    ...count,
    settled: count.settled + steps,
    sinceLatestPatch: count.sinceLatestPatch + steps,
    runs: [...before.filter(({ timeNs }) => Math.abs(nowNs - timeNs) < rateWindowNs), sum],
  };
}

/** Run in each second of media time lately. */
export function stepsPerSecond({ sinceNs, runs }: StepCount, nowNs: number): number {
  const spanNs = Math.min(rateWindowNs, Math.max(1e9, nowNs - (sinceNs ?? nowNs)));
  const recent = runs.filter(({ timeNs }) => Math.abs(nowNs - timeNs) < rateWindowNs);
  return recent.reduce((sum, { steps }) => sum + steps, 0) / (spanNs / 1e9);
}

export function stepsGivenUp(count: StepCount, steps: number): StepCount {
  return { ...count, settled: count.settled + steps };
}

/** Media time began again at `nowNs`: what was due before is settled. */
export function timeWentBack(count: StepCount, nowNs: number): StepCount {
  if (count.sinceNs === undefined || count.sinceNs <= nowNs) return count;
  return { ...count, sinceNs: nowNs, settled: 0, runs: [] };
}

/** Steps that media time calls for at a stated number a second. */
export function stepsDue(count: StepCount, nowNs: number, stepsPerSecond: number): number {
  if (count.sinceNs === undefined) return 0;
  const seconds = Math.max(0, nowNs - count.sinceNs) / 1e9;
  return Math.max(0, Math.floor(seconds * stepsPerSecond) - count.settled);
}

/** Steps until training pauses, given how many patches have come in all. */
export function stepsUntilPause(count: StepCount, patches: number): number {
  const most = stepsPerPatch * Math.min(patches, mostPatchesCounted);
  return Math.max(0, most - count.sinceLatestPatch);
}
