// Patch packets that come over the feedback channel, from senders whose stream cannot carry them: what
// of them is let through to the element, which reads them as it reads those of the stream. Pure.

/** Of a patch packet (docs/protocol.md): MPEG-TS sets its size, here too. */
export const mostPacketBytes = 65_000;
/** Label, length and header: an announcement of the sizes. */
const leastPacketBytes = 44;
const label = Uint8Array.from([
  6, 0x0e, 0x2b, 0x34, 1, 1, 1, 1, 0x0f, 0, 108, 105, 118, 101, 115, 114,
]);

export function isPacket(bytes: Uint8Array): boolean {
  return (
    bytes.length >= leastPacketBytes &&
    bytes.length <= mostPacketBytes &&
    label.every((byte, at) => bytes[at] === byte)
  );
}

/** What a client may send: several times of what the scheduler ever gives to patches. */
const bytesPerSecond = 250_000;
const packetsPerSecond = 100;
/** After a pause, so much at once. */
const burstSeconds = 2;

export interface PacketAllowance {
  readonly bytes: number;
  readonly packets: number;
  readonly atMs: number;
}

export function fullAllowance(nowMs: number): PacketAllowance {
  return {
    bytes: bytesPerSecond * burstSeconds,
    packets: packetsPerSecond * burstSeconds,
    atMs: nowMs,
  };
}

export function spend(
  allowance: PacketAllowance,
  packetBytes: number,
  nowMs: number,
): { readonly isAllowed: boolean; readonly allowance: PacketAllowance } {
  const seconds = Math.max(0, nowMs - allowance.atMs) / 1000;
  const refill = (left: number, perSecond: number): number =>
    Math.min(perSecond * burstSeconds, left + seconds * perSecond);
  const bytes = refill(allowance.bytes, bytesPerSecond);
  const packets = refill(allowance.packets, packetsPerSecond);
  const isAllowed = packetBytes <= bytes && packets >= 1;
  const spent = isAllowed
    ? { bytes: bytes - packetBytes, packets: packets - 1 }
    : { bytes, packets };
  return { isAllowed, allowance: { ...spent, atMs: nowMs } };
}
