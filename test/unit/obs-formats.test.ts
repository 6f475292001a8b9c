// What the OBS controller reads from outside: packets of the relay, slots of the canvas file, answers of
// the script, OBS's configuration.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CanvasFile,
  parseSlotHead,
  slotHeadBytes,
} from '../../obs-script/controller/canvas-file.ts';
import {
  bufferHeader,
  capsPacket,
  gapPacket,
  GdpError,
  GdpReader,
  streamStartPacket,
} from '../../obs-script/controller/gdp-stream.ts';
import {
  findWebSocketConfig,
  parseGlobalIni,
  parseWebSocketJson,
} from '../../obs-script/controller/obs-config.ts';
import { relayLaunch, serverUri } from '../../obs-script/controller/relay.ts';
import type { PathSettings } from '../../obs-script/controller/stream-path.ts';
import { readAnswer } from '../../obs-script/controller/script-channel.ts';
import { parseSize, scaleBetween } from '../../obs-script/controller/stream-format.ts';

describe('GDP packets', () => {
  const stream = Buffer.concat([
    streamStartPacket('canvas'),
    capsPacket('video/x-raw, format=(string)GRAY8'),
    gapPacket(1e9, 66e6),
    bufferHeader(2e9, 66e6, 5),
    Buffer.from([1, 2, 3, 4, 5]),
  ]);

  it('are read back in whatever pieces they come', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (lengths) => {
        const reader = new GdpReader();
        const kinds: string[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = at + (lengths[i % lengths.length] ?? 1);
          for (const packet of reader.push(stream.subarray(at, end))) {
            kinds.push(packet.kind);
            if (packet.kind === 'buffer') {
              expect(packet.timeNs).toBe(2e9);
              expect([...packet.payload]).toEqual([1, 2, 3, 4, 5]);
            }
          }
          at = end;
        }
        expect(kinds).toEqual(['event', 'caps', 'event', 'buffer']);
      }),
    );
  });

  it('that are none are refused, and nothing else happens', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          new GdpReader().push(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(GdpError);
        }
      }),
    );
  });
});

describe('the canvas file', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'livesr-canvas-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  function slot(sequence: number, width = 2, height = 1): Buffer {
    const bytes = Buffer.alloc(slotHeadBytes + width * 4 * height, sequence);
    bytes.write('LSRC', 0);
    bytes.writeUInt32LE(1, 4);
    bytes.writeBigUInt64LE(BigInt(sequence), 8);
    bytes.writeBigUInt64LE(BigInt(sequence) * 1000n, 16);
    for (const [at, value] of [
      [24, width],
      [28, height],
      [32, width * 4],
      [36, 3],
      [40, bytes.length],
      [44, 3],
    ] as const) {
      bytes.writeUInt32LE(value, at);
    }
    return bytes;
  }

  it('gives each newest frame once', () => {
    const path = join(folder, 'frames');
    writeFileSync(path, Buffer.concat([slot(3), slot(1), slot(2)]));
    const file = new CanvasFile(path);
    expect(file.read()).toMatchObject({ sequence: 3n, frameTimeNs: 3000n, order: 'rgba' });
    expect(file.read()).toBeUndefined();
    writeFileSync(path, Buffer.concat([slot(3), slot(4), slot(2)]));
    const next = file.read();
    expect(next?.sequence).toBe(4n);
    expect([...(next?.pixels ?? [])]).toEqual(Array(8).fill(4));
    file.close();
  });

  it('passes over a slot that is being written', () => {
    const path = join(folder, 'writing');
    const writing = slot(5);
    writing.writeBigUInt64LE(0n, 8);
    writeFileSync(path, Buffer.concat([slot(3), slot(4), writing]));
    const file = new CanvasFile(path);
    expect(file.read()?.sequence).toBe(4n);
    file.close();
  });

  it('with anything in it is read or left, never misread', () => {
    const path = join(folder, 'anything');
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.tuple(fc.nat(63), fc.nat(255)), { maxLength: 4 }),
        (bytes, changes) => {
          const damaged = slot(3);
          for (const [at, value] of changes) damaged[at] = value;
          writeFileSync(path, Buffer.concat([damaged, bytes]));
          const head = parseSlotHead(damaged);
          if (head) expect(head.slotBytes).toBe(slotHeadBytes + head.lineBytes * head.height);
          const file = new CanvasFile(path);
          const frame = file.read();
          if (frame) expect(frame.pixels.length).toBe(frame.lineBytes * frame.height);
          file.close();
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("the script's answer", () => {
  it('of another version, another controller or no script at all is told apart', () => {
    const reason = (settings: Record<string, unknown>): string => {
      const answer = readAnswer(settings, 'mine', 7);
      return answer.kind === 'foreign' ? answer.reason : answer.kind;
    };
    expect(reason({})).toMatch(/reload it/);
    expect(reason({ ackProtocol: 2 })).toMatch(/same release/);
    expect(reason({ ackProtocol: 1, ackSession: 'theirs', ackSequence: 7 })).toMatch(/another/);
    expect(reason({ ackProtocol: 1, ackSession: 'mine', ackSequence: 7, status: '{' })).toMatch(
      /JSON/,
    );
    expect(reason({ ackProtocol: 1, ackSession: 'mine', ackSequence: 7, status: '{}' })).toMatch(
      /oddly/,
    );
  });

  it('of any shape is a status or a reason', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.json(), (settings, status) => {
        const acknowledged = { ackProtocol: 1, ackSession: 'mine', ackSequence: 7 };
        expect(readAnswer({ ...settings, ...acknowledged, status }, 'mine', 7).kind).toBe(
          'foreign',
        );
      }),
    );
  });
});

