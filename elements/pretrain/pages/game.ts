// Games: a scene of shaded and textured surfaces or of large pixels, under a head-up display.
import type { Random } from '../random.ts';
import {
  circle,
  fixedFamilies,
  hsl,
  line,
  palette,
  polygon,
  proportionalFamilies,
  rect,
  svg,
  text,
  type Point,
} from '../svg.ts';
import { figure, label, sentence } from '../words.ts';

/** Definitions of a few surfaces: bricks, planks, checks, grain; used by `url(#surfaceN)`. */
const surfaces = (random: Random): string[] =>
  Array.from({ length: 4 }, (_, index) => {
    const hue = random.between(0, 360);
    const tone = (offset: number): string =>
      hsl(hue, random.between(5, 45), Math.max(4, Math.min(94, base + offset)));
    const base = random.between(15, 70);
    const size = random.whole(8, 48);
    const half = size / 2;
    const transform = `patternTransform="rotate(${random.whole(-45, 45)}) skewX(${random.whole(-30, 30)}) scale(1 ${random.between(0.4, 1).toFixed(2)})"`;
    const tile = [
      rect(0, 0, size, size, tone(0)) +
        rect(0, 0, size, 2, tone(-14)) +
        rect(0, half, size, 2, tone(-14)) +
        rect(0, 0, 2, half, tone(-14)) +
        rect(half, half, 2, half, tone(-14)),
      rect(0, 0, size, size, tone(0)) +
        rect(0, 0, half, half, tone(16)) +
        rect(half, half, half, half, tone(16)),
      rect(0, 0, size, size, tone(0)) +
        rect(0, 0, Math.max(1, size / 10), size, tone(-18)) +
        rect(half, 0, 1, size, tone(8)),
      rect(0, 0, size, size, tone(0)) +
        circle(half, half, size / 3, tone(12)) +
        circle(half, half, size / 6, tone(-12)),
    ];
    return `<pattern id="surface${index}" width="${size}" height="${size}" patternUnits="userSpaceOnUse" ${transform}>${random.pick(tile)}</pattern>`;
  });

const grain = (random: Random): string =>
  `<filter id="grain" x="0" y="0" width="100%" height="100%"><feTurbulence type="${random.pick(['turbulence', 'fractalNoise'])}" baseFrequency="${random.ratio(0.02, 0.5).toFixed(3)} ${random.ratio(0.02, 0.5).toFixed(3)}" numOctaves="${random.whole(1, 4)}" seed="${random.whole(0, 999)}"/><feColorMatrix values="0.33 0.33 0.33 0 0 0.33 0.33 0.33 0 0 0.33 0.33 0.33 0 0 0 0 0 0 1"/></filter>`;

/** A corridor or hall in one-point perspective: floor, walls and boxes, each shaded or patterned. */
const room = (random: Random, width: number, height: number): string => {
  const x = width * random.between(0.3, 0.7);
  const y = height * random.between(0.3, 0.6);
  const parts: string[] = [];
  const fill = (): string =>
    random.chance(0.6)
      ? `url(#surface${random.whole(0, 3)})`
      : hsl(random.between(0, 360), random.between(5, 50), random.between(10, 75));
  const corners: Point[] = [
    [0, 0],
    [width, 0],
    [width, height],
    [0, height],
  ];
  corners.forEach((corner, index) => {
    const next = corners[(index + 1) % 4] ?? corner;
    parts.push(polygon([corner, next, [x, y]], fill()));
    if (random.chance(0.8))
      parts.push(
        polygon([corner, next, [x, y]], '#000', `opacity="${random.between(0, 0.4).toFixed(2)}"`),
      );
  });
  for (let boxes = random.whole(2, 9); boxes > 0; boxes--) {
    const w = random.between(20, width / 3);
    const h = random.between(20, height / 2);
    const bx = random.between(-20, width);
    const by = random.between(height * 0.2, height);
    const dx = (x - bx) * random.between(0.05, 0.3);
    const dy = (y - by) * random.between(0.05, 0.3);
    const face = fill();
    parts.push(
      polygon(
        [
          [bx + w, by],
          [bx + w + dx, by + dy],
          [bx + w + dx, by + h + dy],
          [bx + w, by + h],
        ],
        fill(),
      ),
    );
    parts.push(
      polygon(
        [
          [bx, by],
          [bx + dx, by + dy],
          [bx + w + dx, by + dy],
          [bx + w, by],
        ],
        face,
      ),
    );
    parts.push(rect(bx, by, w, h, face), rect(bx, by, w, h, '#000', 'opacity="0.15"'));
  }
  if (random.chance(0.6))
    parts.push(
      `<rect width="${width}" height="${height}" filter="url(#grain)" opacity="${random.between(0.05, 0.3).toFixed(2)}"/>`,
    );
  return parts.join('');
};

/** Tiles drawn from random symmetric bitmaps at 2 to 6 screen pixels a dot. */
const tiles = (random: Random, width: number, height: number): string => {
  const dot = random.whole(2, 6);
  const side = 8 * dot;
  const sprites = Array.from({ length: 6 }, () => {
    const colours = Array.from({ length: 3 }, () =>
      hsl(random.between(0, 360), random.between(20, 90), random.between(10, 80)),
    );
    const parts = [rect(0, 0, side, side, colours[0] ?? '#000')];
    const density = random.between(0.1, 0.6);
    for (let y = 0; y < 8; y++)
      for (let x = 0; x < 4; x++)
        if (random.chance(density)) {
          const colour = random.pick(colours);
          parts.push(
            rect(x * dot, y * dot, dot, dot, colour),
            rect((7 - x) * dot, y * dot, dot, dot, colour),
          );
        }
    return parts.join('');
  });
  const definitions = sprites
    .map((sprite, index) => `<g id="sprite${index}">${sprite}</g>`)
    .join('');
  const ground = random.whole(0, 5);
  const parts: string[] = [`<defs>${definitions}</defs>`];
  for (let y = 0; y < height; y += side)
    for (let x = 0; x < width; x += side)
      parts.push(
        `<use href="#sprite${random.chance(0.65) ? ground : random.whole(0, 5)}" x="${x}" y="${y}"/>`,
      );
  return `<g shape-rendering="crispEdges">${parts.join('')}</g>`;
};

