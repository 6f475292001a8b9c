// MPEG-TS, as far as an attacker needs it: a recording taken apart into its units, and units put
// together again with times of one's own choice.
import { packetBytes, readTime, timeModulus } from './pes-time.ts';

const syncByte = 0x47;
const noTime = undefined;

/** One PES packet: a picture, or a KLV buffer. */
export interface Unit {
  readonly pid: number;
  readonly pts: number | undefined;
  readonly pes: Buffer;
  readonly payload: Buffer;
}

export interface Recording {
  /** The packets of the tables, as they came last. */
  readonly tables: readonly Buffer[];
  readonly videoPid: number;
  readonly klvPid: number | undefined;
  /** In the order in which they began. */
  readonly units: readonly Unit[];
}

function payloadOf(packet: Buffer): Buffer {
  const control = (packet[3] ?? 0) >> 4;
  if ((control & 1) === 0) return packet.subarray(packetBytes);
  return packet.subarray(control & 2 ? 5 + (packet[4] ?? 0) : 4);
}

function writeTime(pes: Buffer, at: number, time: number): void {
  const mark = (pes[at] ?? 0) & 0xf0;
  const high = Math.floor(time / 2 ** 30) & 7;
  pes[at] = mark | (high << 1) | 1;
  pes.writeUInt16BE(((Math.floor(time / 2 ** 15) & 0x7fff) << 1) | 1, at + 1);
  pes.writeUInt16BE(((time & 0x7fff) << 1) | 1, at + 3);
}

const hasPts = (pes: Buffer): boolean => ((pes[7] ?? 0) & 0x80) !== 0;
const hasDts = (pes: Buffer): boolean => ((pes[7] ?? 0) & 0x40) !== 0;

function unitOf(pid: number, pes: Buffer): Unit {
  return {
    pid,
    pes,
    pts: hasPts(pes) ? readTime(pes, 9) : noTime,
    payload: pes.subarray(9 + (pes[8] ?? 0)),
  };
}

const sectionOf = (packet: Buffer): Buffer => {
  const payload = payloadOf(packet);
  return payload.subarray(1 + (payload[0] ?? 0));
};

/** PIDs of a PMT by what they carry. */
function readMap(section: Buffer): { video: number; klv: number | undefined } {
  const end = 3 + (section.readUInt16BE(1) & 0xfff) - 4;
  let video = 0;
  let klv: number | undefined;
  let at = 12 + (section.readUInt16BE(10) & 0xfff);
  while (at < end) {
    const type = section[at];
    const pid = section.readUInt16BE(at + 1) & 0x1fff;
    if (type === 0x1b) video = pid;
    else klv = pid;
    at += 5 + (section.readUInt16BE(at + 3) & 0xfff);
  }
  return { video, klv };
}

export function readTransportStream(bytes: Buffer): Recording {
  const tables = new Map<number, Buffer>();
  const open = new Map<number, { pieces: Buffer[] }>();
  const began: { pid: number; pieces: Buffer[] }[] = [];
  let mapPid = 0x1fff;
  let pids: { video: number; klv: number | undefined } | undefined;
  for (let at = 0; at + packetBytes <= bytes.length; at += packetBytes) {
    const packet = bytes.subarray(at, at + packetBytes);
    if (packet[0] !== syncByte) throw new Error(`no MPEG-TS packet at byte ${at}`);
    const pid = packet.readUInt16BE(1) & 0x1fff;
    const starts = (packet.readUInt16BE(1) & 0x4000) !== 0;
    if (pid === 0 || pid === mapPid) {
      tables.set(pid, packet);
      if (pid === 0) mapPid = sectionOf(packet).readUInt16BE(10) & 0x1fff;
      else pids = readMap(sectionOf(packet));
      continue;
    }
    if (starts) {
      const unit = { pid, pieces: [] };
      open.set(pid, unit);
      began.push(unit);
    }
    open.get(pid)?.pieces.push(payloadOf(packet));
  }
  if (pids === undefined) throw new Error('a transport stream without a map of its streams');
  const { video: videoPid, klv: klvPid } = pids;
  return {
    tables: [...tables.values()],
    videoPid,
    klvPid,
    units: began
      .filter(({ pid }) => pid === videoPid || pid === klvPid)
      .map(({ pid, pieces }) => unitOf(pid, Buffer.concat(pieces)))
      .filter(({ pes }) => pes.length > 9),
  };
}

/** The same unit at another time; `later` ticks are added to what it has, around the 33 bits. */
export function retimed(unit: Unit, later: number): Unit {
  const pes = Buffer.from(unit.pes);
  const moved = (time: number): number =>
    (((time + later) % timeModulus) + timeModulus) % timeModulus;
  if (hasPts(pes)) writeTime(pes, 9, moved(readTime(pes, 9)));
  if (hasDts(pes)) writeTime(pes, 14, moved(readTime(pes, 14)));
  return unitOf(unit.pid, pes);
}

/** A unit with another payload and the header of this one. */
export function withPayload(unit: Unit, payload: Uint8Array): Unit {
  const head = Buffer.from(unit.pes.subarray(0, 9 + (unit.pes[8] ?? 0)));
  const length = head.length - 6 + payload.length;
  head.writeUInt16BE(length > 0xffff ? 0 : length, 4);
  return unitOf(unit.pid, Buffer.concat([head, payload]));
}

/** Puts units into packets. */
export class TransportStreamWriter {
  readonly #counters = new Map<number, number>();

  /** `clock`: of the program, in ticks; missing: none in this unit. */
  unit(unit: Unit, clock?: number): Buffer {
    const packets: Buffer[] = [];
    let rest = unit.pes;
    for (let first = true; first || rest.length > 0; first = false) {
      const packet = Buffer.alloc(packetBytes, 0xff);
      const withClock = first && clock !== undefined;
      const room = packetBytes - 4 - (withClock ? 8 : 0);
      const taken = Math.min(rest.length, room);
      const stuffing = room - taken;
      const adapts = withClock || stuffing > 0;
      this.#head(packet, unit.pid, first, adapts);
      let at = 4;
      if (adapts) {
        // The length byte is one of the bytes of stuffing.
        const length = withClock ? 7 + stuffing : stuffing - 1;
        packet[4] = length;
        if (length > 0) packet[5] = withClock ? 0x10 : 0;
        if (withClock) writeClock(packet, 6, clock);
        at = 5 + length;
      }
      rest.copy(packet, at, 0, taken);
      rest = rest.subarray(taken);
      packets.push(packet);
    }
    return Buffer.concat(packets);
  }

  /** A whole packet of a table, with the counter where it stands. */
  table(packet: Buffer): Buffer {
    const copy = Buffer.from(packet);
    const pid = copy.readUInt16BE(1) & 0x1fff;
    copy[3] = ((copy[3] ?? 0) & 0xf0) | this.#next(pid);
    return copy;
  }

  #head(packet: Buffer, pid: number, starts: boolean, adapts: boolean): void {
    packet[0] = syncByte;
    packet.writeUInt16BE((starts ? 0x4000 : 0) | pid, 1);
    packet[3] = (adapts ? 0x30 : 0x10) | this.#next(pid);
  }

  #next(pid: number): number {
    const count = this.#counters.get(pid) ?? 0;
    this.#counters.set(pid, (count + 1) & 15);
    return count;
  }
}

function writeClock(packet: Buffer, at: number, ticks: number): void {
  const base = ((ticks % timeModulus) + timeModulus) % timeModulus;
  packet.writeUInt32BE(Math.floor(base / 2), at);
  packet.writeUInt16BE(((base % 2) << 15) | 0x7e00, at + 4);
}