describe("OBS's configuration", () => {
  it('of the websocket is read in both of its homes', () => {
    const ini =
      '[General]\nServerPort=1\n[OBSWebSocket]\nServerEnabled=true\nServerPort=4466\nAuthRequired=true\nServerPassword=a=b\n[Other]\nServerPassword=no\n';
    expect(parseGlobalIni(ini, 'f')).toEqual({
      file: 'f',
      enabled: true,
      port: 4466,
      password: 'a=b',
    });
    const json =
      '{"server_enabled":false,"server_port":4455,"auth_required":true,"server_password":"x"}';
    expect(parseWebSocketJson(json, 'f')).toEqual({
      file: 'f',
      enabled: false,
      port: 4455,
      password: 'x',
    });
    expect(parseWebSocketJson('nonsense', 'f')).toBeUndefined();
  });

  it('is not needed', () => {
    const place = { platform: 'linux', home: '/nowhere', environment: {} } as const;
    expect(findWebSocketConfig(place)).toBeUndefined();
  });
});

describe('sizes and addresses', () => {
  const rates = { capBps: 1e6, minVideoBps: 2e5, patchBps: 0, streamClass: 'default' };
  const relayed: PathSettings = {
    mode: 'relay',
    scale: 2,
    framesPerSecond: 30,
    canvas: { width: 1280, height: 720 },
    patches: true,
    patchQuality: 'auto',
    streamKey: '',
    feedback: '',
    token: '',
    listenPort: 7010,
    server: 'srt://server:7001',
    passphrase: '',
    carriage: 'auto',
    latencyMs: 600,
  };

  it('give a scale where one fits', () => {
    const canvas = { width: 1280, height: 720 };
    expect(scaleBetween(canvas, { width: 640, height: 360 })).toBe(2);
    expect(scaleBetween(canvas, { width: 428, height: 240 })).toBe(3);
    expect(scaleBetween(canvas, canvas)).toBe(1);
    expect(scaleBetween(canvas, { width: 856, height: 480 })).toBe(1.5);
    expect(scaleBetween({ width: 1920, height: 1080 }, canvas)).toBe(1.5);
    expect(scaleBetween(canvas, { width: 852, height: 480 })).toBeUndefined();
    expect(parseSize('1920x1080')).toEqual({ width: 1920, height: 1080 });
    expect(parseSize('as the canvas')).toBeUndefined();
  });

  it('carry the stream key where SRT servers look for it, once', () => {
    expect(serverUri('srt://host:7001', 'my key')).toBe('srt://host:7001?streamid=my+key');
    expect(serverUri('srt://host:7001?streamid=x', 'key')).toBe('srt://host:7001?streamid=x');
    expect(serverUri('srt://host:7001', '')).toBe('srt://host:7001');
  });

  it('carry it in the path of RTMP', () => {
    expect(serverUri('rtmp://host/live', 'key')).toBe('rtmp://host/live/key');
    expect(serverUri('rtmps://host/live/', 'key')).toBe('rtmps://host/live/key');
    expect(serverUri('rtmp://host/live', '')).toBe('rtmp://host/live');
  });

  it('choose the container, and where patches are carried', () => {
    const launch = (change: Partial<PathSettings>): string =>
      relayLaunch({ ...relayed, ...change }, rates, 9e5);
    expect(launch({})).toMatch(/inserter\.patches .*livesrmux/);
    expect(launch({ carriage: 'klv' })).toMatch(/picker\.patches ! queue ! mux\. .*livesrmux/);
    const rtmp = launch({ server: 'rtmp://host/live' });
    expect(rtmp).toMatch(/uplink="external" uplink-bitrate=900000/);
    expect(rtmp).toMatch(/inserter\.patches .*flvmux .*rtmp2sink/);
    expect(launch({ server: 'rtmp://host/live', carriage: 'klv' })).toBe(rtmp);
  });

  it('carry the passphrase where the script has one', () => {
    const launch = (passphrase: string): string =>
      relayLaunch({ ...relayed, passphrase }, rates, 9e5);
    expect(launch('ten letters "and more"')).toContain(
      'srtsink name=uplink uri="srt://server:7001" passphrase="ten letters \\"and more\\"" latency=600',
    );
    expect(launch('')).not.toContain('passphrase');
  });
});
