// How fast and how long training runs: pure functions of media time and of the patches that came.

/** FIELD-NOTES quality 4: 3e-4 holds with 10 and more patches a second, 1e-4 with few. */
const fewPatchesPerSecond = 2;
const manyPatchesPerSecond = 10;
const rateWithFew = 1e-4;
const rateWithMany = 3e-4;

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

export function patchesPerSecond(arrivalsNs: readonly number[], nowNs: number): number {
  const first = arrivalsNs[0];
  if (first === undefined) return 0;
  const spanNs = Math.min(rateWindowNs, Math.max(1e9, nowNs - first));
  return arrivalsNs.filter((t) => t > nowNs - rateWindowNs).length / (spanNs / 1e9);
}

/** Steps that new patches entitle to: with nothing new, more steps only learn the pool by heart. */
export const stepsPerPatch = 800;

/** LiveNAS 6: an epoch is five seconds. */
export const epochNs = 5e9;
