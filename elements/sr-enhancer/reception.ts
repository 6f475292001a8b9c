// How much of the stream arrives: from the counters at two ticks to what senders are told.
import type { EnhancerTick } from '../channel/messages.ts';

export interface Reception {
  /** Of video and patches, bit/s; null where the video's bytes are unknown. */
  readonly goodputBps: number | null;
  /** Share of the patch packets that did not come; null when none was due. */
  readonly packetLoss: number | null;
}

export const nothingReceived: Reception = { goodputBps: null, packetLoss: null };

/** Counters that have fallen are those of a stream that began anew. */
export function receptionBetween(before: EnhancerTick, now: EnhancerTick): Reception {
  const seconds = (now.mediaTimeNs - before.mediaTimeNs) / 1e9;
  const packets = now.packets - before.packets;
  if (seconds <= 0 || packets < 0) return nothingReceived;
  const { videoBytes: videoNow } = now;
  const { videoBytes: videoBefore } = before;
  const videoBytes = videoNow === null || videoBefore === null ? -1 : videoNow - videoBefore;
  const bytes = videoBytes + now.patchBytes - before.patchBytes;
  // A packet that came late takes its loss back.
  const lost = Math.max(0, now.packetsLost - before.packetsLost);
  return {
    goodputBps: videoBytes < 0 ? null : (bytes * 8) / seconds,
    packetLoss: packets + lost > 0 ? lost / (packets + lost) : null,
  };
}
