// `livesr eval --plot`: one page that needs nothing else, after LiveNAS' figures 15 (what training
// costs and gains), 16 (when it trains) and 19 (the gain over time and its distribution).
import { chart, escapeMarkup, type Series } from '../demo/report/chart.ts';
import { style } from '../demo/report/style.ts';
import type { Evaluation, SchemeName } from './evaluate.ts';
import { mean, type SchemeSummary } from './summary.ts';

/** Those that have a line, and its colour where the page has none of that name. */
const colours: Partial<Record<SchemeName, string>> = {
  once: '#a3559b',
  'early-stop': '#b08a1a',
  continuous: '#7a7f87',
  adaptive: '#0b6e4f',
  persistent: '#c2414b',
  lanczos: '#8a8f96',
  jpeg: '#b4571c',
  residual: '#0b6e4f',
};

type Measured = readonly [name: SchemeName, summary: SchemeSummary];

/** Schemes whose pictures differ from those of bicubic of the same frames. */
function measured(evaluation: Evaluation): Measured[] {
  return (Object.entries(evaluation.schemes) as Measured[]).filter(
    ([name]) => !['bilinear', 'bicubic', 'ladder'].includes(name),
  );
}

function lines(
  schemes: readonly Measured[],
  points: (summary: SchemeSummary) => readonly (readonly [number, number])[],
): Series[] {
  return schemes.map(([name, summary]) => ({ name, label: name, points: points(summary) }));
}

const overBicubic = ({ perSecond }: SchemeSummary): number[] =>
  perSecond.map(({ overBicubicDb }) => overBicubicDb);

/** Mean of the seconds around each: a single one differs by its content more than by the scheme. */
function smoothed(values: readonly number[], reach: number): [number, number][] {
  return values.map((_, i) => [
    i,
    mean(values.slice(Math.max(0, i - reach), Math.min(values.length, i + reach + 1))),
  ]);
}

/** Share of the seconds with at most this gain. */
export function distribution(values: readonly number[]): [number, number][] {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted.map((value, i) => [value, ((i + 1) / sorted.length) * 100]);
}

/** Training time against gain, a mark and a name for each scheme. */
export function costAndGain(schemes: readonly Measured[]): string {
  const marks = schemes.map(([name, summary]) => ({
    name,
    x: 100 * (summary.training?.share ?? 0),
    y: mean(overBicubic(summary)),
  }));
  const [low, high] = [Math.min(...marks.map((m) => m.y)), Math.max(...marks.map((m) => m.y))];
  const [width, height, left, bottom] = [920, 260, 60, 220];
  const xOf = (x: number): number => left + (x / 100) * 720;
  const yOf = (y: number): number => bottom - 20 - ((y - low) / (high - low || 1)) * (bottom - 60);
  const drawn = marks.map(
    ({ name, x, y }) =>
      `<circle class="area series-${name}" cx="${xOf(x).toFixed(1)}" cy="${yOf(y).toFixed(1)}" r="6"/>` +
      `<text class="label series-${name}" x="${(xOf(x) + 11).toFixed(1)}" y="${(yOf(y) + 4).toFixed(1)}">` +
      `${escapeMarkup(name)} ${y.toFixed(2)} dB, ${x.toFixed(0)} %</text>`,
  );
  const ticks = [0, 25, 50, 75, 100].map(
    (tick) =>
      `<path class="grid" d="M${xOf(tick)} 20V${bottom}"/>` +
      `<text class="tick" x="${xOf(tick)}" y="${bottom + 18}" text-anchor="middle">${tick}</text>`,
  );
  return (
    `<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="Training time and gain">` +
    ticks.join('') +
    drawn.join('') +
    `<text class="unit" x="${xOf(100)}" y="${bottom + 36}" text-anchor="end">% of the time spent on training</text></svg>`
  );
}

export function plotPage(evaluation: Evaluation): string {
  const schemes = measured(evaluation);
  const trained = schemes.filter(([, { training }]) => training !== undefined);
  const title = `${evaluation.clip}, x${evaluation.scale}, ${evaluation.uplinkKbps.toFixed(0)} kbit/s`;
  const gains = lines(schemes, (summary) => smoothed(overBicubic(summary), 2));
  const shares = lines(trained, ({ training }) =>
    (training?.epochs ?? []).map(({ timeSeconds, share }) => [timeSeconds, 100 * share] as const),
  );
  const distributions = lines(schemes, (summary) => distribution(overBicubic(summary)));
  const figure = (heading: string, picture: string, note: string): string =>
    `<h2>${heading}</h2><figure>${picture}<figcaption>${note}</figcaption></figure>`;
  const more = Object.entries(colours).map(
    ([name, colour]) =>
      `.line.series-${name} { stroke: ${colour}; } .area.series-${name}, .label.series-${name} { fill: ${colour}; }`,
  );
  return (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">' +
    `<title>${escapeMarkup(title)}</title><style>${style}${more.join('')}</style></head><body><main>` +
    `<h1>When training pays</h1><p class="lead">${escapeMarkup(title)}</p>` +
    figure(
      'What training costs and gains',
      costAndGain(schemes),
      'Mean gain over bicubic of the same decoded frames, against the share of time spent training.',
    ) +
    figure(
      'Gain over time',
      chart({ title: 'Gain over time', xUnit: 's', yUnit: 'dB', series: gains }),
      'Over bicubic of the same decoded frames; means of five seconds.',
    ) +
    figure(
      'When it trains',
      chart({
        title: 'Training time',
        xUnit: 's',
        yUnit: '%',
        series: shares,
        fromZero: true,
        height: 200,
      }),
      'Share of each epoch of five seconds that was spent on training.',
    ) +
    figure(
      'Distribution of the gain',
      chart({
        title: 'Distribution of the gain',
        xUnit: 'dB',
        yUnit: '% of seconds',
        series: distributions,
        fromZero: true,
      }),
      'Share of the seconds with at most this gain over bicubic of the same decoded frames.',
    ) +
    '</main></body></html>\n'
  );
}
