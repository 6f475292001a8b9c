// What fixed-point inference costs in quality, measured on the generic networks: nearly nothing.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testPicture } from '../../elements/bench/data.ts';
import { native } from '../../elements/bridge/index.ts';

const folder = 'models';
const models = existsSync(folder)
  ? readdirSync(folder).filter((name) => name.endsWith('.onnx'))
  : [];

function meanSquaredError(truth: Uint8Array, level: (index: number) => number): number {
  return truth.reduce((sum, value, i) => sum + (value - level(i)) ** 2, 0) / truth.length;
}

describe('fixed point', () => {
  it('has generic networks to be measured on', () => {
    expect(models.length).toBeGreaterThanOrEqual(3);
  });

  for (const name of models) {
    it(`stays within a grey level of float and loses under 0.01 dB with ${name}`, () => {
      const core = native();
      const { architecture, parameters } = core.loadModel(readFileSync(join(folder, name)));
      const { scale } = architecture;
      const width = 96;
      const height = 72;
      const truth = testPicture(width * scale, height * scale);
      const high = { pixels: truth, width: width * scale, height: height * scale };
      const pixels = core.resample('bicubic', high, width, height);
      const bytes = core.enhance(architecture, parameters, { pixels, width, height });
      const low = Float32Array.from(pixels, (value) => value / 255);
      const exact = core
        .enhanceFloat(architecture, parameters, low, width, height)
        .map((value) => 255 * Math.min(1, Math.max(0, value)));

      let apart = 0;
      let largest = 0;
      bytes.forEach((value, i) => {
        const distance = Math.abs(value - Math.round(exact[i] ?? Number.NaN));
        if (distance > 0) apart += 1;
        largest = Math.max(largest, distance);
      });
      expect(largest).toBeLessThanOrEqual(1);
      expect(apart / bytes.length).toBeLessThan(0.03);

      // Both rounded to 8 bits, so that the difference is fixed point's alone.
      const ofFixed = meanSquaredError(truth, (i) => bytes[i] ?? Number.NaN);
      const ofFloat = meanSquaredError(truth, (i) => Math.round(exact[i] ?? Number.NaN));
      expect(core.psnrDb(ofFloat) - core.psnrDb(ofFixed)).toBeLessThan(0.01);
    });
  }
});
