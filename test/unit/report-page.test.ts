import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chart, ticks } from '../../elements/demo/report/chart.ts';
import { span, type DemoFigures, type SampledFrame } from '../../elements/demo/report/figures.ts';
import { reportPage } from '../../elements/demo/report/page.ts';

const samples: SampledFrame[] = Array.from({ length: 60 }, (_, index) => ({
  timeSeconds: index / 2,
  clipFrame: index,
  psnrDb: { bilinear: 29, bicubic: 30, generic: 30.5, online: index < 20 ? 31 : 32 },
}));

const figures: DemoFigures = {
  clip: 'a <clip> & more.mp4',
  width: 1280,
  height: 720,
  framesPerSecond: 25,
  scale: 2,
  uplinkKbps: 600,
  seconds: 30,
  machine: { cpu: 'CPU', cores: 2, kernels: 'avx2' },
  pipelines: { sender: 'a ! b', server: 'c ! d' },
  frames: { shown: 750, late: 0 },
  engineRestarts: 0,
  whole: span(samples, 0, 30),
  first: span(samples, 0, 10),
  last: span(samples, 20, 30),
  samples,
  observations: [1, 2].map((timeSeconds) => ({
    timeSeconds,
    framesPerSecond: 25,
    videoKbps: 550,
    patchKbps: 45,
    addedLatencyMs: 9,
    addedLatencyP99Ms: 12.5,
    trainingState: 'training',
    modelInUse: 'online',
    heldOutGainDb: 1,
  })),
  crops: [],
};

describe('report', () => {
  const page = reportPage(figures);

  test('its headline is the gain over bicubic in the last ten seconds', () => {
    expect(page).toContain('<h1>+2.00 dB over bicubic after 20 seconds of learning</h1>');
  });

  test('a loss is called a loss', () => {
    const psnrDb = { bilinear: 29, bicubic: 30, generic: 29, online: 29.5 };
    const worse = span([{ timeSeconds: 21, clipFrame: 0, psnrDb }], 20, 30);
    expect(reportPage({ ...figures, last: worse })).toContain('<h1>−0.50 dB');
  });

  test('names from outside cannot become markup', () => {
    expect(page).toContain('a &lt;clip&gt; &amp; more.mp4');
    expect(page).not.toContain('<clip>');
  });

  test('the page needs nothing from outside itself', () => {
    expect(page).not.toMatch(/(?:src|href)="(?!data:)|url\(|@import|<script/);
  });

  test('every tag that is opened is closed', () => {
    const open: string[] = [];
    for (const [, close, name = '', rest = ''] of page.matchAll(/<(\/?)([a-z0-9]+)([^>]*)>/g)) {
      if (close === '/') expect(open.pop()).toBe(name);
      else if (!rest.endsWith('/') && !['meta', 'img'].includes(name)) open.push(name);
    }
    expect(open).toEqual([]);
  });
});

describe('chart', () => {
  test('ticks are round, rise evenly and enclose the values', () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(value, fc.double({ min: 1e-3, max: 1e6, noNaN: true }), (low, extent) => {
        const list = ticks(low, low + extent, 5);
        expect(list.length).toBeGreaterThanOrEqual(2);
        expect(list.length).toBeLessThanOrEqual(10);
        expect(list[0]).toBeLessThanOrEqual(low + 1e-6 * extent);
        expect(list.at(-1)).toBeGreaterThanOrEqual(low + extent - 1e-6 * extent);
      }),
    );
  });

  test('gaps in a series leave no "NaN" in the drawing', () => {
    const drawing = chart({
      title: 't',
      xUnit: 's',
      yUnit: 'dB',
      series: [
        {
          name: 'online',
          label: 'online',
          points: [
            [0, 1],
            [1, NaN],
            [2, 3],
          ],
        },
      ],
    });
    expect(drawing).toContain('<path class="line');
    expect(drawing).not.toContain('NaN');
  });

  test('a chart without a single value says so', () => {
    expect(chart({ title: 'Gain', xUnit: 's', yUnit: 'dB', series: [] })).toContain(
      'Gain: no data',
    );
  });

  test('the labels of the axis differ from one another', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -50, max: 50, noNaN: true }),
        fc.double({ min: 1e-3, max: 60, noNaN: true }),
        (low, extent) => {
          const points = [
            [0, low],
            [1, low + extent],
          ] as const;
          const series = [{ name: 'online', label: 'online', points }];
          const drawing = chart({ title: 't', xUnit: 's', yUnit: 'dB', series });
          const labels = [...drawing.matchAll(/text-anchor="end">(-?[\d.]+)</g)].map(([, l]) => l);
          expect(labels.length).toBeGreaterThanOrEqual(2);
          expect(new Set(labels).size).toBe(labels.length);
        },
      ),
    );
  });

  test('stacked areas stand on one another', () => {
    const points = [[0, 10]] as const;
    const drawing = chart({
      title: 't',
      xUnit: 's',
      yUnit: 'kbit/s',
      kind: 'stacked',
      series: [
        { name: 'video', label: 'video', points },
        { name: 'patches', label: 'patches', points },
      ],
    });
    expect(drawing).toContain('>20</text>');
  });
});
