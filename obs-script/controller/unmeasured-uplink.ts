// What the uplink carries where the transport does not say it: all that OBS sends by itself, and what the
// relay sends by RTMP. The cap is the capacity until something says that it is not: OBS reports
// congestion (on RTMP some five seconds late, on SRT never) and drops frames when its own buffer is
// full, the relay sees what waits in front of the network, and the server reports every five seconds
// what has arrived.

/** Of the server's reports (docs/protocol.md). */
const epochMs = 5000;

/** The estimate at one time. */
export interface UplinkEstimate {
  readonly capacityBps: number;
  readonly loweredAtMs: number;
  readonly risenAtMs: number;
}

/** What is seen of the stream, about once a second. */
interface Sight {
  readonly nowMs: number;
  readonly capBps: number;
  /** 0 to 1. */
  readonly congestion: number;
  /** Since the sight before, because they could not be sent. */
  readonly droppedFrames: number;
  /** Of what is sent, audio: the server counts none. */
  readonly audioBps: number;
  /** Of video and patches, as the server reported since the sight before; null: it has not. */
  readonly goodputBps: number | null;
}

export interface UplinkObservation extends Sight {
  /** In the last epoch. */
  readonly sentBps: number;
  /** The lowest rate of an epoch that the server's report may be of; null: not known yet. */
  readonly lowestSentBps: number | null;
}

/** What has gone out up to a time. */
export interface SentUpTo {
  readonly atMs: number;
  readonly bytes: number;
}

const congested = 0.25;
/** Share of what was sent that arrives: less is loss, and not containers, which only the sender counts. */
const lost = 0.85;
const lowering = 0.9;
/** The encoder, and the queue that has built up, need so long to follow. */
const settleMs = 4000;
const quietMs = 10_000;
const riseEveryMs = 2000;
const rise = 1.04;
const lowestBps = 100_000;

export const initialEstimate = (capBps: number, nowMs: number): UplinkEstimate => ({
  capacityBps: capBps,
  loweredAtMs: -Infinity,
  risenAtMs: nowMs,
});

/**
 * The lowest bit rate in any epoch of the last two. A report of the server is of an epoch that ended at
 * an unknown time within the last one, so only less than this is a loss. Null before there are two.
 */
export function lowestSentBps(sent: readonly SentUpTo[]): number | null {
  let lowest: number | null = null;
  let first = 0;
  for (const end of sent) {
    while ((sent[first + 1]?.atMs ?? Infinity) <= end.atMs - epochMs) first++;
    const start = sent[first];
    if (!start || start.atMs > end.atMs - epochMs) continue;
    lowest = Math.min(lowest ?? Infinity, rateBetween(start, end));
  }
  const [oldest] = sent;
  const newest = sent.at(-1);
  return oldest && newest && newest.atMs - oldest.atMs >= 2 * epochMs ? lowest : null;
}

export function observe(estimate: UplinkEstimate, seen: UplinkObservation): UplinkEstimate {
  const { nowMs, capBps, sentBps, audioBps, goodputBps } = seen;
  const capacityBps = Math.min(estimate.capacityBps, capBps);
  const isShort =
    goodputBps !== null &&
    seen.lowestSentBps !== null &&
    goodputBps < lost * (seen.lowestSentBps - audioBps);
  const isBad = seen.congestion > congested || seen.droppedFrames > 0 || isShort;
  if (isBad) {
    if (nowMs - estimate.loweredAtMs < settleMs) return { ...estimate, capacityBps };
    // What went through while it was too much is what the uplink carries.
    const through = isShort ? goodputBps + audioBps : Math.min(sentBps, capacityBps);
    const next = Math.max(Math.min(lowestBps, capBps), lowering * Math.min(through, capacityBps));
    return { capacityBps: next, loweredAtMs: nowMs, risenAtMs: nowMs };
  }
  const mayRise =
    nowMs - estimate.loweredAtMs >= quietMs && nowMs - estimate.risenAtMs >= riseEveryMs;
  if (!mayRise || capacityBps >= capBps) return { ...estimate, capacityBps };
  return { ...estimate, capacityBps: Math.min(capBps, capacityBps * rise), risenAtMs: nowMs };
}

const rateBetween = (start: SentUpTo, end: SentUpTo): number =>
  (Math.max(0, end.bytes - start.bytes) * 8000) / (end.atMs - start.atMs);

/** The estimate of one stream as it goes on. */
export class UnmeasuredUplink {
  #estimate: UplinkEstimate;
  readonly #sent: SentUpTo[] = [];

  constructor(capBps: number, nowMs: number) {
    this.#estimate = initialEstimate(capBps, nowMs);
  }

  get capacityBps(): number {
    return this.#estimate.capacityBps;
  }

  /** For video and patches: what audio leaves, and half of it in any case. */
  pictureBps(audioBps: number): number {
    return pictureBps(this.capacityBps, audioBps);
  }

  /** sentBytes: since the stream began, all of it. */
  see(sight: Sight, sentBytes: number): void {
    const now = { atMs: sight.nowMs, bytes: sentBytes };
    const sent = this.#sent;
    sent.push(now);
    while ((sent[1]?.atMs ?? now.atMs) <= now.atMs - 2 * epochMs) sent.shift();
    const first = sent.find(({ atMs }) => atMs >= now.atMs - epochMs - 500);
    if (!first || now.atMs - first.atMs < epochMs / 2) return;
    const sentBps = rateBetween(first, now);
    const observation = { ...sight, sentBps, lowestSentBps: lowestSentBps(sent) };
    this.#estimate = observe(this.#estimate, observation);
  }
}

export const pictureBps = (uplinkBps: number, audioBps: number): number =>
  Math.round(Math.max(uplinkBps / 2, uplinkBps - audioBps));
