// What an SRT socket did, as a row of intervals, and what can be read from it. Pure.

/**
 * Packets lost for each that libsrt reports: it reports some again before they can have come again, and
 * in a storm, when repeats are lost as well, not all.
 */
const lostPerReport = { few: 0.85, storm: 0.95 };
/** Share of packets that is a storm. */
const stormReports = 0.7;
/** Fewer packets say nothing of loss. */
const leastPacketsForLoss = 20;

/** Time between two samples of the socket. */
export interface Interval {
  readonly timeNs: number;
  readonly seconds: number;
  /** The estimate of that time. */
  readonly askedBps: number;
  readonly sentBits: number;
  readonly packets: number;
  readonly lostPackets: number;
  readonly rttMs: number;
  /** Of rttMs, what a link of the estimated rate would have made of our bursts. */
  readonly burstMs: number;
  /** Nothing was sent and nothing told: the round trip time is the one before. */
  readonly isSilent: boolean;
}

export function since(intervals: readonly Interval[], timeNs: number): readonly Interval[] {
  const first = intervals.findIndex((interval) => interval.timeNs > timeNs);
  return first < 0 ? [] : intervals.slice(first);
}

export function between(
  intervals: readonly Interval[],
  fromNs: number,
  toNs: number,
): readonly Interval[] {
  return intervals.filter(({ timeNs }) => timeNs > fromNs && timeNs <= toNs);
}

export function sumOf(
  intervals: readonly Interval[],
  value: (interval: Interval) => number,
): number {
  return intervals.reduce((sum, interval) => sum + value(interval), 0);
}

export function rateOf(intervals: readonly Interval[]): number {
  const seconds = sumOf(intervals, (interval) => interval.seconds);
  return seconds > 0 ? sumOf(intervals, (interval) => interval.sentBits) / seconds : 0;
}

/** Of the packets in `sent`, as far as `told` knows. */
export function lossOf(sent: readonly Interval[], told: readonly Interval[]): number {
  const packets = sumOf(sent, (interval) => interval.packets);
  const lost = sumOf(told, (interval) => interval.lostPackets);
  const reports = lost / Math.max(packets, leastPacketsForLoss);
  const { few, storm } = lostPerReport;
  return Math.min(1, reports * (few + (storm - few) * Math.min(1, reports / stormReports)));
}

/** Growth of the delay per time, by least squares: 0.5 when half a second of queue comes a second. */
export function delaySlope(intervals: readonly Interval[]): number {
  const n = intervals.length;
  if (n < 2) return 0;
  const meanMs = sumOf(intervals, ({ timeNs }) => timeNs / 1e6) / n;
  const meanRttMs = sumOf(intervals, ({ rttMs }) => rttMs) / n;
  const covariance = sumOf(
    intervals,
    ({ timeNs, rttMs }) => (timeNs / 1e6 - meanMs) * (rttMs - meanRttMs),
  );
  const variance = sumOf(intervals, ({ timeNs }) => (timeNs / 1e6 - meanMs) ** 2);
  return variance > 0 ? covariance / variance : 0;
}
