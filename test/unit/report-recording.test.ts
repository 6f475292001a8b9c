import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Plane } from '../../elements/bridge/index.ts';
import { cropped, findStart, followTimes } from '../../elements/demo/compare.ts';
import {
  blockErrors,
  cropHeight,
  cropWidth,
  overlaps,
  rankedPlaces,
} from '../../elements/demo/crops.ts';
import { pairRecordings, RecordedFrame } from '../../elements/demo/recording.ts';
import { pingPongFrame } from '../../elements/measure/y4m.ts';

describe('recorded frames', () => {
  test('planes of an odd size are cut out of padded rows', () => {
    // 5x3: rows of 8 bytes; luma 4 rows high in memory, then 2 rows of interleaved chroma.
    const bytes = Uint8Array.from({ length: 8 * 6 }, (_, index) => index);
    const frame = new RecordedFrame(0, 5, 3, bytes);
    expect([...frame.luma().pixels]).toEqual([0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 16, 17, 18, 19, 20]);
    expect([...frame.chroma(0).pixels]).toEqual([32, 34, 36, 40, 42, 44]);
    expect([...frame.chroma(1).pixels]).toEqual([33, 35, 37, 41, 43, 45]);
  });

  test('pictures of the same time are pairs, others are left out', () => {
    const at = (timeNs: number): RecordedFrame =>
      new RecordedFrame(timeNs, 2, 2, new Uint8Array(12));
    const pairs = pairRecordings([at(0), at(40), at(80)], [at(80), at(0), at(120)]);
    expect(pairs.map(({ decoded }) => decoded.timeNs)).toEqual([0, 80]);
  });
});

describe('which frame of the clip a picture shows', () => {
  test('the start of a looping clip is found from noisy likenesses, wherever it is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 40 }),
        fc.nat(200),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 12, maxLength: 30 }),
        fc.array(fc.double({ min: 0, max: 0.4, noNaN: true }), { minLength: 30, maxLength: 30 }),
        (frameCount, start, distances, noise) => {
          const numbers = distances.map((_, index) =>
            distances.slice(0, index).reduce((sum, distance) => sum + distance, 0),
          );
          const shown = numbers.map((number) => pingPongFrame(start + number, frameCount));
          const error = (picture: number, clipFrame: number): number =>
            Math.abs((shown[picture] ?? 0) - clipFrame) + (noise[picture] ?? 0);
          const found = findStart(numbers, error, frameCount);
          expect(numbers.map((number) => pingPongFrame(found + number, frameCount))).toEqual(shown);
        },
      ),
    );
  });

  test('times that drift by a frame or jump are followed from picture to picture', () => {
    const frameCount = 60;
    const numbers = Array.from({ length: 40 }, (_, index) => 3 * index);
    const shiftAt = (picture: number): number => (picture < 8 ? 0 : picture < 25 ? 1 : 13);
    const shown = numbers.map((number, picture) =>
      pingPongFrame(7 + number + shiftAt(picture), frameCount),
    );
    const error = (picture: number, clipFrame: number): number =>
      Math.abs((shown[picture] ?? 0) - clipFrame) + 0.2;
    expect(followTimes(numbers, error, 7, frameCount)).toEqual(shown);
  });

  test('a still scene changes nothing', () => {
    const numbers = [0, 8, 16, 24];
    const plain = numbers.map((number) => pingPongFrame(5 + number, 20));
    const noise = [1, 0.95, 0.9, 0.97, 0.92];
    const error = (_: number, clipFrame: number): number => noise[clipFrame % 5] ?? 1;
    expect(followTimes(numbers, error, 5, 20)).toEqual(plain);
  });

  test('a plane is cropped from its left upper corner', () => {
    const plane: Plane = { width: 3, height: 2, pixels: Uint8Array.from([1, 2, 3, 4, 5, 6]) };
    expect([...cropped(plane, 2, 1).pixels]).toEqual([1, 2]);
    expect(cropped(plane, 3, 2)).toBe(plane);
  });
});

describe('places of greatest gain', () => {
  const width = 640;
  const height = 368;
  const flat = (value: number): Plane => ({
    width,
    height,
    pixels: new Uint8Array(width * height).fill(value),
  });

  test('the window holds what was repaired', () => {
    const source = flat(100);
    const before = flat(100);
    for (let y = 200; y < 216; y++) before.pixels.fill(150, y * width + 400, y * width + 416);
    const [best] = rankedPlaces(blockErrors(before, source), blockErrors(source, source), width);
    expect(best?.saved).toBe(16 * 16 * 50 * 50);
    expect(best?.x).toBeLessThanOrEqual(400);
    expect((best?.x ?? 0) + cropWidth).toBeGreaterThanOrEqual(416);
    expect(best?.y).toBeLessThanOrEqual(200);
    expect((best?.y ?? 0) + cropHeight).toBeGreaterThanOrEqual(216);
  });

  test('every window lies within the picture, the best first', () => {
    const places = rankedPlaces(
      blockErrors(flat(3), flat(0)),
      blockErrors(flat(1), flat(0)),
      width,
    );
    for (const [index, place] of places.entries()) {
      expect(place.x + cropWidth).toBeLessThanOrEqual(width);
      expect(place.y + cropHeight).toBeLessThanOrEqual(height);
      expect(place.saved).toBeLessThanOrEqual(places[index - 1]?.saved ?? Infinity);
    }
  });

  test('windows overlap unless they are a whole window apart', () => {
    expect(overlaps({ x: 0, y: 0 }, { x: cropWidth - 1, y: 0 })).toBe(true);
    expect(overlaps({ x: 0, y: 0 }, { x: cropWidth, y: 0 })).toBe(false);
  });
});
