// GStreamer Data Protocol 1.0 over a pipe: reading packets as they come, and writing pictures. What
// gdppay writes to a file and is read afterwards is elements/measure/gdp.ts.
import type { Readable } from 'node:stream';

export const headerBytes = 62;
const bufferType = 1;
const capsType = 2;
/** Above it a packet is an event: 64 plus GStreamer's number of its type. */
const firstEventType = 64;
// GStreamer's types of events: (number << 8) | flags, here downstream and serialised.
const streamStartType = firstEventType + ((40 << 8) | 14);
const segmentType = firstEventType + ((70 << 8) | 14);
const endType = firstEventType + ((110 << 8) | 6);
const gapType = firstEventType + ((160 << 8) | 6);
const mostPayloadBytes = 64 << 20;
const unknownTime = 0xffff_ffff_ffff_ffffn;

export type GdpPacket =
  | { readonly kind: 'buffer'; readonly timeNs: number; readonly payload: Uint8Array }
  | { readonly kind: 'caps'; readonly text: string; readonly packet: Uint8Array }
  | { readonly kind: 'end' }
  /** The packet goes on as it is: what it holds is GStreamer's affair. */
  | { readonly kind: 'event'; readonly text: string; readonly packet: Uint8Array };

/** The pipe does not carry what it should. */
export class GdpError extends Error {}

export class GdpReader {
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #neededBytes = headerBytes;

  /** The packets that are complete with this chunk. Throws GdpError. */
  push(chunk: Uint8Array): GdpPacket[] {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes < this.#neededBytes) return [];
    const bytes = this.#waiting.length === 1 ? chunk : Buffer.concat(this.#waiting);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const packets: GdpPacket[] = [];
    let at = 0;
    for (;;) {
      this.#neededBytes = headerBytes;
      if (at + headerBytes > bytes.length) break;
      if (view.getUint8(at) !== 1) throw new GdpError('no packet of GDP 1 where one should begin');
      const payloadBytes = view.getUint32(at + 6);
      if (payloadBytes > mostPayloadBytes) {
        throw new GdpError(`a packet of ${payloadBytes} bytes`);
      }
      const end = at + headerBytes + payloadBytes;
      this.#neededBytes = headerBytes + payloadBytes;
      if (end > bytes.length) break;
      const packet = readPacket(view, bytes.subarray(at, end), at);
      if (packet) packets.push(packet);
      at = end;
    }
    this.#waiting = at < bytes.length ? [bytes.subarray(at)] : [];
    this.#waitingBytes = bytes.length - at;
    return packets;
  }
}

/** Each packet of a pipe; `onBroken` once, when it carries something else, and nothing after it. */
export function followPackets(
  pipe: Readable | null,
  onPacket: (packet: GdpPacket) => void,
  onBroken: (why: string) => void,
): void {
  const reader = new GdpReader();
  const take = (chunk: Buffer): void => {
    let packets;
    try {
      packets = reader.push(chunk);
    } catch (error) {
      if (!(error instanceof GdpError)) throw error;
      pipe?.off('data', take).resume();
      onBroken(error.message);
      return;
    }
    packets.forEach(onPacket);
  };
  pipe?.on('data', take);
}

function readPacket(view: DataView, packet: Uint8Array, at: number): GdpPacket | undefined {
  const type = view.getUint16(at + 4);
  const payload = packet.subarray(headerBytes);
  if (type === bufferType) {
    const time = view.getBigUint64(at + 10);
    return time === unknownTime ? undefined : { kind: 'buffer', timeNs: Number(time), payload };
  }
  const text = (): string => Buffer.from(payload).toString('utf8');
  if (type === capsType) return { kind: 'caps', text: text(), packet: Uint8Array.from(packet) };
  if (type === endType) return { kind: 'end' };
  if (type < firstEventType) return undefined;
  return { kind: 'event', text: text(), packet: Uint8Array.from(packet) };
}

function header(type: number, payloadBytes: number, timeNs?: number, durationNs?: number): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.writeUInt8(1, 0);
  bytes.writeUInt16BE(type, 4);
  bytes.writeUInt32BE(payloadBytes, 6);
  if (type !== bufferType) return bytes;
  const time = (ns: number | undefined): bigint =>
    ns === undefined ? unknownTime : BigInt(Math.round(ns));
  bytes.writeBigUInt64BE(time(timeNs), 10);
  bytes.writeBigUInt64BE(time(durationNs), 18);
  bytes.writeBigUInt64BE(unknownTime, 26);
  bytes.writeBigUInt64BE(unknownTime, 34);
  bytes.writeBigUInt64BE(unknownTime, 44);
  return bytes;
}

export function capsPacket(caps: string): Buffer {
  // With the zero that ends it, as gdpdepay reads it.
  const payload = Buffer.from(`${caps}\0`, 'utf8');
  return Buffer.concat([header(capsType, payload.length), payload]);
}

/** The head of a buffer's packet; the payload follows by itself. */
export function bufferHeader(timeNs: number, durationNs: number, payloadBytes: number): Buffer {
  return header(bufferType, payloadBytes, timeNs, durationNs);
}

function eventPacket(type: number, text: string): Buffer {
  const payload = Buffer.from(`${text}\0`, 'utf8');
  return Buffer.concat([header(type, payload.length), payload]);
}

export function streamStartPacket(id: string): Buffer {
  return eventPacket(
    streamStartType,
    `GstEventStreamStart, stream-id=(string)${id}, ` +
      'flags=(GstStreamFlags)GST_STREAM_FLAG_NONE, group-id=(uint)1;',
  );
}

/** Times of buffers are running times. */
export function segmentPacket(): Buffer {
  const endless = '18446744073709551615';
  return eventPacket(
    segmentType,
    'GstEventSegment, segment=(GstSegment)"segment, flags=(GstSegmentFlags)GST_SEGMENT_FLAG_NONE, ' +
      'rate=(double)1, applied-rate=(double)1, format=(GstFormat)time, base=(guint64)0, ' +
      `offset=(guint64)0, start=(guint64)0, stop=(guint64)${endless}, time=(guint64)0, ` +
      `position=(guint64)0, duration=(guint64)${endless};";`,
  );
}

/** Nothing comes until then. */
export function gapPacket(timeNs: number, durationNs: number): Buffer {
  return eventPacket(
    gapType,
    `GstEventGap, timestamp=(guint64)${Math.round(timeNs)}, duration=(guint64)${Math.round(durationNs)};`,
  );
}
