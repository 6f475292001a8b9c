// The tools of test/attack and test/soak do what they claim: an attack that is none would be borne by all.
import { describe, expect, it } from 'vitest';
import { native } from '../../elements/bridge/index.ts';
import { ceilings, faultsOf, faultsOfAll } from '../attack/ceilings.ts';
import { crc32 } from '../attack/crc32.ts';
import { encodedFlatJpeg } from '../attack/jpeg-bombs.ts';
import { hostilePacket, klv, resealed, streamIdOf } from '../attack/packet.ts';
import type { Figures, Outcome } from '../attack/run.ts';
import {
  readTransportStream,
  retimed,
  TransportStreamWriter,
  withPayload,
  type Unit,
} from '../attack/transport-stream.ts';
import { faultsOf as scheduled, longSchedule, shortSchedule } from '../soak/schedule.ts';
import { slopeMbPerMinute } from '../soak/slope.ts';

const header = {
  scale: 2,
  streamId: 77,
  sequence: 5,
  runningTimeNs: 123_456_789n,
  frameWidth: 1280,
  frameHeight: 720,
};
const patch = { codec: 2, quality: 26, x: 96, y: 24, width: 512, height: 512 };

describe('hostile packets', () => {
  it('are read by the project as what they say', () => {
    const payload = Uint8Array.from([1, 2, 3, 4, 5]);
    const packet = hostilePacket(header, [{ ...patch, payload }]);
    expect(native().readPacket(packet)).toEqual({
      error: 'none',
      consumed: packet.length,
      header: { ...header, runningTimeNs: 123_456_789 },
      patches: [{ ...patch, payload }],
    });
    expect(streamIdOf(packet)).toBe(77);
  });

  it('keep their patches under another time and sequence', () => {
    const packet = hostilePacket(header, []);
    const later = native().readPacket(resealed(packet, { sequence: 9, runningTimeNs: 7n }));
    expect(later.error).toBe('none');
    expect(later.header).toMatchObject({ sequence: 9, runningTimeNs: 7, streamId: 77 });
  });

  it('hold residuals that decode to no correction at all from four bytes', () => {
    const low = new Uint8Array(260 * 260).fill(90);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(low));
    const pair = { width: 512, height: 512, low, high: new Uint8Array(512 * 512) };
    const decoded = native().decodeResidual(pair, 2, 26, Buffer.concat([sum, Buffer.alloc(4)]));
    expect(decoded?.every((pixel) => pixel === 90)).toBe(true);
  });

  it('hold JPEG files of two bits a block', () => {
    const file = encodedFlatJpeg(512, 512);
    expect(file.length).toBeLessThan(1200);
    expect(native().decodeJpegLuma(file, 512, 512)?.length).toBe(512 * 512);
  });

  it('may be foreign KLV', () => {
    const other = klv(Uint8Array.from([1]), new Uint8Array(16).fill(3));
    expect(native().readPacket(other).error).toBe('foreign');
  });
});

describe('transport streams of the attacker', () => {
  /** PAT and PMT as mpegtsmux writes them: video on 0x41, KLV on 0x42. */
  const table = (pid: number, section: readonly number[]): Buffer => {
    const packet = Buffer.alloc(188, 0xff);
    Buffer.from([0x47, 0x40 | (pid >> 8), pid & 255, 0x10, 0, ...section]).copy(packet);
    return packet;
  };
  const association = [0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0, 0x20, 0, 0, 0, 0];
  const map = [
    ...[2, 0xb0, 23, 0, 1, 0xc1, 0, 0, 0xe0, 0x41, 0xf0, 0],
    ...[0x1b, 0xe0, 0x41, 0xf0, 0, 6, 0xe0, 0x42, 0xf0, 0, 0, 0, 0, 0],
  ];
  const pes = (id: number): Buffer =>
    Buffer.from([0, 0, 1, id, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1]);
  const unit = (pid: number, id: number): Unit => ({
    pid,
    pts: 0,
    pes: pes(id),
    payload: Buffer.alloc(0),
  });

  it('give back units of any size with their times, around the 33 bits', () => {
    const writer = new TransportStreamWriter();
    const sizes = [0, 1, 150, 160, 168, 169, 170, 171, 176, 184, 400, 70_000];
    const given = sizes.map((size, index) => {
      const isVideo = index % 2 === 0;
      const payload = Buffer.alloc(size, index + 1);
      const filled = withPayload(unit(isVideo ? 0x41 : 0x42, isVideo ? 0xe0 : 0xbd), payload);
      return retimed(filled, 2 ** 33 - 5 + index);
    });
    const stream = Buffer.concat([
      writer.table(table(0, association)),
      writer.table(table(0x20, map)),
      ...given.map((one, index) => writer.unit(one, index % 2 === 0 ? index : undefined)),
    ]);
    const { units, videoPid, klvPid } = readTransportStream(stream);
    expect([videoPid, klvPid]).toEqual([0x41, 0x42]);
    expect(units.map(({ payload }) => payload.length)).toEqual(sizes);
    expect(units.map(({ pts }) => pts)).toEqual(
      sizes.map((_, index) => (index < 5 ? 2 ** 33 - 5 + index : index - 5)),
    );
    expect(units.every(({ payload }, index) => payload.every((byte) => byte === index + 1))).toBe(
      true,
    );
  });
});

