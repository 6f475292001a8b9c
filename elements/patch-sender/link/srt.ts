// What the way to the server carries, from an SRT socket's counters. SRT's live mode has no congestion
// control of its own, and its bandwidth figure is useless here; what is reliable are bytes sent,
// packets lost and the round trip time.
//
// Congestion is a queue that stands: the round trip is above its floor, all through a while, by more
// than our own bursts (key frames, patches) explain. A queue that our bursts explain is drained by
// itself and says nothing. While a queue stands, what is delivered is what the link carries:
//   sent / (1 + growth of the delay), less what was lost,
// so a drop is answered with a measured rate instead of a guess. Above the last such rate the estimate
// creeps, far from it it runs: it neither swings around a steady link nor sticks at a low rate. When
// most of what was sent did not get through nothing can be measured, since SRT's own repeats fill the
// link and are lost untold: the estimate then comes back from where the queue went, growing.
import type { LinkEstimator, SrtSample } from './estimator.ts';
import { between, delaySlope, lossOf, rateOf, since, sumOf, type Interval } from './srt-history.ts';
import { initialOverhead, mediaSent, mostOverhead, wireSent, type Overhead } from './overhead.ts';

export interface SrtState {
  /** On the wire. */
  readonly rateBps: number;
  /** More is never asked for. */
  readonly mostBps: number;
  /** What was sent when a queue last came. */
  readonly failedBps: number | undefined;
  /** What was delivered when a queue last stood. */
  readonly ceilingBps: number | undefined;
  /** A queue is being emptied that has stood since then. */
  readonly drainingSinceNs: number | undefined;
  /** What has gone through since. */
  readonly carriedBps: number | undefined;
  /** Most was lost since: nothing is known of what the link carries. */
  readonly hasOverflowed: boolean;
  readonly settledNs: number;
  /** Decreases in a row that a standing queue did not answer to. */
  readonly unmoved: number;
  /** The last 20 s. */
  readonly intervals: readonly Interval[];
  readonly burstBits: number;
  readonly last: SrtSample | undefined;
  readonly rttMeasured: boolean;
}

// Found by simulation (test/unit/link-srt.test.ts) and over real SRT (docs/results.md).
const floorWindowNs = 20e9;
/** A queue that stands this long is none of a burst. */
const standingWindowNs = 400e6;
const leastStandingIntervals = 3;
const rateWindowNs = 500e6;
const lossWindowNs = 1e9;
const overflowWindowNs = 300e6;
/** Below the time that a picture takes; long ways jitter more. */
const leastQueueMs = 45;
const queueShareOfFloor = 0.2;
const rttTrailNs = 300e6;
const burstSeconds = 2.5;
/** More than any burst loses. */
const overflowLoss = 0.3;
/** A queue that costs this much is emptied before the rate goes back to what the link carries. */
const drainMs = 100;
const shareOfDelivered = 0.97;
const shareToDrain = 0.65;
/** What a moment says of the link is vague while losses are still being told: steps stay in bounds. */
const mostOfSevere = 0.8;
const mostOfOverflow = 0.42;
const leastOfCarried = 0.5;
const leastOfSevere = 0.5;
const leastOfOverflow = 0.35;
const leastOfMeasure = 0.75;
/** A queue that stood for less was hardly measured. */
const leastMeasureNs = 700e6;
const mostMeasureNs = 1.2e9;
/** One that overflows is measured by its losses, from the first on: they need longer to tell enough. */
const mostOverflowNs = 2e9;
/** While packets are missing libsrt measures no round trip: the time that a packet took is told late. */
const rttSilenceNs = 1e9;
const busyShare = 0.95;
const leastLoss = 0.02;
const shareOfFailed = 0.75;
/** Delay that grows by this share of time. */
const severeSlope = 0.3;
const triesBeforeNewFloor = 4;
/** An encoder follows in 0.5-1 s, and SRT smooths its round trip time. */
const settleNs = 500e6;
const patienceNs = 1.5e9;
/** draft-ietf-rmcat-gcc-02, 6: below a tenth loss is not congestion. */
const congestionLoss = 0.1;
/** Delay falling by this share of time: the queue is being emptied. */
const falling = -0.05;
/** To begin with. */
const startGrowthPerSecond = 0.3;
const mostGrowthPerSecond = 0.3;
/** So long a queue takes to be seen: with the next key frame faster growth would fill 300 ms of it. */
const unseenNs = 1e9;
/** Back to what the link carried a moment ago, or after an overflow from less than it carries. */
const mostRecoveryPerSecond = 0.5;
/** At the ceiling, and for each part that the rate is away from it. */
const ceilingGrowthPerSecond = 0.015;

