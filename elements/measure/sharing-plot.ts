// `livesr eval --trace --plot`: one page that shows, clip by clip, what the uplink carried, what video
// and patches took of it, and the gradients by which the scheduler decided.
import { basename } from 'node:path';
import { chart, escapeMarkup, type Series } from '../demo/report/chart.ts';
import { style } from '../demo/report/style.ts';
import type { ContestEvaluation } from './contest.ts';
import type { MeasuredScheme } from './evaluate.ts';
import { optimumSeconds, type SharingSummary } from './sharing.ts';
import { mean } from './summary.ts';

const colours = {
  uplink: '#8a8f96',
  sent: '#c2414b',
  planned: '#b08a1a',
  optimum: '#a3559b',
  'by-patches': '#0b6e4f',
  'by-video': '#2f6fb0',
} as const;

/** The scheduler goes by a difference of 1 dB at most. */
const mostGradientDb = 1;

type Point = readonly [x: number, y: number];

/** A rate that holds from each time to the next, as corners of a line. */
export function steps(points: readonly Point[], endSeconds: number): Point[] {
  return points.flatMap(([x, y], i): Point[] => [
    [x, y],
    [points[i + 1]?.[0] ?? endSeconds, y],
  ]);
}

function ratesOf(scheme: MeasuredScheme, sharing: SharingSummary, seconds: number): Series[] {
  const sent = scheme.perSecond;
  return [
    {
      name: 'uplink',
      label: 'uplink',
      points: steps(
        sharing.plans.map(({ timeSeconds, uplinkBps }) => [timeSeconds, uplinkBps / 1000]),
        seconds,
      ),
    },
    {
      name: 'sent',
      label: 'all that is sent',
      points: sent.map(({ second, videoKbps, patchKbps }) => [second + 0.5, videoKbps + patchKbps]),
    },
    {
      name: 'video',
      label: 'video',
      points: sent.map(({ second, videoKbps }) => [second + 0.5, videoKbps]),
    },
  ];
}

function patchesOf(
  scheme: MeasuredScheme,
  { plans }: SharingSummary,
  optimal: SharingSummary | undefined,
  seconds: number,
): Series[] {
  const windows = optimal?.windowsKbps ?? [];
  return [
    {
      name: 'patches',
      label: 'sent',
      points: scheme.perSecond.map(({ second }) => [
        second + 0.5,
        mean(
          scheme.perSecond
            .filter((other) => Math.abs(other.second - second) <= 1)
            .map(({ patchKbps }) => patchKbps),
        ),
      ]),
    },
    {
      name: 'planned',
      label: 'planned',
      points: steps(
        plans.map(({ timeSeconds, patchBps }) => [timeSeconds, patchBps / 1000]),
        seconds,
      ),
    },
    ...(windows.length > 0
      ? [
          {
            name: 'optimum',
            label: 'optimum',
            points: steps(
              windows.map((kbps, i) => [i * optimumSeconds, kbps]),
              seconds,
            ),
          },
        ]
      : []),
  ];
}

function gradientsOf({ plans }: SharingSummary): Series[] {
  const points = (value: (plan: SharingSummary['plans'][number]) => number | null): Point[] =>
    plans.map((plan) => [plan.timeSeconds, Math.min(mostGradientDb, value(plan) ?? NaN)]);
  return [
    { name: 'by-patches', label: 'by patches', points: points((p) => p.gainByPatchesDb) },
    { name: 'by-video', label: 'by video', points: points((p) => p.gainByVideoDb) },
  ];
}

function section(evaluation: ContestEvaluation): string {
  const { clip, trace, uplinkKbps, seconds, schemes } = evaluation;
  const { scheduled } = schemes;
  if (scheduled?.sharing === undefined) return '';
  const { sharing } = scheduled;
  const figure = (picture: string, note: string): string =>
    `<figure>${picture}<figcaption>${note}</figcaption></figure>`;
  return (
    `<h2>${escapeMarkup(basename(clip))} over ${escapeMarkup(basename(trace))}, ${uplinkKbps.toFixed(0)} kbit/s</h2>` +
    figure(
      chart({
        title: 'Uplink and video',
        xUnit: 's',
        yUnit: 'kbit/s',
        series: ratesOf(scheduled, sharing, seconds),
        fromZero: true,
      }),
      'What the uplink carries, and what was sent, second by second.',
    ) +
    figure(
      chart({
        title: 'Patches',
        xUnit: 's',
        yUnit: 'kbit/s',
        series: patchesOf(scheduled, sharing, schemes.optimal?.sharing, seconds),
        fromZero: true,
        height: 200,
      }),
      `Patches as sent (means of 3 s) and as planned, and the constant rate that showed the best picture in each ${optimumSeconds} s.`,
    ) +
    figure(
      chart({
        title: 'Gradients',
        xUnit: 's',
        yUnit: 'dB',
        series: gradientsOf(sharing),
        fromZero: true,
        height: 200,
      }),
      `What a further 100 kbit/s would gain, cut off at ${mostGradientDb} dB: patches get more while theirs is above.`,
    )
  );
}

export function sharingPage(evaluations: readonly ContestEvaluation[]): string {
  const more = Object.entries(colours).map(
    ([name, colour]) =>
      `.line.series-${name} { stroke: ${colour}; } .label.series-${name} { fill: ${colour}; }`,
  );
  const schemes = '.line.series-uplink { stroke-dasharray: 7 4; }';
  return (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>The scheduler</title>' +
    `<style>${style}${more.join('')}${schemes}</style></head><body><main>` +
    '<h1>What the scheduler did</h1>' +
    evaluations.map(section).join('') +
    '</main></body></html>\n'
  );
}