/** Bars, counters, a minimap, a cross-hair, chat lines: what lies over a game or a stream. */
export const overlay = (random: Random, width: number, height: number): string => {
  const colours = palette(random);
  const family = random.chance(0.7)
    ? random.pick(proportionalFamilies)
    : random.pick(fixedFamilies);
  const parts: string[] = [];
  const outlined = random.chance(0.5)
    ? 'stroke="#000" stroke-width="2.5" paint-order="stroke"'
    : '';
  const bold = random.chance(0.5) ? 'font-weight="bold"' : '';
  const style = (size: number, fill = '#fff') => ({
    family,
    size,
    fill,
    more: `${outlined} ${bold}`,
  });
  for (let i = random.whole(1, 3); i > 0; i--) {
    const x = random.whole(8, Math.round(width * 0.6));
    const y = random.pick([random.whole(6, 40), height - random.whole(20, 60)]);
    const w = random.whole(80, 260);
    const h = random.whole(6, 22);
    parts.push(
      rect(x, y, w, h, '#000', 'opacity="0.6"'),
      rect(x + 1, y + 1, Math.round(w * random.unit()), h - 2, random.pick(colours.accents)),
    );
    parts.push(
      text(x + 4, y + h - 3, `${label(random)} ${figure(random)}`, style(Math.max(9, h - 4))),
    );
  }
  parts.push(
    text(
      width - random.whole(90, 200),
      random.whole(30, 60),
      figure(random),
      style(random.whole(18, 54)),
    ),
  );
  if (random.chance(0.6)) {
    const side = random.whole(60, 150);
    const x = random.pick([10, width - side - 10]);
    const y = height - side - 10;
    parts.push(rect(x, y, side, side, colours.background, 'opacity="0.75"'));
    for (let i = 0; i < 12; i++)
      parts.push(
        rect(
          x + random.between(0, side * 0.7),
          y + random.between(0, side * 0.7),
          random.between(4, side * 0.3),
          random.between(3, side * 0.3),
          random.pick([colours.surface, colours.faint, ...colours.accents]),
        ),
      );
    parts.push(
      `<rect x="${x + 0.5}" y="${y + 0.5}" width="${side}" height="${side}" fill="none" stroke="${colours.ink}" stroke-width="2"/>`,
    );
  }
  if (random.chance(0.5)) {
    const x = Math.round(width / 2);
    const y = Math.round(height / 2);
    const reach = random.whole(6, 20);
    parts.push(
      line(x - reach, y, x - 3, y, '#fff', 2),
      line(x + 3, y, x + reach, y, '#fff', 2),
      line(x, y - reach, x, y - 3, '#fff', 2),
      line(x, y + 3, x, y + reach, '#fff', 2),
    );
  }
  if (random.chance(0.7)) {
    const size = random.whole(10, 18);
    const y = random.whole(Math.round(height * 0.3), Math.round(height * 0.7));
    const lines = random.whole(2, 8);
    if (random.chance(0.5))
      parts.push(
        rect(6, y - size * 1.2, size * 16, lines * size * 1.4 + 8, '#000', 'opacity="0.5"'),
      );
    for (let i = 0; i < lines; i++)
      parts.push(
        text(
          12,
          y + Math.round(i * size * 1.4),
          sentence(random, random.whole(2, 5)),
          style(size, random.chance(0.3) ? random.pick(colours.accents) : '#fff'),
        ),
      );
  }
  if (random.chance(0.4)) {
    const h = random.whole(36, 80);
    const y = height - h - random.whole(0, 50);
    parts.push(
      rect(0, y, width, h, random.pick(colours.accents), `opacity="${random.pick([1, 0.8])}"`),
      text(20, y + h * 0.65, sentence(random, 4), style(h * 0.5)),
    );
  }
  if (random.chance(0.3)) {
    for (let i = 0; i < 6; i++) {
      const x = Math.round(width / 2 - 180 + i * 60);
      parts.push(
        rect(
          x,
          height - 60,
          54,
          54,
          colours.surface,
          `stroke="${colours.ink}" stroke-width="${random.pick([1, 2, 3])}" opacity="0.9"`,
        ),
        circle(x + 27, height - 33, random.whole(8, 20), random.pick(colours.accents)),
        text(x + 36, height - 10, String(random.whole(1, 99)), style(13)),
      );
    }
  }
  return parts.join('');
};

export const gamePage = (random: Random, width: number, height: number): string => {
  const scene = random.chance(0.65) ? room(random, width, height) : tiles(random, width, height);
  const definitions = surfaces(random).join('') + grain(random);
  return svg(width, height, scene + overlay(random, width, height), definitions);
};

/** An overlay alone, on nothing: laid over a moving picture. */
export const overlayPage = (random: Random, width: number, height: number): string =>
  svg(width, height, overlay(random, width, height));
