// Programs on a screen: windows, menus, buttons, sliders, icons over a wallpaper.
import type { Random } from '../random.ts';
import {
  circle,
  hsl,
  line,
  palette,
  polygon,
  proportionalFamilies,
  rect,
  svg,
  text,
  type Palette,
} from '../svg.ts';
import { figure, heading, label, sentence } from '../words.ts';

const wallpaper = (random: Random, width: number, height: number): [string, string] => {
  const hue = random.between(0, 360);
  const first = hsl(hue, random.between(10, 80), random.between(10, 70));
  const second = hsl(hue + random.between(20, 120), random.between(10, 80), random.between(10, 70));
  const gradient = `<linearGradient id="wall" x2="${random.pick([0, 1])}" y2="1"><stop stop-color="${first}"/><stop offset="1" stop-color="${second}"/></linearGradient>`;
  const parts = [rect(0, 0, width, height, 'url(#wall)')];
  for (let i = random.whole(0, 5); i > 0; i--)
    parts.push(
      circle(
        random.between(0, width),
        random.between(0, height),
        random.between(40, 300),
        random.chance(0.5) ? first : second,
        `opacity="${random.between(0.1, 0.6).toFixed(2)}"`,
      ),
    );
  return [gradient, parts.join('')];
};

const icon = (random: Random, x: number, y: number, size: number, colours: Palette): string => {
  const fill = random.pick(colours.accents);
  const s = size;
  switch (random.whole(0, 5)) {
    case 0:
      return circle(x + s / 2, y + s / 2, s / 2.4, fill);
    case 1:
      return rect(x + 1, y + 1, s - 2, s - 2, fill, `rx="${Math.round(s / 5)}"`);
    case 2:
      return polygon(
        [
          [x, y + s],
          [x + s / 2, y],
          [x + s, y + s],
        ],
        fill,
      );
    case 3:
      return [0.2, 0.5, 0.8]
        .map((at) => rect(x, Math.round(y + s * at), s, Math.max(1, s / 9), colours.ink))
        .join('');
    case 4:
      return (
        line(x + 2, y + 2, x + s - 2, y + s - 2, colours.ink, s / 9) +
        line(x + s - 2, y + 2, x + 2, y + s - 2, colours.ink, s / 9)
      );
    default:
      return (
        `<rect x="${x + 1.5}" y="${y + 1.5}" width="${s - 3}" height="${s - 3}" fill="none" stroke="${colours.ink}" stroke-width="${random.pick([1, 2])}"/>` +
        line(x + s * 0.25, y + s * 0.5, x + s * 0.45, y + s * 0.7, fill, 2) +
        line(x + s * 0.45, y + s * 0.7, x + s * 0.8, y + s * 0.25, fill, 2)
      );
  }
};

const control = (
  random: Random,
  x: number,
  y: number,
  width: number,
  family: string,
  size: number,
  colours: Palette,
): string => {
  const accent = random.pick(colours.accents);
  const style = { family, size, fill: colours.ink };
  const height = Math.round(size * 1.9);
  const round = random.pick([0, 3, 3, height / 2]);
  const outline = `stroke="${colours.faint}" stroke-width="1"`;
  const w = Math.round(width);
  switch (random.whole(0, 7)) {
    case 0:
      return (
        rect(x, y, w, height, accent, `rx="${round}"`) +
        text(x + 8, y + height * 0.68, label(random), {
          ...style,
          fill: colours.dark ? '#fff' : '#fafafa',
        })
      );
    case 1:
      return (
        rect(x + 0.5, y + 0.5, w, height, colours.background, `rx="${round}" ${outline}`) +
        text(x + 8, y + height * 0.68, sentence(random, 2), style)
      );
    case 2: {
      const at = random.between(0.1, 0.9) * w;
      return (
        rect(x, y + height / 2 - 2, w, 4, colours.faint, 'rx="2"') +
        rect(x, y + height / 2 - 2, at, 4, accent, 'rx="2"') +
        circle(x + at, y + height / 2, size * 0.5, colours.ink)
      );
    }
    case 3:
      return (
        rect(x, y, w, height, colours.background, outline) +
        rect(x + 1, y + 1, w * random.unit(), height - 2, accent) +
        text(x + w / 2, y + height * 0.68, figure(random), style)
      );
    case 4:
      return (
        icon(random, x, y + 2, size + 2, colours) +
        text(x + size + 10, y + height * 0.68, label(random), style)
      );
    case 5:
      return (
        rect(
          x,
          y,
          height * 1.7,
          height,
          random.chance(0.5) ? accent : colours.faint,
          `rx="${height / 2}"`,
        ) +
        circle(x + height * 1.15, y + height / 2, height * 0.4, '#fff') +
        text(x + height * 2, y + height * 0.68, label(random), style)
      );
    case 6:
      return text(x, y + height * 0.68, `${label(random)}: ${figure(random)}`, style);
    default:
      return line(
        x,
        Math.round(y + height / 2) + 0.5,
        x + w,
        Math.round(y + height / 2) + 0.5,
        colours.faint,
      );
  }
};

