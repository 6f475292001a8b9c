// Drawings: cartoons with flat colours and outlines, signs and logos, plain textures.
import type { Random } from '../random.ts';
import {
  blob,
  circle,
  hsl,
  palette,
  polygon,
  polyline,
  proportionalFamilies,
  rect,
  svg,
  text,
  textVariant,
  type Point,
} from '../svg.ts';
import { heading, word } from '../words.ts';

const ring = (
  random: Random,
  x: number,
  y: number,
  radius: number,
  count: number,
  wobble: number,
): Point[] =>
  Array.from({ length: count }, (_, index) => {
    const angle = (index / count) * 2 * Math.PI;
    const r = radius * (1 + random.between(-wobble, wobble));
    return [x + r * Math.cos(angle), y + r * Math.sin(angle)];
  });

const figureHead = (
  random: Random,
  x: number,
  y: number,
  size: number,
  outline: string,
): string => {
  const skin = hsl(random.between(0, 360), random.between(20, 80), random.between(40, 85));
  const dark = hsl(random.between(0, 360), 60, random.between(8, 30));
  const eye = size * random.between(0.1, 0.25);
  const parts = [
    blob(
      ring(random, x, y + size * 1.5, size * 0.9, 8, 0.15),
      hsl(random.between(0, 360), 70, 50),
      outline,
    ),
    blob(ring(random, x, y - size * 0.3, size * 1.05, 9, 0.2), dark, outline),
    blob(ring(random, x, y, size, 10, 0.06), skin, outline),
  ];
  for (const side of [-1, 1]) {
    const ex = x + side * size * 0.35;
    parts.push(
      circle(ex, y - size * 0.1, eye, '#fff', outline),
      circle(ex + eye * 0.2, y - size * 0.1, eye * 0.5, '#111'),
      circle(ex + eye * 0.05, y - size * 0.1 - eye * 0.2, eye * 0.18, '#fff'),
    );
  }
  const mouth = size * random.between(0.2, 0.5);
  parts.push(
    `<path d="M${(x - mouth).toFixed(1)} ${(y + size * 0.4).toFixed(1)}Q${x.toFixed(1)} ${(y + size * random.between(0.4, 0.9)).toFixed(1)} ${(x + mouth).toFixed(1)} ${(y + size * 0.4).toFixed(1)}" fill="${random.chance(0.5) ? '#a22' : 'none'}" ${outline}/>`,
  );
  return parts.join('');
};

