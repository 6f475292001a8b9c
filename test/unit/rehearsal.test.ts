// The pictures that training rehearses: what they are, and that they do what they are for.
import { describe, expect, it } from 'vitest';
import { marginOf, native } from '../../elements/bridge/index.ts';
import { makeRehearsal } from '../../elements/sr-enhancer/rehearsal.ts';

const architecture = { scale: 3, channels: 8, layers: 3 };
const core = native();
const margin = marginOf(architecture);
const fresh = core.makeNetwork(architecture, 3);
// The last layer is zero in a fresh network: with this the answers are not bicubic's.
const generic = fresh.map((value, i) => (value === 0 ? 0.02 * Math.sin(i) : value));

function isFlat(pixels: Uint8Array): boolean {
  return pixels.every((value) => value === pixels[0]);
}

describe('the rehearsal', () => {
  const { pairs, exact } = makeRehearsal(core, architecture, generic);
  const flat = pairs.filter(({ high }) => isFlat(high));
  const drawn = pairs.filter(({ low }) => !isFlat(low));

  it('has pairs of the size that the trainer takes', () => {
    const trainer = new core.Trainer(architecture, generic);
    for (const pair of pairs) trainer.add(pair);
    expect(trainer.size).toBe(pairs.length);
    expect(drawn.length).toBeGreaterThan(flat.length);
  });

  it('shows flat pictures of levels over the whole range, and asks for the same level', () => {
    expect(flat.every(({ low, high }) => isFlat(low) && low[0] === high[0])).toBe(true);
    const levels = flat.map(({ high }) => high[0] ?? -1).sort((a, b) => a - b);
    expect([levels[0], levels.at(-1)]).toEqual([0, 255]);
    const gaps = levels.slice(1).map((level, i) => level - (levels[i] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(32);
  });

  it('marks black, white and the ends of the video range as those to be exact', () => {
    expect(exact.map((index) => pairs[index]?.high[0])).toEqual([0, 16, 235, 255]);
    expect(exact.every((index) => isFlat(pairs[index]?.high ?? new Uint8Array([0, 1])))).toBe(true);
  });

  it('asks for what the generic network makes of each drawn picture by itself', () => {
    for (const { low, high, width } of drawn.filter((_, i) => i % 7 === 0)) {
      const lowSide = width / architecture.scale + 2 * margin;
      const plane = { pixels: low, width: lowSide, height: lowSide };
      const whole = core.enhance(architecture, generic, plane);
      const offset = margin * architecture.scale;
      const middle = Uint8Array.from({ length: width ** 2 }, (_, i) => {
        const row = offset + Math.floor(i / width);
        return whole[row * lowSide * architecture.scale + offset + (i % width)] ?? 0;
      });
      expect(high).toEqual(middle);
    }
  });

  it('draws pictures of many kinds, none like another', () => {
    const distinct = new Set(drawn.map(({ low }) => Buffer.from(low).toString('latin1')));
    expect(distinct.size).toBe(drawn.length);
    const means = drawn.map(({ low }) => low.reduce((sum, v) => sum + v, 0) / low.length);
    expect(Math.max(...means) - Math.min(...means)).toBeGreaterThan(80);
  });

  it('is the same every time, and follows the generic weights', () => {
    expect(makeRehearsal(core, architecture, generic)).toEqual({ pairs, exact });
    const other = makeRehearsal(core, architecture, fresh).pairs;
    expect(other.map(({ low }) => low)).toEqual(pairs.map(({ low }) => low));
    expect(other.map(({ high }) => high)).not.toEqual(pairs.map(({ high }) => high));
  });
});
