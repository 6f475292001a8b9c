// Whether the link is used too much: the trend against a threshold that adapts
// (draft-ietf-rmcat-gcc-02, 5.4).

export type Signal = 'overuse' | 'normal' | 'underuse';

export interface Detector {
  readonly thresholdMs: number;
  readonly updatedMs: number | undefined;
  /** For how long the trend has been above the threshold. */
  readonly overMs: number | undefined;
  readonly overCount: number;
  readonly trendMs: number;
  readonly signal: Signal;
}

/** 5.4 and the draft's table of constants: del_var_th(0), K_u, K_d, overuse_time_th. */
export const firstThresholdMs = 12.5;
const riseFactor = 0.01;
const fallFactor = 0.00018;
const overuseMs = 10;
const leastThresholdMs = 6;
const mostThresholdMs = 600;
/** Spikes beyond it are not followed. */
const mostStepMs = 15;
const mostElapsedMs = 100;

export const initialDetector: Detector = {
  thresholdMs: firstThresholdMs,
  updatedMs: undefined,
  overMs: undefined,
  overCount: 0,
  trendMs: 0,
  signal: 'normal',
};

/** `trendMs`: modified trend at the arrival time `nowMs`. */
export function detect(detector: Detector, trendMs: number, nowMs: number): Detector {
  const elapsedMs = Math.max(0, nowMs - (detector.updatedMs ?? nowMs));
  let { overMs, overCount, signal } = detector;
  if (trendMs > detector.thresholdMs) {
    // Half an interval on average has passed above it when the first is seen.
    overMs = overMs === undefined ? elapsedMs / 2 : overMs + elapsedMs;
    overCount++;
    if (overMs > overuseMs && overCount > 1 && trendMs >= detector.trendMs) {
      signal = 'overuse';
      overMs = 0;
      overCount = 0;
    }
  } else {
    overMs = undefined;
    overCount = 0;
    signal = trendMs < -detector.thresholdMs ? 'underuse' : 'normal';
  }
  const thresholdMs = adapted(detector.thresholdMs, trendMs, elapsedMs);
  return { thresholdMs, updatedMs: nowMs, overMs, overCount, trendMs, signal };
}

function adapted(thresholdMs: number, trendMs: number, elapsedMs: number): number {
  const aboveMs = Math.abs(trendMs) - thresholdMs;
  if (aboveMs > mostStepMs) return thresholdMs;
  const factor = aboveMs < 0 ? fallFactor : riseFactor;
  const next = thresholdMs + factor * aboveMs * Math.min(elapsedMs, mostElapsedMs);
  return Math.min(mostThresholdMs, Math.max(leastThresholdMs, next));
}
