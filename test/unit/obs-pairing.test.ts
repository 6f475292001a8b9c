// Which decoded frame shows which frame of the canvas: with made-up pictures and times.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CanvasMatcher } from '../../obs-script/controller/canvas-matcher.ts';
import { calibrate, judge, locate, type StreamFrame } from '../../obs-script/controller/pairing.ts';
import {
  lumaOf,
  meanSquaredError,
  shrink,
  type Luma,
} from '../../obs-script/controller/picture.ts';

const side = 16;
const intervalNs = 1e9 / 15;

/** A stripe that moves with the frame; noise stands for what the encoder does to it. */
function picture(number: number, noise = 0): Luma {
  const pixels = Uint8Array.from({ length: side * side }, (_, i) => {
    const lit = (i + number * 37) % 251 < 60 ? 200 : 60;
    return lit + (((i * 7919 + number * 104729) >> 3) % (noise + 1));
  });
  return { width: side, height: side, pixels };
}

const still = (noise: number): Luma => ({ ...picture(0, noise) });

const canvasEpochNs = 5_000_000_000_000n;

function canvasFrame(number: number, small = picture(number)) {
  return {
    frameTimeNs: canvasEpochNs + BigInt(Math.round(number * intervalNs)),
    small,
    luma: small,
    atMs: (number * intervalNs) / 1e6,
  };
}

/** The stream's times begin at `startNs` with frame 0, and it comes `delayMs` later. */
function streamFrame(number: number, startNs: number, delayMs: number, small = picture(number, 6)) {
  // 90 kHz, as MPEG-TS counts.
  const timeNs = (Math.round((startNs + number * intervalNs) * 9e-5) / 9) * 1e5;
  return { timeNs, small, atMs: (number * intervalNs) / 1e6 + delayMs };
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i);

describe('the constant between canvas and stream', () => {
  it('is found whatever it is, to less than a millisecond', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10_000_000_000 }),
        fc.integer({ min: 0, max: 1500 }),
        fc.integer({ min: 0, max: 40 }),
        (startNs, delayMs, first) => {
          const frames = range(first, first + 50).map((n) => streamFrame(n, startNs, delayMs));
          const moments = range(first + 3, first + 20).map((n) => canvasFrame(n));
          const offsetNs = calibrate(moments, frames, intervalNs);
          expect(offsetNs).toBeDefined();
          expect(Math.abs((offsetNs ?? 0) - (startNs - Number(canvasEpochNs)))).toBeLessThan(1e6);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is not guessed while nothing moves', () => {
    const frames = range(0, 50).map((n) => streamFrame(n, 0, 100, still(n % 4)));
    const moments = range(3, 20).map((n) => canvasFrame(n, still(0)));
    expect(calibrate(moments, frames, intervalNs)).toBeUndefined();
  });

  it('is not guessed from a picture that repeats itself', () => {
    const frames = range(0, 50).map((n) => streamFrame(n, 0, 100, picture(n % 4, 6)));
    const moments = range(3, 20).map((n) => canvasFrame(n, picture(n % 4)));
    expect(calibrate(moments, frames, intervalNs)).toBeUndefined();
  });
});

describe('a canvas frame', () => {
  const offsetNs = -Number(canvasEpochNs);
  const frames = range(0, 10).map((n) => streamFrame(n, 0, 100));
  const look = (number: number, seen: readonly StreamFrame[] = frames) =>
    judge(canvasFrame(number), seen, offsetNs, intervalNs, 10);

  it('is matched with the frame of its time', () => {
    expect(look(4)).toMatchObject({ kind: 'same', timeNs: frames[4]?.timeNs });
  });

  it('waits for the two frames after its own', () => {
    expect(look(8)).toEqual({ kind: 'wait' });
  });

  it('is left out where the stream has no such frame', () => {
    expect(look(4, frames.toSpliced(4, 1))).toEqual({ kind: 'missing' });
  });

  it('is left out where the encoder repeated the frame before', () => {
    const repeated = frames.map((frame, n) =>
      n === 4 ? { ...frame, small: frames[3]?.small ?? frame.small } : frame,
    );
    expect(look(4, repeated)).toEqual({ kind: 'different' });
  });

  it('is left out where a neighbour shows it', () => {
    const shifted = range(0, 10).map((n) => streamFrame(n, 0, 100, picture(n + 1, 6)));
    expect(look(4, shifted)).toEqual({ kind: 'different' });
  });
});

