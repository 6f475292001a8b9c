import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openEstimator } from '../../elements/patch-sender/link/open.ts';
import {
  constantUplink,
  parseTrace,
  parseUplink,
  UplinkError,
} from '../../elements/patch-sender/uplink.ts';

describe('the text of the uplink', () => {
  it('is auto, a constant, a trace, an element or an application', () => {
    expect(parseUplink('srt:sink')).toEqual({ kind: 'srt', element: 'sink' });
    expect(parseUplink('twcc:bin')).toEqual({ kind: 'twcc', element: 'bin' });
    expect(parseUplink('external')).toEqual({ kind: 'external' });
    expect(parseUplink('auto')).toEqual({ kind: 'auto' });
    expect(parseUplink('fixed:600')).toEqual({ kind: 'fixed', rateBps: 600_000 });
    expect(parseUplink('trace:/a b/c.up')).toEqual({ kind: 'trace', path: '/a b/c.up' });
  });

  it.each(['fixed:', 'fixed:-1', 'fixed:0', 'fixed:x', 'trace:', 'srt:', 'twcc:', '600'])(
    'is refused with the ways to write it: %s',
    (text) => {
      expect(() => parseUplink(text)).toThrow(UplinkError);
      expect(() => parseUplink(text)).toThrow('fixed:KBITS');
    },
  );
});

describe('a mahimahi trace', () => {
  it('delivers 1500 bytes a line and repeats after its last time stamp', () => {
    const bits = parseTrace('250\n500\n500\n2000\n', 'x.up');
    expect(bits(1) - bits(0)).toBe(3 * 12_000);
    expect(bits(2) - bits(1)).toBe(12_000);
    expect(bits(3) - bits(2)).toBe(3 * 12_000);
    expect(bits(2000)).toBe(4000 * 12_000);
  });
});

describe('a trace of two columns', () => {
  it('holds each rate until the next row, and repeats', () => {
    const bits = parseTrace('0 1\n0.5 3\n2 9\n', 'x');
    expect(bits(1) - bits(0)).toBeCloseTo(0.5e6 + 1.5e6, 3);
    expect(bits(2) - bits(1)).toBeCloseTo(3e6, 3);
    expect(bits(3) - bits(2)).toBeCloseTo(2e6, 3);
  });

  it('starts with its first row, whenever that is', () => {
    const bits = parseTrace('100 1\n101 2\n102 0\n', 'x');
    expect(bits(1)).toBeCloseTo(1e6, 3);
    expect(bits(2)).toBeCloseTo(3e6, 3);
  });

  it('is a constant when it has one row', () => {
    expect(parseTrace('0 2.5', 'x')(4)).toBe(10e6);
  });
});

describe('every trace', () => {
  it('carries bits that never fall with time', () => {
    const row = fc.tuple(fc.double({ min: 0.01, max: 9, noNaN: true }), fc.nat(20));
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 2, maxLength: 20 }),
        fc.array(fc.double({ min: 0, max: 1000, noNaN: true }), { minLength: 2 }),
        (rows, times) => {
          let time = 0;
          const text = rows.map(([gap, rate]) => `${(time += gap).toFixed(3)} ${rate}`).join('\n');
          const bits = parseTrace(text, 'x');
          const sorted = times.sort((a, b) => a - b).map(bits);
          for (const [i, value] of sorted.entries()) {
            expect(value).toBeGreaterThanOrEqual((sorted[i - 1] ?? 0) - 1e-3);
          }
        },
      ),
    );
  });

  it.each([
    ['', 'empty'],
    ['\n\n', 'empty'],
    ['1\n2 3\n', 'line 2'],
    ['1 2 3\n', 'one or two'],
    ['1\nx\n', 'line 2'],
    ['5\n4\n', 'backward'],
    ['1 -2\n2 3', 'line 1'],
    ['1e999\n', 'line 1'],
    ['0\n0\n', 'no time'],
  ])('is refused by file name and reason: %j', (text, reason) => {
    expect(() => parseTrace(text, 'bad.up')).toThrow(UplinkError);
    expect(() => parseTrace(text, 'bad.up')).toThrow('bad.up');
    expect(() => parseTrace(text, 'bad.up')).toThrow(reason);
  });
});

describe('the pace of packets', () => {
  it('is that of an uplink that is measured at SRT, whose sink sends all at once', () => {
    const paceOf = (uplink: string): number | undefined =>
      openEstimator(uplink, 2e6, 0).paceBps?.();
    // With headers: more than the 500 kbit/s of video and patches that it begins with.
    expect(paceOf('srt:out')).toBeGreaterThan(500e3);
    expect(['auto', 'fixed:800', 'twcc:rtp', 'external'].map(paceOf)).toEqual(
      Array(4).fill(undefined),
    );
  });
});

describe('a constant uplink', () => {
  it('carries its rate', () => {
    expect(constantUplink(600_000)(2)).toBe(1_200_000);
  });
});
