import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readGdp } from '../../elements/measure/gdp.ts';
import { parseTrace } from '../../elements/patch-sender/uplink.ts';
import { openUplink, shareOfUplink } from '../../elements/measure/uplink.ts';
import { quoted, runPipeline } from '../../elements/measure/pipeline.ts';
import { paddedLayout, repackY4m } from '../../elements/measure/y4m-repack.ts';
import { parseY4mHeader, pingPongFrame, Y4mFile } from '../../elements/measure/y4m.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'livesr-test-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('Y4M', () => {
  const header = (text: string) => parseY4mHeader(Buffer.from(`${text}\n`));

  test('the header gives size, rate and where the frames begin', () => {
    expect(header('YUV4MPEG2 W1280 H720 F30000:1001 Ip C420jpeg')).toEqual({
      width: 1280,
      height: 720,
      frameRate: { numerator: 30000, denominator: 1001 },
      byteLength: 45,
    });
  });

  test.each([
    ['RIFF', 'not a Y4M file'],
    ['YUV4MPEG2 W16 F25:1', 'without a size'],
    ['YUV4MPEG2 W16 H16 F25:1 C444', 'C444'],
    ['YUV4MPEG2 W16 H16 F25:1 C420p10', 'C420p10'],
  ])('%s is refused by name', (text, reason) => {
    expect(() => header(text)).toThrow(reason);
  });

  test('frames of odd sizes are found, and the luma of each is its own', () => {
    const path = join(folder, 'odd.y4m');
    const frame = (value: number) =>
      Buffer.concat([Buffer.from('FRAME\n'), Buffer.alloc(5 * 3, value), Buffer.alloc(2 * 3 * 2)]);
    writeFileSync(
      path,
      Buffer.concat([Buffer.from('YUV4MPEG2 W5 H3 F25:1 C420\n'), frame(7), frame(9)]),
    );
    const file = new Y4mFile(path);
    expect(file.frameCount).toBe(2);
    expect([...file.readLuma(1).pixels]).toEqual(new Array<number>(15).fill(9));
    expect(() => file.readLuma(2)).toThrow(RangeError);
    file.close();
  });

  test.each([
    [320, 240],
    [639, 357],
    [426, 241],
    [2, 2],
  ])('what y4menc writes of %d x %d becomes a Y4M with the same pixels', async (width, height) => {
    const padded = join(folder, 'padded.y4m');
    const packed = join(folder, 'packed.y4m');
    const raw = join(folder, 'raw.gdp');
    const source =
      `videotestsrc num-buffers=3 pattern=ball ` +
      `! video/x-raw,format=I420,width=${width},height=${height} ! tee name=t`;
    await runPipeline({
      name: 'test',
      launch:
        `${source} t. ! queue ! y4menc ! filesink location=${quoted(padded)} ` +
        `t. ! queue ! gdppay ! filesink location=${quoted(raw)}`,
    });
    repackY4m(padded, packed, 2);
    const file = new Y4mFile(packed);
    expect(file.frameCount).toBe(2);
    const frame = readGdp(readFileSync(raw)).buffers[1]?.payload ?? new Uint8Array();
    expect(frame.length).toBe(paddedLayout(width, height).byteLength);
    for (const [index, plane] of paddedLayout(width, height).planes.entries()) {
      const rows = Array.from({ length: plane.height }, (_, row) => {
        const begin = plane.offset + row * plane.stride;
        return frame.subarray(begin, begin + plane.width);
      });
      expect(
        Buffer.concat(rows).equals(file.readPlanes(1)[index]?.pixels ?? new Uint8Array()),
      ).toBe(true);
    }
    file.close();
  });

  test('a Y4M without padding stays as it is, with one frame and with two', () => {
    const [source, target] = [join(folder, 'whole.y4m'), join(folder, 'same.y4m')];
    const header = Buffer.from('YUV4MPEG2 W5 H3 F25:1 Ip A1:1 C420jpeg\n');
    const frames = [0, 1].map((seed) =>
      Buffer.concat([
        Buffer.from('FRAME\n'),
        Buffer.from(Array.from({ length: 15 + 2 * 6 }, (_, index) => (index * 7 + seed) % 256)),
      ]),
    );
    for (const count of [1, 2]) {
      const whole = Buffer.concat([header, ...frames.slice(0, count)]);
      writeFileSync(source, whole);
      repackY4m(source, target, 2);
      expect(readFileSync(target).equals(whole)).toBe(true);
    }
  });

  test('a clip runs forward and backward without showing its ends twice', () => {
    expect(Array.from({ length: 8 }, (_, n) => pingPongFrame(n, 4))).toEqual([
      0, 1, 2, 3, 2, 1, 0, 1,
    ]);
    expect(pingPongFrame(5, 1)).toBe(0);
  });
});

describe('GDP files', () => {
  /** One packet as gdppay writes it: version 1.0, type, length, and 62 bytes of header in all. */
  const packet = (type: number, length: number): Buffer => {
    const bytes = Buffer.alloc(62 + length);
    bytes.writeUInt8(1, 0);
    bytes.writeUInt16BE(type, 4);
    bytes.writeUInt32BE(length, 6);
    return bytes;
  };

  test('buffers are counted, caps and events are not', () => {
    const file = Buffer.concat([packet(2, 40), packet(1, 500), packet(64, 9), packet(1, 0)]);
    expect(readGdp(file).buffers.map(({ payload }) => payload.length)).toEqual([500, 0]);
  });

  test('a file that was cut off ends with its last whole packet', () => {
    const cut = [Buffer.alloc(20), packet(1, 9).subarray(0, 65)];
    for (const end of cut) {
      expect(readGdp(Buffer.concat([packet(1, 3), end])).buffers).toHaveLength(1);
    }
  });
});

describe('uplink of an evaluation', () => {
  test('a number is kbit/s', () => {
    const uplink = openUplink('600', 60);
    expect(uplink.kbps).toBe(600);
    expect(shareOfUplink(uplink, 0.5, 60, join(folder, 'unused'))).toBe('fixed:300.000');
  });

  test.each(['0', '-5', 'no-such-file.trace'])('%s is refused', (text) => {
    expect(() => openUplink(text, 60)).toThrow(`--uplink ${text}`);
  });

  test('a broken trace is refused by file and line', () => {
    const path = join(folder, 'broken.trace');
    writeFileSync(path, '0\n4\nx\n');
    expect(() => openUplink(path, 10)).toThrow(/broken\.trace, line 3/);
  });

  test('a share of a trace carries that share of its bits in every second', () => {
    const path = join(folder, 'two.trace');
    writeFileSync(path, '0 1.5\n1.5 0.25\n4 3\n6 3\n');
    const uplink = openUplink(path, 8);
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 2, noNaN: true }), (share) => {
        const target = join(folder, 'share.trace');
        expect(shareOfUplink(uplink, share, 8, target)).toBe(`trace:${target}`);
        const written = parseTrace(readFileSync(target, 'utf8'), target);
        for (let second = 0; second <= 8; second++) {
          expect(written(second)).toBeCloseTo(uplink.carried(second) * share, -2);
        }
      }),
      { numRuns: 20 },
    );
  });
});