const windowAt = (random: Random, x: number, y: number, width: number, height: number): string => {
  const colours = palette(random);
  const family = random.pick(proportionalFamilies);
  const size = random.whole(10, 16);
  const bar = random.whole(22, 36);
  const round = random.pick([0, 0, 6, 10]);
  const parts: string[] = [];
  if (random.chance(0.6))
    parts.push(
      rect(x - 3, y + 2, width + 6, height + 4, '#000', `opacity="0.25" rx="${round + 3}"`),
    );
  parts.push(rect(x, y, width, height, colours.background, `rx="${round}"`));
  parts.push(rect(x, y, width, bar, colours.surface));
  parts.push(
    text(x + 10, y + bar * 0.68, heading(random), {
      family,
      size,
      fill: colours.ink,
      more: 'font-weight="bold"',
    }),
  );
  for (let i = 0; i < 3; i++)
    parts.push(icon(random, x + width - 24 - i * 22, y + Math.round(bar / 2) - 6, 12, colours));
  const side = random.chance(0.5) ? Math.round(width * 0.25) : 0;
  if (side > 0) {
    parts.push(rect(x, y + bar, side, height - bar, colours.surface));
    for (let at = y + bar + 8; at < y + height - size * 2; at += Math.round(size * 2)) {
      if (random.chance(0.15))
        parts.push(rect(x, at - 3, side, size * 2, random.pick(colours.accents)));
      parts.push(icon(random, x + 6, at, size, colours));
      parts.push(
        text(x + size + 14, at + size * 0.9, label(random), { family, size, fill: colours.ink }),
      );
    }
  }
  const columns = random.whole(1, 3);
  const columnWidth = (width - side - 16) / columns;
  for (let column = 0; column < columns; column++)
    for (let at = y + bar + 10; at < y + height - size * 2.4; at += Math.round(size * 2.5))
      parts.push(
        control(
          random,
          Math.round(x + side + 10 + column * columnWidth),
          at,
          columnWidth * random.between(0.4, 0.85),
          family,
          size,
          colours,
        ),
      );
  parts.push(
    `<rect x="${x + 0.5}" y="${y + 0.5}" width="${width - 1}" height="${height - 1}" rx="${round}" fill="none" stroke="${colours.faint}"/>`,
  );
  return `<svg x="0" y="0"><clipPath id="w${x}-${y}"><rect x="${x - 4}" y="${y - 4}" width="${width + 8}" height="${height + 12}"/></clipPath><g clip-path="url(#w${x}-${y})">${parts.join('')}</g></svg>`;
};

/** A desktop with a few windows on it. */
export const desktopPage = (random: Random, width: number, height: number): string => {
  const [gradient, wall] = wallpaper(random, width, height);
  const parts = [wall];
  for (let count = random.whole(2, 5); count > 0; count--) {
    const w = random.whole(220, Math.round(width * 0.8));
    const h = random.whole(160, Math.round(height * 0.8));
    parts.push(
      windowAt(random, random.whole(-40, width - 150), random.whole(0, height - 120), w, h),
    );
  }
  const colours = palette(random);
  parts.push(rect(0, height - 34, width, 34, colours.background));
  for (let x = 10; x < width; x += 40) parts.push(icon(random, x, height - 28, 22, colours));
  return svg(width, height, parts.join(''), gradient);
};
