// Google congestion control on transport-wide feedback, at the sender: groups of packets, the trend of
// their delay, the overuse detector, the rate that follows, and the rate that losses allow; the lower
// one counts (draft-ietf-rmcat-gcc-02).
import type { LinkEstimator, PacketReport, TwccReport } from '../estimator.ts';
import { initialOverhead, mediaSent, mostOverhead, wireSent, type Overhead } from '../overhead.ts';
import { addPacket, noGroups, type Groups } from './groups.ts';
import { decreaseAbove, lossRate } from './loss.ts';
import { detect, initialDetector, type Detector, type Signal } from './overuse.ts';
import { initialDelayRate, updateRate, type DelayRate } from './rate.ts';
import { addVariation, modifiedTrendMs, noTrend, type Trendline } from './trendline.ts';

interface Outcome {
  /** Sent, of the local clock; losses are put in line with it. */
  readonly sentNs: number;
  readonly arrivedNs: number | null;
  readonly bytes: number;
}

export interface GccState {
  readonly groups: Groups;
  readonly trend: Trendline;
  readonly detector: Detector;
  readonly delay: DelayRate;
  readonly lossBps: number;
  readonly lossUpdatedNs: number | undefined;
  readonly outcomes: readonly Outcome[];
  readonly lastSequence: number | undefined;
  readonly mostBps: number;
}

const receivedWindowNs = 500e6;
const lossWindowNs = 1e9;
const lossIntervalNs = 1e9;

export function initialGcc(rateBps: number, mostBps: number): GccState {
  return {
    groups: noGroups,
    trend: noTrend,
    detector: initialDetector,
    delay: initialDelayRate(rateBps),
    lossBps: mostBps,
    lossUpdatedNs: undefined,
    outcomes: [],
    lastSequence: undefined,
    mostBps,
  };
}

export function gccRateBps(state: GccState): number {
  return Math.min(state.delay.rateBps, state.lossBps);
}

function arrived(packet: PacketReport): packet is PacketReport & { readonly arrivedNs: number } {
  return packet.arrivedNs !== null;
}

export function twccReport(state: GccState, report: TwccReport): GccState {
  const packets = report.packets.filter(({ sequence }) => isNewer(sequence, state.lastSequence));
  const last = packets.at(-1);
  if (!last) return state;
  let { groups, trend, detector } = state;
  let signal: Signal = detector.signal;
  for (const packet of packets.filter(arrived)) {
    const added = addPacket(groups, packet);
    ({ groups } = added);
    if (!added.variation) continue;
    trend = addVariation(trend, added.variation);
    detector = detect(detector, modifiedTrendMs(trend), added.variation.arrivedNs / 1e6);
    // One overuse within a report is enough: the table's next step comes with the next report.
    signal = signal === 'overuse' ? signal : detector.signal;
  }
  const outcomes = [...state.outcomes, ...packets].filter(
    ({ sentNs }) => sentNs > last.sentNs - lossWindowNs,
  );
  const delay = updateRate(state.delay, {
    nowMs: report.timeNs / 1e6,
    signal,
    receivedBps: receivedBps(outcomes),
    rttMs: Math.max(0, (report.timeNs - last.sentNs) / 1e6),
    mostBps: state.mostBps,
  });
  const next = { ...state, groups, trend, detector: { ...detector, signal: after(signal) } };
  return withLoss({ ...next, delay, outcomes, lastSequence: last.sequence }, report.timeNs);
}

/** An overuse that was acted upon is over until the detector says so again. */
function after(signal: Signal): Signal {
  return signal === 'overuse' ? 'normal' : signal;
}

function withLoss(state: GccState, timeNs: number): GccState {
  const { lossUpdatedNs = timeNs } = state;
  if (timeNs - lossUpdatedNs < lossIntervalNs) return { ...state, lossUpdatedNs };
  const lost = state.outcomes.filter(({ arrivedNs }) => arrivedNs === null).length;
  const share = lost / Math.max(1, state.outcomes.length);
  // A loss takes from what is really sent; its bound then rises by itself (6).
  const fromBps = share > decreaseAbove ? gccRateBps(state) : state.lossBps;
  const lossBps = Math.min(state.mostBps, lossRate(fromBps, share));
  return { ...state, lossBps, lossUpdatedNs: timeNs };
}

function receivedBps(outcomes: readonly Outcome[]): number {
  const times = outcomes.flatMap(({ arrivedNs }) => (arrivedNs === null ? [] : [arrivedNs]));
  const lastNs = Math.max(...times);
  const window = outcomes.filter(
    ({ arrivedNs }) => arrivedNs !== null && arrivedNs > lastNs - receivedWindowNs,
  );
  const bits = window.reduce((sum, { bytes }) => sum + bytes * 8, 0);
  return (bits * 1e9) / receivedWindowNs;
}

/** 16-bit sequence numbers, by the shorter way round. */
function isNewer(sequence: number, last: number | undefined): boolean {
  if (last === undefined) return true;
  const ahead = (sequence - last) & 0xffff;
  return ahead > 0 && ahead < 0x8000;
}

export function gccEstimator(firstBps: number, mostBps: number): LinkEstimator {
  let overhead: Overhead = initialOverhead;
  let state = initialGcc(firstBps * overhead.ratio, mostBps * mostOverhead);
  return {
    handle: (event) => {
      if (event.kind === 'media') {
        overhead = mediaSent(overhead, event.bytes);
      } else if (event.kind === 'twcc') {
        const before = state.lastSequence;
        const bytes = event.packets
          .filter(({ sequence }) => isNewer(sequence, before))
          .reduce((sum, packet) => sum + packet.bytes, 0);
        overhead = wireSent(overhead, bytes, event.timeNs);
        state = twccReport(state, event);
      }
    },
    estimateBps: () => gccRateBps(state) / overhead.ratio,
  };
}
