// What the uplink carries when OBS streams straight to the server: nobody measures it, so the cap is the
// capacity until OBS or the server says that it is not. OBS tells of congestion some five seconds late
// (RTMP) or never (SRT), and it drops frames when its own buffer is full; the server tells every five
// seconds what has arrived. Pure.

export interface DirectUplink {
  readonly capacityBps: number;
  readonly loweredAtMs: number;
  readonly risenAtMs: number;
}

/** Since the observation before, a second or so. */
export interface DirectObservation {
  readonly nowMs: number;
  readonly capBps: number;
  /** OBS's own figure, 0 to 1. */
  readonly congestion: number;
  /** That OBS could not send. */
  readonly droppedFrames: number;
  /** Out of OBS and as patches. */
  readonly sentBps: number;
  /** As the server said last, if it was within this second; null: it has not. */
  readonly goodputBps: number | null;
}

const congested = 0.25;
/** Of what went out, that arrived: less is loss and not the edges of an epoch. */
const lost = 0.85;
const lowering = 0.9;
/** The encoder, and the queue that has built up, need so long to follow. */
const settleMs = 4000;
const quietMs = 10_000;
const riseEveryMs = 2000;
const rise = 1.04;
const leastBps = 100_000;

export const initialDirectUplink = (capBps: number, nowMs: number): DirectUplink => ({
  capacityBps: capBps,
  loweredAtMs: -Infinity,
  risenAtMs: nowMs,
});

export function observe(uplink: DirectUplink, seen: DirectObservation): DirectUplink {
  const { nowMs, capBps, sentBps, goodputBps } = seen;
  const capacityBps = Math.min(uplink.capacityBps, capBps);
  const isShort = goodputBps !== null && goodputBps < lost * sentBps;
  const isBad = seen.congestion > congested || seen.droppedFrames > 0 || isShort;
  if (isBad) {
    if (nowMs - uplink.loweredAtMs < settleMs) return { ...uplink, capacityBps };
    // What went through while it was too much is what the way carries.
    const through = isShort ? goodputBps : Math.min(sentBps, capacityBps);
    const next = Math.max(Math.min(leastBps, capBps), lowering * Math.min(through, capacityBps));
    return { capacityBps: next, loweredAtMs: nowMs, risenAtMs: nowMs };
  }
  const mayRise = nowMs - uplink.loweredAtMs >= quietMs && nowMs - uplink.risenAtMs >= riseEveryMs;
  if (!mayRise || capacityBps >= capBps) return { ...uplink, capacityBps };
  return { ...uplink, capacityBps: Math.min(capBps, capacityBps * rise), risenAtMs: nowMs };
}
