// How fast the delay grows: the slope of a line through the smoothed, accumulated delay variations of
// the last groups. Takes the place of the Kalman filter of draft-ietf-rmcat-gcc-02, 5.3; constants are
// those of WebRTC's trendline estimator.
import type { Variation } from './groups.ts';

interface Point {
  readonly arrivedMs: number;
  readonly delayMs: number;
}

export interface Trendline {
  readonly firstArrivedNs: number | undefined;
  readonly accumulatedMs: number;
  readonly smoothedMs: number;
  readonly points: readonly Point[];
  readonly variations: number;
}

export const noTrend: Trendline = {
  firstArrivedNs: undefined,
  accumulatedMs: 0,
  smoothedMs: 0,
  points: [],
  variations: 0,
};

const windowGroups = 20;
const smoothing = 0.9;
const gain = 4;
/** More variations than this make the slope no surer. */
const mostVariations = 60;

export function addVariation(trend: Trendline, variation: Variation): Trendline {
  const { firstArrivedNs = variation.arrivedNs } = trend;
  const accumulatedMs = trend.accumulatedMs + variation.delayMs;
  const smoothedMs = smoothing * trend.smoothedMs + (1 - smoothing) * accumulatedMs;
  const point = { arrivedMs: (variation.arrivedNs - firstArrivedNs) / 1e6, delayMs: smoothedMs };
  return {
    firstArrivedNs,
    accumulatedMs,
    smoothedMs,
    points: [...trend.points, point].slice(-windowGroups),
    variations: Math.min(mostVariations, trend.variations + 1),
  };
}

/** What the detector compares with its threshold, ms; 0 until the window is full. */
export function modifiedTrendMs(trend: Trendline): number {
  if (trend.points.length < windowGroups) return 0;
  return slope(trend.points) * trend.variations * gain;
}

function slope(points: readonly Point[]): number {
  const n = points.length;
  const meanArrived = points.reduce((sum, { arrivedMs }) => sum + arrivedMs, 0) / n;
  const meanDelay = points.reduce((sum, { delayMs }) => sum + delayMs, 0) / n;
  let covariance = 0;
  let variance = 0;
  for (const { arrivedMs, delayMs } of points) {
    covariance += (arrivedMs - meanArrived) * (delayMs - meanDelay);
    variance += (arrivedMs - meanArrived) ** 2;
  }
  return variance > 0 ? covariance / variance : 0;
}
