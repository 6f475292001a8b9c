// Line and area charts as SVG text. Colours come from the page's style sheet (`series-NAME`), so that
// a chart follows light and dark.

export interface Series {
  /** Class of the line (`series-NAME`) and, unless there is a label, what the legend calls it. */
  readonly name: string;
  readonly label: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface ChartOptions {
  /** Said by screen readers, and by the axis. */
  readonly title: string;
  readonly xUnit: string;
  readonly yUnit: string;
  readonly series: readonly Series[];
  /** Lines between points, or areas that stand on one another. */
  readonly kind?: 'lines' | 'stacked';
  readonly height?: number;
  /** The vertical axis starts at zero; stacked charts always do. */
  readonly fromZero?: boolean;
  /** Points before this do not stretch the vertical axis; what lies outside of it is cut off. */
  readonly scaleFromX?: number;
}

const width = 920;
const margin = { top: 28, right: 128, bottom: 34, left: 52 };
const labelHeight = 16;

/** A round step that divides `span` into about `count` parts, 8/5 of them at the most. */
export function tickStep(span: number, count: number): number {
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const ratio = rough / power;
  return power * (ratio < 1.5 ? 1 : ratio < 3.2 ? 2 : ratio < 7.5 ? 5 : 10);
}

/** Round values from at or below `low` to at or above `high`. */
export function ticks(low: number, high: number, count: number): number[] {
  const step = tickStep(Math.max(high - low, 1e-9), count);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

export function escapeMarkup(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => escapes[character] ?? character);
}

/** Moves labels apart that would overlap, keeping their order. */
function spread(positions: readonly number[], low: number, high: number): number[] {
  const order = positions
    .map((_, i) => i)
    .sort((a, b) => (positions[a] ?? 0) - (positions[b] ?? 0) || b - a);
  const placed = [...positions];
  let next = low;
  for (const index of order) {
    placed[index] = Math.max(placed[index] ?? 0, next);
    next = (placed[index] ?? 0) + labelHeight;
  }
  let limit = high;
  for (const index of order.reverse()) {
    placed[index] = Math.min(placed[index] ?? 0, limit);
    limit = (placed[index] ?? 0) - labelHeight;
  }
  return placed;
}

/** Each series' points raised by those below it. */
function stack(series: readonly Series[]): Series[] {
  const below = new Map<number, number>();
  return series.map((one) => ({
    ...one,
    points: one.points.map(([x, y]) => {
      const top = (below.get(x) ?? 0) + y;
      below.set(x, top);
      return [x, top] as const;
    }),
  }));
}

export function chart(options: ChartOptions): string {
  const { height = 300, kind = 'lines' } = options;
  const series = kind === 'stacked' ? stack(options.series) : options.series;
  const points = series.flatMap((one) => one.points).filter(([, y]) => Number.isFinite(y));
  if (points.length === 0) return `<p class="empty">${escapeMarkup(options.title)}: no data</p>`;
  const xs = points.map(([x]) => x);
  const scaling = points.filter(([x]) => x >= (options.scaleFromX ?? -Infinity));
  const ys = (scaling.length > 0 ? scaling : points).map(([, y]) => y);
  const lowest = kind === 'stacked' || options.fromZero === true ? 0 : Math.min(...ys);
  const yTicks = ticks(Math.min(lowest, ...ys), Math.max(...ys), 5);
  const [xLow, xHigh] = [Math.min(0, ...xs), Math.max(...xs)];
  const xTicks = ticks(xLow, xHigh, 9).filter((tick) => tick <= xHigh + 1e-9);
  const [yLow = 0, yHigh = 1] = [yTicks[0], yTicks.at(-1)];

  const bottom = height - margin.bottom;
  const xOf = (x: number): number =>
    margin.left + ((x - xLow) / (xHigh - xLow || 1)) * (width - margin.left - margin.right);
  const yOf = (y: number): number =>
    bottom - ((y - yLow) / (yHigh - yLow || 1)) * (bottom - margin.top);
  const at = ([x, y]: readonly [number, number]): string => `${xOf(x).toFixed(1)} ${yOf(y).toFixed(1)}`;
  const step = (yTicks[1] ?? yHigh) - yLow;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));

  const grid = yTicks.map(
    (tick) =>
      `<path class="grid" d="M${margin.left} ${yOf(tick).toFixed(1)}H${width - margin.right}"/>` +
      `<text class="tick" x="${margin.left - 8}" y="${(yOf(tick) + 4).toFixed(1)}" text-anchor="end">${tick.toFixed(digits)}</text>`,
  );
  const foot = xTicks.map(
    (tick) =>
      `<text class="tick" x="${xOf(tick).toFixed(1)}" y="${bottom + 18}" text-anchor="middle">${Number(tick.toFixed(6))}</text>`,
  );
  const drawn = series.map((one, index) => {
    const finite = one.points.filter(([, y]) => Number.isFinite(y));
    if (finite.length === 0) return '';
    const line = `M${finite.map(at).join('L')}`;
    if (kind === 'lines') return `<path class="line series-${one.name}" d="${line}"/>`;
    const floor = series[index - 1]?.points ?? one.points.map(([x]) => [x, 0] as const);
    const back = [...floor].reverse().map(at).join('L');
    return `<path class="area series-${one.name}" d="${line}L${back}Z"/>`;
  });
  const ends = series.map((one) =>
    yOf(one.points.findLast(([, y]) => Number.isFinite(y))?.[1] ?? 0),
  );
  const labels = spread(ends, margin.top + 4, bottom).map((y, index) => {
    const one = series[index];
    return one === undefined
      ? ''
      : `<text class="label series-${one.name}" x="${width - margin.right + 8}" y="${(y + 4).toFixed(1)}">${escapeMarkup(one.label)}</text>`;
  });
  return (
    `<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeMarkup(options.title)}">` +
    grid.join('') +
    foot.join('') +
    `<text class="unit" x="${margin.left - 8}" y="12" text-anchor="end">${escapeMarkup(options.yUnit)}</text>` +
    `<text class="unit" x="${width - margin.right}" y="${bottom + 32}" text-anchor="end">${escapeMarkup(options.xUnit)}</text>` +
    // An inner drawing, because it cuts off what lies outside of it.
    `<svg x="0" y="${margin.top - 2}" width="${width}" height="${bottom - margin.top + 4}" viewBox="0 ${margin.top - 2} ${width} ${bottom - margin.top + 4}">` +
    drawn.reverse().join('') +
    '</svg>' +
    labels.join('') +
    '</svg>'
  );
}