const growthByDistance = 1.4;
/** What failed is known less well than what was delivered: care close to it only. */
const failedWeight = 2.5;
/** For each second beyond these without congestion: what was full before may have become wider. */
const growthByQuiet = 0.025;
const quietSeconds = 2;
/** A rate far above what was tried lately was never put to the test (as GCC, 5.5, has it). */
const mostUntried = 1.5;
const untriedBps = 50_000;
const triedWindowNs = 5e9;
const leastRateBps = 100_000;
/** What libsrt says before it has measured. */
const unmeasuredRttMs = 100;

export function initialSrt(rateBps: number, mostBps: number): SrtState {
  return {
    rateBps: Math.max(leastRateBps, rateBps),
    mostBps,
    failedBps: undefined,
    ceilingBps: undefined,
    drainingSinceNs: undefined,
    carriedBps: undefined,
    hasOverflowed: false,
    settledNs: 0,
    unmoved: 0,
    intervals: [],
    burstBits: 0,
    last: undefined,
    rttMeasured: false,
  };
}

export function srtSample(state: SrtState, sample: SrtSample): SrtState {
  const { last } = state;
  const rttMeasured = state.rttMeasured || sample.rttMs !== unmeasuredRttMs;
  if (!last || sample.timeNs <= last.timeNs || restarted(last, sample) || !rttMeasured) {
    return { ...state, last: sample, burstBits: 0, rttMeasured };
  }
  const seconds = (sample.timeNs - last.timeNs) / 1e9;
  const sentBits = (sample.bytesSent - last.bytesSent) * 8;
  const recent = since(state.intervals, sample.timeNs - lossWindowNs);
  // A rate that is too high for long is no burst, whatever the estimate.
  const drainBps = Math.max(state.rateBps, rateOf(recent));
  // Nor is what is sent again, and no burst is one for ever.
  const newBits = sentBits - (sample.bytesRetransmitted - last.bytesRetransmitted) * 8;
  const standsBits = state.burstBits * Math.exp(-seconds / burstSeconds);
  const burstBits = Math.max(0, standsBits + newBits - drainBps * seconds);
  const interval = {
    timeNs: sample.timeNs,
    seconds,
    askedBps: state.rateBps,
    sentBits,
    packets: sample.packetsSent - last.packetsSent,
    lostPackets: sample.packetsLost - last.packetsLost,
    rttMs: sample.rttMs,
    burstMs: (burstBits / drainBps) * 1000,
    isSilent:
      sentBits === 0 && sample.packetsLost === last.packetsLost && sample.rttMs === last.rttMs,
  };
  const intervals = [...since(state.intervals, sample.timeNs - floorWindowNs), interval];
  return decide({ ...state, intervals, burstBits, last: sample, rttMeasured });
}

/** A new connection counts from 0. */
function restarted(last: SrtSample, sample: SrtSample): boolean {
  return (
    sample.bytesSent < last.bytesSent ||
    sample.bytesRetransmitted < last.bytesRetransmitted ||
    sample.packetsSent < last.packetsSent ||
    sample.packetsLost < last.packetsLost
  );
}

function decide(state: SrtState): SrtState {
  const now = state.intervals.at(-1);
  if (!now) return state;
  const view = lookAt(state.intervals, now);
  const hasOverflowed =
    view.isOverflow || (state.drainingSinceNs !== undefined && state.hasOverflowed);
  return step({ ...measured(state, now), hasOverflowed }, now, view);
}

/**
 * While a queue stands and more comes than the link carries, it is busy: what goes through is what it
 * carries. After that it may have been idle, whatever the round trip time, which trails behind, says.
 */
function measured(state: SrtState, now: Interval): SrtState {
  const { drainingSinceNs: sinceNs, carriedBps: knownBps } = state;
  if (sinceNs === undefined || now.timeNs - sinceNs < leastMeasureNs) return state;
  const window = since(state.intervals, now.timeNs - rateWindowNs);
  const nowBps = carriedBps(state, sinceNs, now);
  const mayBeIdle = delaySlope(window) < falling || rateOf(window) < busyShare * nowBps;
  if (mayBeIdle && knownBps !== undefined) return state;
  // A round trip time that trails behind hides what has come already; losses show a real drop.
  const isLossless = lossOf(window, since(state.intervals, sinceNs)) < leastLoss;
  return { ...state, carriedBps: isLossless ? Math.max(nowBps, knownBps ?? 0) : nowBps };
}