/** A cartoon scene: sky, hills, trees, figures; flat or softly shaded, with outlines or without. */
export const cartoonPage = (random: Random, width: number, height: number): string => {
  const hue = random.between(0, 360);
  const sky = [
    hsl(hue, random.between(10, 80), random.between(20, 90)),
    hsl(hue + random.between(-60, 60), 60, random.between(40, 95)),
  ];
  const shaded = random.chance(0.5);
  const shade = (id: string, colour: string): string =>
    `<linearGradient id="${id}" x2="0" y2="1"><stop stop-color="${colour}"/><stop offset="1" stop-color="${hsl(hue + 180, 30, 25)}"/></linearGradient>`;
  const definitions = [
    `<linearGradient id="sky" x2="0" y2="1"><stop stop-color="${sky[0] ?? ''}"/><stop offset="1" stop-color="${sky[1] ?? ''}"/></linearGradient>`,
  ];
  const thickness = random.pick([0, 1, 1.5, 2, 3, 5]);
  const outline =
    thickness > 0
      ? `stroke="${hsl(hue, 30, random.between(0, 20))}" stroke-width="${thickness}" stroke-linejoin="round"`
      : '';
  const parts = [rect(0, 0, width, height, random.chance(0.7) ? 'url(#sky)' : (sky[0] ?? ''))];
  for (let i = random.whole(0, 5); i > 0; i--)
    parts.push(
      blob(
        ring(
          random,
          random.between(0, width),
          random.between(0, height * 0.4),
          random.between(20, 90),
          9,
          0.35,
        ),
        hsl(hue, 10, random.between(70, 100)),
        outline,
      ),
    );
  for (let hill = 0; hill < 4; hill++) {
    const base = height * (0.4 + 0.15 * hill);
    const colour = hsl(hue + hill * 40, random.between(20, 80), random.between(20, 75));
    definitions.push(shade(`hill${hill}`, colour));
    const points = Array.from({ length: 9 }, (_, index): Point => [
      (width * (index - 0.5)) / 7,
      base + random.between(-60, 60),
    ]);
    parts.push(
      blob(
        [...points, [width * 1.3, height * 1.6], [-width * 0.3, height * 1.6]],
        shaded ? `url(#hill${hill})` : colour,
        outline,
      ),
    );
    for (let tree = random.whole(0, 7); tree > 0; tree--) {
      const x = random.between(0, width);
      const y = base + random.between(-20, 60);
      const s = random.between(14, 60);
      parts.push(rect(x - s / 8, y, s / 4, s, hsl(30, 50, random.between(15, 45)), outline));
      const leaves = hsl(random.between(60, 160), random.between(30, 80), random.between(20, 60));
      parts.push(
        random.chance(0.5)
          ? blob(ring(random, x, y, s * 0.7, 9, 0.25), leaves, outline)
          : polygon(
              [
                [x - s / 2, y + s / 3],
                [x, y - s],
                [x + s / 2, y + s / 3],
              ],
              leaves,
              outline,
            ),
      );
    }
    if (random.chance(0.5)) {
      // Blades of grass or hair: many thin strokes.
      const colour2 = hsl(hue + hill * 40, 60, random.between(15, 80));
      for (let i = 0; i < 120; i++) {
        const x = random.between(0, width);
        const y = base + random.between(10, 90);
        parts.push(
          polyline(
            [
              [x, y],
              [x + random.between(-4, 4), y - random.between(5, 22)],
            ],
            colour2,
            random.between(0.6, 2.2),
          ),
        );
      }
    }
  }
  for (let i = random.whole(1, 4); i > 0; i--)
    parts.push(
      figureHead(
        random,
        random.between(60, width - 60),
        random.between(height * 0.3, height * 0.75),
        random.between(25, 110),
        outline,
      ),
    );
  if (random.chance(0.3)) {
    const x = random.between(20, width / 2);
    const y = random.between(40, height / 2);
    parts.push(
      `<ellipse cx="${x + 90}" cy="${y}" rx="110" ry="36" fill="#fff" ${outline}/>`,
      text(x, y + 7, heading(random), {
        family: 'URW Gothic',
        size: 20,
        fill: '#111',
        more: 'font-weight="bold"',
      }),
    );
  }
  return svg(width, height, parts.join(''), definitions.join(''));
};

const star = (x: number, y: number, radius: number, tips: number, depth: number): Point[] =>
  Array.from({ length: tips * 2 }, (_, index) => {
    const angle = (index / tips) * Math.PI - Math.PI / 2;
    const r = index % 2 === 0 ? radius : radius * depth;
    return [x + r * Math.cos(angle), y + r * Math.sin(angle)];
  });

/** Signs and logos: big letters, stars, rings, stripes, on flat or shaded grounds. */
export const logoPage = (random: Random, width: number, height: number): string => {
  const colours = palette(random);
  const definitions = colours.accents.map(
    (accent, index) =>
      `<radialGradient id="shine${index}"><stop stop-color="#fff"/><stop offset="1" stop-color="${accent}"/></radialGradient>`,
  );
  const parts = [rect(0, 0, width, height, colours.background)];
  const cells = random.whole(2, 5);
  const w = width / cells;
  const h = height / cells;
  for (let row = 0; row < cells; row++)
    for (let column = 0; column < cells; column++) {
      const x = (column + 0.5) * w;
      const y = (row + 0.5) * h;
      const r = Math.min(w, h) * random.between(0.25, 0.5);
      const fill = random.chance(0.3)
        ? `url(#shine${random.whole(0, 4)})`
        : random.pick(colours.accents);
      const edge = random.chance(0.5)
        ? `stroke="${colours.ink}" stroke-width="${random.pick([1, 2, 4, 8])}"`
        : '';
      if (random.chance(0.4))
        parts.push(
          rect(
            column * w,
            row * h,
            w,
            h,
            random.chance(0.5) ? colours.surface : random.pick(colours.accents),
          ),
        );
      switch (random.whole(0, 6)) {
        case 0:
          parts.push(
            polygon(star(x, y, r, random.whole(4, 24), random.between(0.3, 0.9)), fill, edge),
          );
          break;
        case 1:
          for (let k = random.whole(2, 8); k > 0; k--)
            parts.push(circle(x, y, (r * k) / 8, k % 2 === 0 ? fill : colours.background, edge));
          break;
        case 2:
          parts.push(
            text(x - r, y + r * 0.6, word(random).slice(0, 3), {
              family: random.pick(proportionalFamilies),
              size: r * 1.6,
              fill,
              more: `${edge} font-weight="bold"`,
            }),
          );
          break;
        case 3:
          for (let k = -8; k < 8; k++)
            parts.push(
              polygon(
                [
                  [x + (k * r) / 6, y - r],
                  [x + (k * r) / 6 + r / 12, y - r],
                  [x + (k * r) / 6 + r / 2, y + r],
                  [x + (k * r) / 6 + r / 2.6, y + r],
                ],
                fill,
              ),
            );
          break;
        case 4:
          parts.push(blob(ring(random, x, y, r, random.whole(3, 12), 0.4), fill, edge));
          break;
        case 5: {
          // Fine rays: every edge direction, down to what the low-resolution picture cannot hold.
          const rays = random.whole(12, 60);
          for (let k = 0; k < rays; k++) {
            const from = (2 * Math.PI * k) / rays;
            const to = from + Math.PI / rays;
            parts.push(
              polygon(
                [
                  [x, y],
                  [x + r * Math.cos(from), y + r * Math.sin(from)],
                  [x + r * Math.cos(to), y + r * Math.sin(to)],
                ],
                fill,
              ),
            );
          }
          break;
        }
        default:
          for (let line = 0; line < 4; line++)
            parts.push(
              text(column * w + 8, row * h + 24 + line * 26, heading(random), {
                family: random.pick(proportionalFamilies),
                size: random.whole(12, 26),
                fill: colours.ink,
                more: textVariant(random),
              }),
            );
      }
    }
  return svg(width, height, parts.join(''), definitions.join(''));
};