describe('a screenshot', () => {
  const frames = range(0, 10).map((n) => streamFrame(n, 0, 100));
  const shot = (small: Luma) => ({ small, atMs: 100 });

  it('is matched with the frame that shows the same', () => {
    expect(locate(shot(picture(4)), frames)?.timeNs).toBe(frames[4]?.timeNs);
  });

  it('waits until frames have come after its own', () => {
    expect(locate(shot(picture(8)), frames)).toBeUndefined();
  });

  it('of a picture that stands still is matched with none', () => {
    const stillFrames = range(0, 10).map((n) => streamFrame(n, 0, 100, still(n % 4)));
    expect(locate(shot(still(0)), stillFrames)).toBeUndefined();
  });

  it('is not matched with frames of long before or after', () => {
    expect(locate({ small: picture(4), atMs: 60_000 }, frames)).toBeUndefined();
  });
});

describe('the matcher', () => {
  it('hands on every frame once calibrated, and begins anew with a stream that begins anew', () => {
    const matcher = new CanvasMatcher(intervalNs);
    const matchedTimes: number[] = [];
    const play = (from: number, to: number, startNs: number): void => {
      for (const n of range(from, to)) {
        matcher.canvasFrame(canvasFrame(n));
        if (n - 4 < from) continue;
        const frame = streamFrame(n - 4, startNs - from * intervalNs, (4 * intervalNs) / 1e6);
        for (const { luma, timeNs } of matcher.streamFrame(frame)) {
          matchedTimes.push(timeNs);
          const number = Math.round((timeNs - startNs) / intervalNs) + from;
          expect(meanSquaredError(luma, picture(number))).toBe(0);
        }
      }
    };
    play(0, 90, 9e9);
    const before = matchedTimes.length;
    expect(before).toBeGreaterThan(30);
    play(200, 290, 1e9);
    expect(matchedTimes.length).toBeGreaterThan(before + 30);
    expect(matcher.counts).toMatchObject({ calibrations: 2, different: 0 });
  });
});

describe('luma', () => {
  it('of black, white and grey is what video calls them', () => {
    const pixels = Uint8Array.from([0, 0, 0, 255, 255, 255, 255, 255, 128, 128, 128, 255]);
    const colour = { space: '709', isFullRange: false } as const;
    expect([...lumaOf(pixels, 'rgba', 3, 1, 12, colour).pixels]).toEqual([16, 235, 126]);
    const full = { space: '601', isFullRange: true } as const;
    expect([...lumaOf(pixels, 'bgra', 3, 1, 12, full).pixels]).toEqual([0, 255, 128]);
  });

  it('knows red from blue in either order of bytes', () => {
    const red = Uint8Array.from([255, 0, 0, 255]);
    const colour = { space: '601', isFullRange: true } as const;
    expect(lumaOf(red, 'rgba', 1, 1, 4, colour).pixels[0]).toBe(76);
    expect(lumaOf(red, 'bgra', 1, 1, 4, colour).pixels[0]).toBe(29);
  });

  it('is that of each pixel, whatever the bytes of a line', () => {
    const pixels = Uint8Array.from([
      255, 255, 255, 9, 0, 0, 0, 9, 77, 77, 128, 128, 128, 9, 255, 255,
    ]);
    const colour = { space: '709', isFullRange: false } as const;
    const wide = new Uint8Array(2 * 10);
    wide.set(pixels.subarray(0, 8), 0);
    wide.set([...pixels.subarray(10, 14), 255, 255, 255, 9], 10);
    expect([...lumaOf(wide, 'bgra', 2, 2, 10, colour).pixels]).toEqual([235, 16, 126, 235]);
    expect([...lumaOf(pixels.subarray(0, 3), 'rgb', 1, 1, 3, colour).pixels]).toEqual([235]);
    expect(() => lumaOf(wide, 'bgra', 2, 3, 10, colour)).toThrow(/fewer bytes/);
    expect(() => lumaOf(wide, 'bgra', 3, 1, 10, colour)).toThrow(/lineBytes/);
  });

  it('of a plain picture stays, and a small picture has the mean of the large one', () => {
    const plain = { width: 8, height: 4, pixels: new Uint8Array(32).fill(77) };
    expect([...shrink(plain, 4, 2).pixels]).toEqual(new Array(8).fill(77));
    const halves = Uint8Array.from({ length: 256 }, (_, i) => (i % 16 < 8 ? 40 : 200));
    const { pixels } = shrink({ width: 16, height: 16, pixels: halves }, 8, 8);
    expect(pixels.reduce((sum, value) => sum + value, 0) / 64).toBeCloseTo(120, 0);
  });
});