function step(state: SrtState, now: Interval, view: View): SrtState {
  const { drainingSinceNs } = state;
  const isBurst = view.burstMs > leastQueueMs;
  // While packets are missing the round trip time is an old one: most are lost, so the queue is full.
  const isOverflow = view.isOverflow && !isBurst;
  const { standingMs } = view;
  const isClear = standingMs !== undefined && standingMs < view.mostMs / 2;
  if (drainingSinceNs !== undefined && isClear && !isOverflow) {
    return drained(state, now.timeNs);
  }
  // Losses of a burst that the queue had no room for come without a delay that it does not explain.
  const isCongested =
    isOverflow ||
    view.queueMs > view.mostMs ||
    ((standingMs ?? 0) > view.mostMs &&
      view.loss > (view.queueMs > 0 ? congestionLoss : overflowLoss));
  // A small step back is not waited for when the queue goes on to grow.
  const isNewlySevere = isCongested && isSevere(view) && drainingSinceNs === undefined;
  if (now.timeNs < state.settledNs && !isNewlySevere) return state;
  if (isCongested) {
    // Losses are told late; once no more are, a queue that is being emptied will be.
    const told = since(state.intervals, now.timeNs - rttTrailNs);
    const isLosing = view.loss > congestionLoss && told.some(({ lostPackets }) => lostPackets > 0);
    if (view.slope < falling && !isLosing) return state;
    // An encoder that has yet to follow is waited for, but not for ever; nor where most is lost: what
    // goes through is then the small difference of two large numbers, one of which is vague.
    const isEnough =
      !view.isOverflow &&
      state.carriedBps !== undefined &&
      state.rateBps <= shareOfDelivered * recentlyCarriedBps(state, now, view);
    const waits = isEnough && now.timeNs < state.settledNs + patienceNs;
    return waits ? state : decreased(state, now, view);
  }
  if (view.loss > congestionLoss) {
    return isBurst ? state : decreasedByLoss(state, now.timeNs, view);
  }
  if (drainingSinceNs !== undefined) return state;
  const queuedMs = now.rttMs - view.floorMs;
  // Whether it stands is not known yet: what was tried while it could not be seen is taken back.
  if (queuedMs - now.burstMs > view.mostMs) {
    const triedNs = Math.max(state.settledNs, now.timeNs - unseenNs);
    const asked = since(state.intervals, triedNs).map(({ askedBps }) => askedBps);
    return { ...state, rateBps: Math.min(state.rateBps, ...asked) };
  }
  // Whatever the reason: what is in the queue now leaves less room for what would be asked too much.
  return queuedMs < view.mostMs / 2 ? grown({ ...state, unmoved: 0 }, now) : state;
}

/** What the last moments say. */
interface View {
  readonly floorMs: number;
  /** Least delay above the floor of late; unknown where hardly anything was told. */
  readonly standingMs: number | undefined;
  /** The most that our bursts explain. */
  readonly burstMs: number;
  /** Of it, what our bursts do not explain. */
  readonly queueMs: number;
  /** More than this is congestion. */
  readonly mostMs: number;
  readonly loss: number;
  /** Most of what was sent is lost, be it only of late. */
  readonly isOverflow: boolean;
  readonly slope: number;
  readonly deliveredBps: number;
}

function lookAt(intervals: readonly Interval[], now: Interval): View {
  const floorMs = Math.min(...intervals.map(({ rttMs }) => rttMs));
  const slope = delaySlope(since(intervals, now.timeNs - rateWindowNs));
  // What is told now was sent a round trip ago.
  const toldNs = now.timeNs - now.rttMs * 1e6;
  const sent = between(intervals, toldNs - rateWindowNs, toldNs);
  const lossIn = (windowNs: number): number =>
    lossOf(between(intervals, toldNs - windowNs, toldNs), since(intervals, now.timeNs - windowNs));
  const loss = lossIn(lossWindowNs);
  // A machine that was too busy to send says nothing of the way.
  const window = since(intervals, now.timeNs - standingWindowNs).filter((i) => !i.isSilent);
  const isEnough = window.length >= leastStandingIntervals;
  // The measured time trails what it measures.
  const unexplainedMs = window.map(({ timeNs, rttMs }) => {
    const trailed = between(intervals, timeNs - rttTrailNs, timeNs);
    return rttMs - floorMs - Math.max(...trailed.map(({ burstMs }) => burstMs));
  });
  return {
    floorMs,
    standingMs: isEnough ? Math.min(...window.map(({ rttMs }) => rttMs)) - floorMs : undefined,
    burstMs: Math.max(
      0,
      ...since(intervals, now.timeNs - lossWindowNs).map(({ burstMs }) => burstMs),
    ),
    queueMs: isEnough ? Math.max(0, Math.min(...unexplainedMs)) : 0,
    mostMs: leastQueueMs + queueShareOfFloor * floorMs,
    loss,
    isOverflow: Math.max(loss, lossIn(overflowWindowNs)) > overflowLoss,
    slope,
    deliveredBps: (rateOf(sent) * (1 - loss)) / (1 + Math.max(-0.5, slope)),
  };
}