/** Textures: turbulence, lit relief, hatching, weaves; from fine to coarse. */
export const texturePage = (random: Random, width: number, height: number): string => {
  const columns = random.whole(1, 3);
  const rows = random.whole(1, 2);
  const definitions: string[] = [];
  const parts: string[] = [];
  for (let cell = 0; cell < columns * rows; cell++) {
    const x = ((cell % columns) * width) / columns;
    const y = (Math.floor(cell / columns) * height) / rows;
    const noise = `<feTurbulence type="${random.pick(['turbulence', 'fractalNoise', 'fractalNoise'])}" baseFrequency="${random.ratio(0.01, 0.4).toFixed(3)} ${random.ratio(0.01, 0.4).toFixed(3)}" numOctaves="${random.whole(1, 5)}" seed="${random.whole(0, 9999)}"/>`;
    const gain = random.between(0.4, 2.2).toFixed(2);
    const lift = random.between(-0.6, 0.3).toFixed(2);
    const grey = `<feColorMatrix values="${`${gain} 0 0 0 ${lift} `.repeat(3)}0 0 0 0 1"/>`;
    const relief = `<feDiffuseLighting surfaceScale="${random.between(1, 8).toFixed(1)}" diffuseConstant="${random.between(0.6, 1.4).toFixed(2)}" lighting-color="${hsl(random.between(0, 360), 30, 80)}"><feDistantLight azimuth="${random.whole(0, 359)}" elevation="${random.whole(20, 70)}"/></feDiffuseLighting>`;
    definitions.push(
      `<filter id="noise${cell}" x="0" y="0" width="100%" height="100%">${noise}${random.chance(0.4) ? relief : grey}</filter>`,
    );
    const w = width / columns;
    const h = height / rows;
    if (random.chance(0.75)) {
      parts.push(
        `<rect x="${x}" y="${y}" width="${w}" height="${h}" filter="url(#noise${cell})"/>`,
      );
    } else {
      const size = random.between(3, 16);
      const colours = palette(random);
      const tile = random.pick([
        rect(0, 0, size / 2, size, colours.ink),
        circle(size / 2, size / 2, size * 0.35, colours.ink),
        rect(0, 0, size / 2, size / 2, colours.ink) +
          rect(size / 2, size / 2, size / 2, size / 2, colours.ink),
        rect(0, 0, size, size / 4, colours.ink) + rect(0, 0, size / 4, size, colours.faint),
      ]);
      definitions.push(
        `<pattern id="weave${cell}" width="${size.toFixed(2)}" height="${size.toFixed(2)}" patternUnits="userSpaceOnUse" patternTransform="rotate(${random.whole(0, 90)})">${tile}</pattern>`,
      );
      parts.push(rect(x, y, w, h, colours.background), rect(x, y, w, h, `url(#weave${cell})`));
    }
  }
  return svg(width, height, parts.join(''), definitions.join(''));
};
