// The rate that the delay allows: the draft's state machine, and its increase and decrease
// (draft-ietf-rmcat-gcc-02, 5.5).
import type { Signal } from './overuse.ts';

export type RateState = 'increase' | 'hold' | 'decrease';

/** The draft's table: state by signal. */
const transitions: Readonly<Record<Signal, Readonly<Record<RateState, RateState>>>> = {
  overuse: { hold: 'decrease', increase: 'decrease', decrease: 'decrease' },
  normal: { hold: 'increase', increase: 'increase', decrease: 'hold' },
  underuse: { hold: 'hold', increase: 'hold', decrease: 'hold' },
};

export function nextState(state: RateState, signal: Signal): RateState {
  return transitions[signal][state];
}

export interface DelayRate {
  readonly rateBps: number;
  readonly state: RateState;
  readonly updatedMs: number | undefined;
  /** What was received when a decrease came: its average, and the spread relative to it. */
  readonly decreaseMeanBps: number | undefined;
  readonly decreaseVariance: number;
}

export interface RateInput {
  readonly nowMs: number;
  readonly signal: Signal;
  /** What the receiver got over the last half second. */
  readonly receivedBps: number;
  readonly rttMs: number;
  readonly mostBps: number;
}

/** The draft's eta and beta. */
const growthPerSecond = 0.08;
export const decreaseFactor = 0.85;
const leastRateBps = 50_000;
/** The estimate must not run away from what is really sent. */
const mostOfReceived = 1.5;
const aboveReceivedBps = 10_000;
const weightOfDecrease = 0.05;
/** WebRTC's bounds of the spread, relative to the mean (of kbit/s). */
const firstVariance = 0.4;
const leastVariance = 0.4;
const mostVariance = 2.5;
const packetBits = 1200 * 8;
const leastAdditiveBps = 4000;

export function initialDelayRate(rateBps: number): DelayRate {
  return {
    rateBps,
    state: 'hold',
    updatedMs: undefined,
    decreaseMeanBps: undefined,
    decreaseVariance: firstVariance,
  };
}

export function updateRate(rate: DelayRate, input: RateInput): DelayRate {
  const state = nextState(rate.state, input.signal);
  const seconds = Math.min(1, Math.max(0, input.nowMs - (rate.updatedMs ?? input.nowMs)) / 1000);
  const next = { ...rate, state, updatedMs: input.nowMs };
  if (state === 'increase') return increased(next, input, seconds);
  if (state === 'decrease') return decreased(next, input);
  return next;
}

function increased(rate: DelayRate, input: RateInput, seconds: number): DelayRate {
  // Far above where the link was full before: it has changed, and nothing is known of it.
  const mean =
    rate.decreaseMeanBps !== undefined && input.receivedBps > upperBound(rate)
      ? undefined
      : rate.decreaseMeanBps;
  const grownBps =
    mean === undefined
      ? rate.rateBps * (1 + growthPerSecond) ** seconds
      : rate.rateBps + additiveBpsPerSecond(rate.rateBps, input.rttMs) * seconds;
  const allowedBps = mostOfReceived * input.receivedBps + aboveReceivedBps;
  const rateBps = Math.max(rate.rateBps, Math.min(grownBps, allowedBps));
  return { ...rate, rateBps: Math.min(rateBps, input.mostBps), decreaseMeanBps: mean };
}

/** About one packet a response time, near where the link was full (5.5). */
function additiveBpsPerSecond(rateBps: number, rttMs: number): number {
  const frameBits = rateBps / 30;
  const packets = Math.ceil(frameBits / packetBits);
  const responseSeconds = (100 + rttMs) / 1000;
  return Math.max(leastAdditiveBps, frameBits / packets / responseSeconds);
}

function decreased(rate: DelayRate, { receivedBps }: RateInput): DelayRate {
  const lower = Math.max(leastRateBps, decreaseFactor * receivedBps);
  const before = rate.decreaseMeanBps;
  const isBelow = before !== undefined && receivedBps < lowerBound(rate);
  const meanBps =
    before === undefined || isBelow
      ? receivedBps
      : before + weightOfDecrease * (receivedBps - before);
  const errorKbps = (meanBps - receivedBps) / 1000;
  const variance =
    (1 - weightOfDecrease) * rate.decreaseVariance +
    weightOfDecrease * (errorKbps ** 2 / Math.max(1, meanBps / 1000));
  return {
    ...rate,
    rateBps: Math.min(rate.rateBps, lower),
    // 5.5: the decrease takes hold at once; the table leads to hold with the next normal signal.
    decreaseMeanBps: meanBps,
    decreaseVariance: Math.min(mostVariance, Math.max(leastVariance, variance)),
  };
}

function deviationBps({ decreaseMeanBps = 0, decreaseVariance }: DelayRate): number {
  return Math.sqrt(decreaseVariance * (decreaseMeanBps / 1000)) * 1000;
}

/** Three standard deviations (5.5). */
function upperBound(rate: DelayRate): number {
  return (rate.decreaseMeanBps ?? 0) + 3 * deviationBps(rate);
}

function lowerBound(rate: DelayRate): number {
  return (rate.decreaseMeanBps ?? 0) - 3 * deviationBps(rate);
}