/**
 * What went through since the queue came: the link was busy as long as it stood. Better than any
 * moment of it, since losses are told late: what was sent a round trip ago has arrived or is told of.
 * Only of late, since the link may have changed again.
 */
function carriedBps({ intervals }: SrtState, queuedNs: number, now: Interval): number {
  const { timeNs } = now;
  // A packet or two that are lost are no overflow yet.
  const lossNs = since(intervals, queuedNs).find(
    ({ lostPackets, packets }) => lostPackets > overflowLoss * packets,
  )?.timeNs;
  const fromNs = Math.min(
    timeNs - leastMeasureNs,
    lossNs === undefined
      ? Math.max(queuedNs, timeNs - mostMeasureNs)
      : Math.max(lossNs, timeNs - mostOverflowNs),
  );
  const near = between(intervals, fromNs - rttTrailNs, fromNs + rttSilenceNs);
  const fromRttMs = Math.max(...near.map(({ rttMs }) => rttMs));
  const sent = between(intervals, fromNs - fromRttMs * 1e6, timeNs - now.rttMs * 1e6);
  const loss = lossOf(sent, since(intervals, fromNs));
  const carriedBits = sumOf(sent, (interval) => interval.sentBits) * (1 - loss);
  return Math.max(leastRateBps, (carriedBits * 1e9) / (timeNs - fromNs));
}

/** As it is now: while the queue is being emptied the best that was measured may be long ago. */
function recentlyCarriedBps(state: SrtState, now: Interval, view: View): number {
  if (state.drainingSinceNs === undefined || state.carriedBps === undefined) {
    return view.deliveredBps;
  }
  return Math.min(state.carriedBps, carriedBps(state, state.drainingSinceNs, now));
}

/** The queue is gone. */
function drained(state: SrtState, nowNs: number): SrtState {
  const settled = {
    ...state,
    drainingSinceNs: undefined,
    carriedBps: undefined,
    settledNs: nowNs,
    unmoved: 0,
  };
  if (state.hasOverflowed) return { ...settled, ceilingBps: undefined };
  // A queue that was gone before it could be measured was of a link nearly wide enough.
  const nearlyBps = shareOfFailed * (state.failedBps ?? 0);
  const ceilingBps = state.carriedBps ?? Math.max(nearlyBps, state.rateBps / shareToDrain);
  const rateBps = within(shareOfDelivered * ceilingBps, leastRateBps, state.mostBps);
  return { ...settled, rateBps, ceilingBps };
}

/** When the delay was last at its floor. */
function lastClearNs({ intervals }: SrtState, { floorMs, mostMs }: View, nowNs: number): number {
  const clear = intervals.findLast(({ rttMs }) => rttMs - floorMs < mostMs / 2);
  return clear?.timeNs ?? nowNs - standingWindowNs;
}

