// The little of SVG that the rendered pages are written in.
import type { Random } from './random.ts';

export const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const number = (value: number): string => String(Math.round(value * 100) / 100);

export const rect = (
  x: number,
  y: number,
  width: number,
  height: number,
  fill: string,
  more = '',
): string =>
  `<rect x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}" fill="${fill}" ${more}/>`;

export const circle = (x: number, y: number, radius: number, fill: string, more = ''): string =>
  `<circle cx="${number(x)}" cy="${number(y)}" r="${number(radius)}" fill="${fill}" ${more}/>`;

export const line = (
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  stroke: string,
  width = 1,
  more = '',
): string =>
  `<line x1="${number(x1)}" y1="${number(y1)}" x2="${number(x2)}" y2="${number(y2)}" stroke="${stroke}" stroke-width="${number(width)}" ${more}/>`;

export type Point = readonly [x: number, y: number];

export const polygon = (points: readonly Point[], fill: string, more = ''): string =>
  `<polygon points="${points.map(([x, y]) => `${number(x)},${number(y)}`).join(' ')}" fill="${fill}" ${more}/>`;

export const polyline = (
  points: readonly Point[],
  stroke: string,
  width: number,
  more = '',
): string =>
  `<polyline points="${points.map(([x, y]) => `${number(x)},${number(y)}`).join(' ')}" fill="none" stroke="${stroke}" stroke-width="${number(width)}" ${more}/>`;

/** A closed smooth outline through the points. */
export const blob = (points: readonly Point[], fill: string, more = ''): string => {
  const count = points.length;
  const at = (index: number): Point => points[((index % count) + count) % count] ?? [0, 0];
  const middle = (a: Point, b: Point): Point => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  const start = middle(at(-1), at(0));
  const curves = points.map((control, index) => {
    const end = middle(control, at(index + 1));
    return `Q${number(control[0])} ${number(control[1])} ${number(end[0])} ${number(end[1])}`;
  });
  return `<path d="M${number(start[0])} ${number(start[1])}${curves.join('')}Z" fill="${fill}" ${more}/>`;
};

export interface TextStyle {
  family: string;
  size: number;
  fill: string;
  more?: string;
}

export const text = (x: number, y: number, content: string, style: TextStyle): string =>
  `<text x="${number(x)}" y="${number(y)}" font-family="${style.family}" font-size="${number(style.size)}" fill="${style.fill}" xml:space="preserve" ${style.more ?? ''}>${escapeText(content)}</text>`;

export const svg = (width: number, height: number, body: string, definitions = ''): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"><defs>${definitions}</defs>${body}</svg>`;

export const hsl = (hue: number, saturation: number, lightness: number): string => {
  // Written out as rgb(): one less thing on which two versions of the renderer may differ.
  const s = saturation / 100;
  const l = lightness / 100;
  const channel = (offset: number): number => {
    const k = (offset + hue / 30) % 12;
    return Math.round(255 * (l - s * Math.min(l, 1 - l) * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return `rgb(${channel(0)},${channel(8)},${channel(4)})`;
};

export interface Palette {
  background: string;
  surface: string;
  ink: string;
  faint: string;
  accents: readonly string[];
  dark: boolean;
}

/** A set of colours such as programs and games use: dark or light, a few strong accents. */
export const palette = (random: Random): Palette => {
  const dark = random.chance(0.5);
  const hue = random.between(0, 360);
  const tint = random.pick([0, 0, 4, 12, 30]);
  const base = dark ? random.between(2, 22) : random.between(84, 100);
  const step = dark ? random.between(4, 12) : -random.between(3, 10);
  // From full contrast down to what designers get away with.
  const ink = dark ? random.between(70, 100) : random.between(0, 35);
  return {
    dark,
    background: hsl(hue, tint, base),
    surface: hsl(hue, tint, base + step),
    ink: hsl(hue, tint / 2, ink),
    faint: hsl(hue, tint / 2, (ink + base) / 2),
    accents: Array.from({ length: 5 }, () =>
      hsl(random.between(0, 360), random.between(40, 100), random.between(30, 70)),
    ),
  };
};

/** Families of the packages fonts-dejavu-core, fonts-dejavu-extra and fonts-urw-base35. */
export const proportionalFamilies = [
  'DejaVu Sans',
  'DejaVu Sans Condensed',
  'DejaVu Serif',
  'Nimbus Sans',
  'Nimbus Sans',
  'Nimbus Sans',
  'Nimbus Sans Narrow',
  'Nimbus Roman',
  'C059',
  'P052',
  'URW Bookman',
  'URW Gothic',
] as const;

export const fixedFamilies = ['DejaVu Sans Mono', 'DejaVu Sans Mono', 'Nimbus Mono PS'] as const;

/** How a run of text is set: mostly plain, sometimes bold, slanted, spaced or without antialiasing. */
export const textVariant = (random: Random): string => {
  const rules: string[] = [];
  if (random.chance(0.25)) rules.push('font-weight:bold');
  if (random.chance(0.1)) rules.push('font-style:italic');
  if (random.chance(0.1)) rules.push(`letter-spacing:${random.between(0, 3).toFixed(1)}px`);
  if (random.chance(0.08)) rules.push('text-rendering:optimizeSpeed');
  return `style="${rules.join(';')}"`;
};
