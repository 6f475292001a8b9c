// The page of `livesr eval --plot`: what it draws of which scheme.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Evaluation } from '../../elements/measure/evaluate.ts';
import { costAndGain, distribution, plotPage } from '../../elements/measure/plots.ts';
import type { SchemeSummary } from '../../elements/measure/summary.ts';

const span = {
  psnrYDb: 30,
  ssim: 0.9,
  gainOverBilinearDb: 1,
  gainOverBicubicDb: 0.5,
  worstSecondOverBicubicDb: 0,
  videoKbps: 590,
  patchKbps: 0,
  patchesPerSecond: 0,
  bytesPerPatch: 0,
};

function summary(gainsDb: readonly number[], share?: number): SchemeSummary {
  return {
    ...span,
    first10s: span,
    perSecond: gainsDb.map((overBicubicDb, second) => ({
      second,
      psnrYDb: 30,
      overBicubicDb,
      videoKbps: 590,
      patchKbps: 0,
      patches: 0,
    })),
    ...(share !== undefined && {
      training: {
        share,
        epochs: [5, 10].map((timeSeconds) => ({ timeSeconds, state: 'training', steps: 9, share })),
      },
    }),
  };
}

const evaluation: Evaluation = {
  clip: 'a <b>.mp4',
  scale: 2,
  uplinkKbps: 600,
  seconds: 10,
  schemes: {
    bicubic: summary([0, 0, 0]),
    generic: summary([0.5, 0.5, 0.5]),
    continuous: summary([1, 2, 3], 1),
    adaptive: summary([1, 2, 2.7], 0.35),
  },
};

describe('the plots of an evaluation', () => {
  test('show each scheme but bicubic, with its training time and its gain', () => {
    const page = plotPage(evaluation);
    expect(page).toContain('adaptive 1.90 dB, 35 %');
    expect(page).toContain('continuous 2.00 dB, 100 %');
    expect(page).toContain('generic 0.50 dB, 0 %');
    expect(page).not.toContain('line series-bicubic"');
    expect(page.match(/class="line series-adaptive"/g)).toHaveLength(3);
    expect(page.match(/class="line series-generic"/g)).toHaveLength(2);
    expect(page).toContain('a &lt;b&gt;.mp4');
    expect(page).not.toContain('NaN');
  });

  test('place more training further right and more gain higher', () => {
    const drawn = costAndGain([
      ['once', summary([1], 0.1)],
      ['continuous', summary([2], 1)],
    ]);
    const marks = [...drawn.matchAll(/cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [
      Number(x),
      Number(y),
    ]);
    expect(marks[0]?.[0]).toBeLessThan(marks[1]?.[0] ?? 0);
    expect(marks[0]?.[1]).toBeGreaterThan(marks[1]?.[1] ?? Infinity);
  });

  test('a distribution rises to all of the seconds and keeps each of them', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true }), { minLength: 1 }), (values) => {
        const points = distribution(values);
        expect(points.map(([x]) => x)).toEqual(values.toSorted((a, b) => a - b));
        expect(points.at(-1)?.[1]).toBe(100);
        for (const [i, [, y]] of points.entries()) {
          expect(y).toBeGreaterThan(points[i - 1]?.[1] ?? 0);
        }
      }),
    );
  });
});