function decreased(state: SrtState, now: Interval, view: View): SrtState {
  const { timeNs } = now;
  const { rateBps, drainingSinceNs } = state;
  // A queue that stays as it is although less is sent than the link carried is not ours: the way has
  // become longer, or others fill it. After a few tries it is part of the floor.
  const isUnmoved = Math.abs(view.slope) <= -falling && view.loss === 0;
  const unmoved = isUnmoved ? state.unmoved + 1 : 0;
  if (unmoved >= triesBeforeNewFloor) {
    const intervals = since(state.intervals, timeNs - standingWindowNs);
    return { ...state, intervals, unmoved: 0, drainingSinceNs: undefined, carriedBps: undefined };
  }
  // In an overflow what comes of it is told a full queue later.
  const toldLaterNs = view.isOverflow ? now.rttMs * 1e6 : 0;
  const settledNs = timeNs + settleNs + toldLaterNs;
  const sentBps = rateOf(since(state.intervals, timeNs - lossWindowNs));
  const failedBps = drainingSinceNs === undefined ? Math.min(rateBps, sentBps) : state.failedBps;
  if (!isSevere(view) && drainingSinceNs === undefined) {
    const ceilingBps = within(view.deliveredBps, leastOfMeasure * rateBps, rateBps);
    const nextBps = Math.max(leastRateBps, shareOfDelivered * ceilingBps);
    return { ...state, rateBps: nextBps, failedBps, ceilingBps, settledNs, unmoved };
  }
  const sinceNs = drainingSinceNs ?? lastClearNs(state, view, timeNs);
  const measuredBps = recentlyCarriedBps(state, now, view);
  const nextBps = within(
    shareToDrain * measuredBps,
    // Less than half of what went through would only lose time.
    Math.min(
      mostOfOverflow * rateBps,
      Math.max(
        (view.isOverflow ? leastOfOverflow : leastOfSevere) * rateBps,
        leastOfCarried * (state.carriedBps ?? 0),
      ),
    ),
    (view.isOverflow ? mostOfOverflow : mostOfSevere) * rateBps,
  );
  return {
    ...state,
    rateBps: Math.max(leastRateBps, nextBps),
    failedBps,
    drainingSinceNs: sinceNs,
    settledNs,
    unmoved,
  };
}

function isSevere({ queueMs, slope, loss }: View): boolean {
  return queueMs > drainMs || slope > severeSlope || loss > congestionLoss;
}

/** Loss without a queue: a short buffer, or a bad way (draft-ietf-rmcat-gcc-02, 6). */
function decreasedByLoss(state: SrtState, timeNs: number, { loss }: View): SrtState {
  const rateBps = Math.max(leastRateBps, state.rateBps * (1 - loss / 2));
  return { ...state, rateBps, ceilingBps: state.rateBps, settledNs: timeNs + lossWindowNs };
}

function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

/** Careful where the link was full before, by either measure; fast elsewhere. */
function growthPerSecond(state: SrtState, nowNs: number): number {
  const { rateBps, ceilingBps, failedBps, settledNs } = state;
  if (ceilingBps === undefined) {
    return failedBps === undefined ? startGrowthPerSecond : mostRecoveryPerSecond;
  }
  const toCeiling = Math.abs(rateBps / ceilingBps - 1);
  const toFailed = failedBps === undefined ? Infinity : Math.abs(rateBps / failedBps - 1);
  return Math.min(
    rateBps < ceilingBps ? mostRecoveryPerSecond : mostGrowthPerSecond,
    ceilingGrowthPerSecond +
      growthByQuiet * Math.max(0, (nowNs - settledNs) / 1e9 - quietSeconds) +
      growthByDistance * Math.min(toCeiling, failedWeight * toFailed),
  );
}

function grown(state: SrtState, now: Interval): SrtState {
  const { rateBps } = state;
  const tried = since(state.intervals, now.timeNs - triedWindowNs);
  const triedBps = Math.max(rateOf(tried), rateOf(since(tried, now.timeNs - lossWindowNs)));
  const mostBps = Math.max(rateBps, mostUntried * triedBps + untriedBps);
  return {
    ...state,
    rateBps: Math.min(
      state.mostBps,
      mostBps,
      rateBps * (1 + growthPerSecond(state, now.timeNs) * now.seconds),
    ),
  };
}

/** `mostBps`: of video and patches together; growth ends there. */
export function srtEstimator(firstBps: number, mostBps: number): LinkEstimator {
  let overhead: Overhead = initialOverhead;
  let state = initialSrt(firstBps * overhead.ratio, mostBps * mostOverhead);
  return {
    handle: (event) => {
      if (event.kind === 'media') {
        overhead = mediaSent(overhead, event.bytes);
      } else if (event.kind === 'srt') {
        const { last } = state;
        const unique = ({ bytesSent, bytesRetransmitted }: SrtSample): number =>
          bytesSent - bytesRetransmitted;
        if (last) {
          const sent = Math.max(0, unique(event) - unique(last));
          overhead = wireSent(overhead, sent, event.timeNs);
        }
        state = srtSample(state, event);
      }
    },
    estimateBps: () => state.rateBps / overhead.ratio,
    paceBps: () => state.rateBps,
  };
}
