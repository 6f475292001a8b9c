// Packets sent together, and how much longer the later group took than the earlier one
// (draft-ietf-rmcat-gcc-02, 5.1 and 5.2).
import type { PacketReport } from '../estimator.ts';

export interface Group {
  readonly firstSentNs: number;
  readonly lastSentNs: number;
  readonly lastArrivedNs: number;
}

export interface Groups {
  readonly before: Group | undefined;
  readonly current: Group | undefined;
}

/** Inter-group delay variation: d(i) = t(i) - t(i-1) - (T(i) - T(i-1)). */
export interface Variation {
  readonly arrivedNs: number;
  readonly delayMs: number;
}

export const noGroups: Groups = { before: undefined, current: undefined };

/** Packets sent within a burst of this length are one group. */
const burstNs = 5e6;
/** A feed that stood still this long starts afresh: its delays say nothing of the link. */
const mostGapNs = 3e9;

/** With the next packet that arrived; a variation when it begins the group after the next. */
export function addPacket(
  groups: Groups,
  packet: PacketReport & { readonly arrivedNs: number },
): { readonly groups: Groups; readonly variation: Variation | undefined } {
  const { before, current } = groups;
  const { sentNs, arrivedNs } = packet;
  const fresh = { firstSentNs: sentNs, lastSentNs: sentNs, lastArrivedNs: arrivedNs };
  if (!current || Math.abs(arrivedNs - current.lastArrivedNs) > mostGapNs) {
    return { groups: { before: undefined, current: fresh }, variation: undefined };
  }
  // Reordered: of a group that is complete.
  if (sentNs < current.firstSentNs) return { groups, variation: undefined };
  if (belongs(current, sentNs, arrivedNs)) {
    const grown = {
      ...current,
      lastSentNs: Math.max(current.lastSentNs, sentNs),
      lastArrivedNs: Math.max(current.lastArrivedNs, arrivedNs),
    };
    return { groups: { before, current: grown }, variation: undefined };
  }
  const variation = before && {
    arrivedNs: current.lastArrivedNs,
    delayMs:
      (current.lastArrivedNs - before.lastArrivedNs - (current.lastSentNs - before.lastSentNs)) /
      1e6,
  };
  return { groups: { before: current, current: fresh }, variation };
}

/** Sent in the same burst, or held up on the way and let go together with it (5.2). */
function belongs(group: Group, sentNs: number, arrivedNs: number): boolean {
  if (sentNs - group.firstSentNs <= burstNs) return true;
  const betweenArrivalsNs = arrivedNs - group.lastArrivedNs;
  const betweenSendsNs = sentNs - group.lastSentNs;
  return betweenArrivalsNs <= burstNs && betweenArrivalsNs - betweenSendsNs < 0;
}