describe('ceilings of attacks', () => {
  const fine: Figures = {
    framesSent: 900,
    framesIn: 900,
    framesOut: 895,
    delayP99Ms: 20,
    delayMaxMs: 60,
    latencyP99Ms: 20,
    pairs: 30,
    steps: 2000,
    engineRestarts: 0,
    state: 'training',
    warnings: [],
    ended: undefined,
  };
  const borne: Outcome = {
    attack: 'none',
    seconds: 30,
    victim: fine,
    neighbour: fine,
    maxResidentMb: 300,
    residentMbBefore: 280,
    senders: { attempts: 10, welcomed: 10, news: 20, lost: 0 },
    engineLog: [],
    stats: {},
  };

  it('are kept by a stream that nobody disturbs', () => {
    expect(faultsOf(borne)).toEqual([]);
  });

  it.each([
    ['a stream that ended', { victim: { ...fine, ended: 'why' } }],
    ['frames that are missing', { victim: { ...fine, framesOut: 800 } }],
    ['frames that come late', { victim: { ...fine, delayP99Ms: 34 } }],
    ['no frames at all', { victim: { ...fine, framesOut: 0, delayP99Ms: NaN } }],
    ['training that has stopped', { victim: { ...fine, steps: 0 } }],
    ['a neighbour that has no pairs', { neighbour: { ...fine, pairs: 0 } }],
    ['memory', { maxResidentMb: ceilings.maxResidentMb + 1 }],
    ['senders that are shut out', { senders: { attempts: 10, welcomed: 3, news: 1, lost: 0 } }],
    ['senders that are thrown out', { senders: { attempts: 10, welcomed: 10, news: 1, lost: 1 } }],
  ])('are broken by %s', (_, change) => {
    expect(faultsOf({ ...borne, ...change })).not.toEqual([]);
  });

  it('are kept by many attacks where one is disturbed, and broken where they are not borne', () => {
    const late = { ...borne, victim: { ...fine, delayP99Ms: 700 } };
    expect(faultsOfAll([borne, late, borne])).toEqual([]);
    expect(faultsOfAll([borne, late, late])).not.toEqual([]);
    const ended = { ...borne, victim: { ...fine, ended: 'why' } };
    expect(faultsOfAll([borne, borne, ended])).not.toEqual([]);
    const frozen = { ...borne, victim: { ...fine, framesOut: 700 } };
    expect(faultsOfAll([borne, frozen])).not.toEqual([]);
  });
});

describe('the soak', () => {
  it('cuts, kills, stops and restarts in an hour as often as it should', () => {
    const kinds = scheduled(longSchedule(60), 20).map(({ kind }) => kind);
    const count = (wanted: string): number => kinds.filter((kind) => kind === wanted).length;
    expect(count('link cut')).toBe(11);
    expect(count('engine killed')).toBe(8);
    expect(count('engine stopped')).toBe(5);
    expect(count('sender restarted')).toBe(4);
  });

  it('has each fault once in its short form, and time to recover from it', () => {
    const faults = scheduled(shortSchedule(), 20);
    expect(faults.map(({ kind }) => kind)).toEqual([
      'engine killed',
      'engine stopped',
      'link cut',
      'sender restarted',
    ]);
  });

  it('sees memory that grows, and none in memory that only swings', () => {
    const samples = Array.from({ length: 600 }, (_, index) => ({
      seconds: index * 6,
      residentMb: 300 + (index % 2) * 20,
      engineMb: 0,
    }));
    expect(Math.abs(slopeMbPerMinute(samples, 600))).toBeLessThan(0.05);
    const growing = samples.map((sample) => ({
      ...sample,
      residentMb: sample.residentMb + sample.seconds / 30,
    }));
    expect(slopeMbPerMinute(growing, 600)).toBeCloseTo(2, 1);
  });
});
