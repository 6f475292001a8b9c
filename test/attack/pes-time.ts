// Time stamps in packets of MPEG-TS.
export const packetBytes = 188;
export const ticksPerSecond = 90_000;
export const timeModulus = 2 ** 33;

/** 33 bits with their marker bits. */
export function readTime(bytes: Uint8Array, at: number): number {
  const byte = (index: number): number => bytes[at + index] ?? 0;
  const high = (byte(0) >> 1) & 7;
  const pair = (index: number): number => ((byte(index) << 8) | byte(index + 1)) >> 1;
  return high * 2 ** 30 + pair(1) * 2 ** 15 + pair(3);
}

export interface UnitTime {
  readonly pid: number;
  readonly isVideo: boolean;
  readonly ticks: number;
}

/** PTS of the PES packet that begins in this packet; undefined: none does, or it has no time. */
export function presentationTime(packet: Buffer): UnitTime | undefined {
  if (((packet[1] ?? 0) & 0x40) === 0) return undefined;
  const control = (packet[3] ?? 0) >> 4;
  const at = control & 2 ? 5 + (packet[4] ?? 0) : 4;
  if (at + 14 > packetBytes || packet.readUIntBE(at, 3) !== 1) return undefined;
  if (((packet[at + 7] ?? 0) & 0x80) === 0) return undefined;
  return {
    pid: packet.readUInt16BE(1) & 0x1fff,
    isVideo: ((packet[at + 3] ?? 0) & 0xf0) === 0xe0,
    ticks: readTime(packet, at + 9),
  };
}

/** From one time to another, across the wrap of the 33 bits. */
export function ticksBetween(from: number, to: number): number {
  const ahead = (((to - from) % timeModulus) + timeModulus) % timeModulus;
  return ahead >= timeModulus / 2 ? ahead - timeModulus : ahead;
}
