// Pages of text: documents, source code, slides with charts.
import type { Random } from '../random.ts';
import {
  circle,
  fixedFamilies,
  hsl,
  line,
  palette,
  polyline,
  proportionalFamilies,
  rect,
  svg,
  text,
  textVariant,
  type Point,
} from '../svg.ts';
import { figure, heading, identifier, label, sentence, word } from '../words.ts';

/** Paragraphs in columns, with headings, lists and a table now and then. */
export const documentPage = (random: Random, width: number, height: number): string => {
  const colours = palette(random);
  const columns = random.whole(1, 4);
  const gap = random.whole(12, 40);
  const columnWidth = (width - gap * (columns + 1)) / columns;
  const parts = [rect(0, 0, width, height, colours.background)];
  const family = random.pick(proportionalFamilies);
  const bodySize = random.whole(9, 24);
  for (let column = 0; column < columns; column++) {
    const x = gap + column * (columnWidth + gap);
    let y = random.whole(10, 50);
    while (y < height) {
      const kind = random.unit();
      if (kind < 0.2) {
        const size = bodySize * random.between(1.2, 2.6);
        y += size * 1.4;
        const fill = random.chance(0.3) ? random.pick(colours.accents) : colours.ink;
        const more = `font-weight="bold" ${textVariant(random)}`;
        parts.push(text(x, Math.round(y), heading(random), { family, size, fill, more }));
        y += size * 0.4;
      } else if (kind < 0.35) {
        const rowHeight = Math.round(bodySize * random.between(1.4, 2));
        const cells = random.whole(2, 4);
        for (let row = random.whole(2, 6); row > 0; row--) {
          if (row % 2 === 0) parts.push(rect(x, y, columnWidth, rowHeight, colours.surface));
          for (let cell = 0; cell < cells; cell++) {
            const at = x + (cell * columnWidth) / cells + 4;
            const content = random.chance(0.5) ? figure(random) : word(random);
            const style = { family, size: bodySize, fill: colours.ink };
            parts.push(text(at, Math.round(y + rowHeight * 0.72), content, style));
          }
          parts.push(line(x, y + 0.5, x + columnWidth, y + 0.5, colours.faint));
          y += rowHeight;
        }
        y += bodySize;
      } else {
        const fill = random.chance(0.15) ? colours.faint : colours.ink;
        const more = textVariant(random);
        const size = random.chance(0.2) ? Math.max(8, bodySize - 3) : bodySize;
        const perLine = Math.max(2, Math.floor(columnWidth / (size * 2.7)));
        const bullets = random.chance(0.2);
        for (let rows = random.whole(2, 8); rows > 0; rows--) {
          y += Math.round(size * 1.35);
          if (bullets) parts.push(circle(x + 4, y - size * 0.3, size / 7, fill));
          const content = sentence(random, perLine);
          parts.push(text(bullets ? x + 16 : x, y, content, { family, size, fill, more }));
        }
        y += bodySize;
      }
    }
    // What ran over the column is hidden under the next one's background.
    parts.push(rect(x + columnWidth, 0, columnWidth + gap, height, colours.background));
  }
  return svg(width, height, parts.join(''));
};

/** An editor or a terminal: fixed pitch, coloured tokens, line numbers, a bar above and below. */
export const codePage = (random: Random, width: number, height: number): string => {
  const colours = palette(random);
  const family = random.pick(fixedFamilies);
  const size = random.whole(10, 20);
  const pitch = Math.round(size * random.between(1.15, 1.6));
  const aliased = random.chance(0.15) ? 'text-rendering="optimizeSpeed"' : '';
  const bold = random.chance(0.2) ? 'font-weight="bold"' : '';
  const parts = [rect(0, 0, width, height, colours.background)];
  const gutter = random.chance(0.7) ? Math.round(size * 3.5) : 6;
  if (gutter > 6) parts.push(rect(0, 0, gutter - 6, height, colours.surface));
  const glyph = size * 0.602;
  let indent = 0;
  let number = random.whole(1, 900);
  for (let y = 30 + pitch; y < height; y += pitch) {
    number++;
    if (random.chance(0.03)) parts.push(rect(gutter, y - size, width, pitch, colours.surface));
    if (gutter > 6)
      parts.push(text(4, y, String(number).padStart(4), { family, size, fill: colours.faint }));
    indent = Math.max(0, Math.min(6, indent + random.whole(-1, 1)));
    if (random.chance(0.12)) continue;
    let x = gutter + indent * 2 * glyph;
    const comment = random.chance(0.12);
    for (let tokens = random.whole(1, 9); tokens > 0 && x < width; tokens--) {
      const content = comment
        ? `${word(random)} `
        : random.pick([
            identifier(random),
            identifier(random),
            ` ${random.pick(['=', '+', '=>', '&&', '==', '!=', '->', '::', '||', '<'])} `,
            random.pick(['if (', 'for (', 'return ', 'const ', 'let ', 'func ', 'while (', 'int ']),
            random.pick(['(', ')', '{', '}', '[', ']', ';', ', ', '();', ') {']),
            `"${word(random)}"`,
            figure(random),
          ]);
      const fill = comment
        ? colours.faint
        : random.chance(0.5)
          ? colours.ink
          : random.pick(colours.accents);
      parts.push(text(x, y, content, { family, size, fill, more: `${aliased} ${bold}` }));
      x += content.length * glyph;
    }
  }
  const bar = random.pick(colours.accents);
  parts.push(rect(0, 0, width, 28, colours.surface), rect(0, height - 22, width, 22, bar));
  for (let x = 8; x < width; x += random.whole(90, 160)) {
    const style = { family: 'DejaVu Sans', size: 12, fill: colours.ink };
    parts.push(
      text(x, 19, `${word(random)}.ts`, style),
      line(x - 8.5, 0, x - 8.5, 28, colours.faint),
    );
    parts.push(text(x, height - 7, label(random), { ...style, size: 11 }));
  }
  return svg(width, height, parts.join(''));
};

const series = (random: Random, count: number): number[] => {
  let level = random.between(0.2, 0.8);
  return Array.from({ length: count }, () => {
    level = Math.max(0.03, Math.min(0.97, level + random.between(-0.2, 0.2)));
    return level;
  });
};

const chart = (
  random: Random,
  x: number,
  y: number,
  width: number,
  height: number,
  accents: readonly string[],
  ink: string,
  faint: string,
): string => {
  const parts: string[] = [];
  const family = random.pick(proportionalFamilies);
  const style = { family, size: random.whole(9, 14), fill: ink };
  const rows = random.whole(3, 8);
  for (let row = 0; row <= rows; row++) {
    const at = Math.round(y + (height * row) / rows) + 0.5;
    parts.push(
      line(x, at, x + width, at, faint, 1, random.chance(0.5) ? 'stroke-dasharray="3 3"' : ''),
    );
    parts.push(text(x - 34, at + 4, figure(random), style));
  }
  parts.push(line(x + 0.5, y, x + 0.5, y + height, ink, 1.5));
  const count = random.whole(5, 40);
  const kind = random.unit();
  for (let s = random.whole(1, 3); s > 0; s--) {
    const values = series(random, count);
    const colour = random.pick(accents);
    const points = values.map((value, index): Point => [
      x + (width * (index + 0.5)) / count,
      y + height * (1 - value),
    ]);
    if (kind < 0.4) parts.push(polyline(points, colour, random.pick([1, 1.5, 2, 3, 4])));
    else if (kind < 0.8)
      points.forEach(([px, py]) => {
        const bar = Math.max(1, (width / count) * 0.7);
        parts.push(
          rect(
            Math.round(px - bar / 2),
            Math.round(py),
            Math.round(bar),
            Math.round(y + height - py),
            colour,
          ),
        );
      });
    else points.forEach(([px, py]) => parts.push(circle(px, py, random.between(1.5, 4), colour)));
  }
  for (let index = 0; index < count; index += Math.ceil(count / 8))
    parts.push(text(x + (width * index) / count, y + height + 15, figure(random), style));
  return parts.join('');
};

const pie = (
  random: Random,
  x: number,
  y: number,
  radius: number,
  accents: readonly string[],
): string => {
  const parts: string[] = [];
  let from = random.between(0, 6.28);
  for (let slice = 0; slice < 6; slice++) {
    const to = from + random.between(0.3, 1.8);
    const large = to - from > Math.PI ? 1 : 0;
    const at = (angle: number): string =>
      `${(x + radius * Math.cos(angle)).toFixed(2)} ${(y + radius * Math.sin(angle)).toFixed(2)}`;
    parts.push(
      `<path d="M${x} ${y}L${at(from)}A${radius} ${radius} 0 ${large} 1 ${at(to)}Z" fill="${random.pick(accents)}" stroke="#fff" stroke-width="1"/>`,
    );
    from = to;
  }
  return parts.join('');
};

/** A slide or a dashboard: large titles, a few lines, charts. */
export const slidePage = (random: Random, width: number, height: number): string => {
  const colours = palette(random);
  const family = random.pick(proportionalFamilies);
  const parts = [rect(0, 0, width, height, colours.background)];
  const columns = random.whole(1, 3);
  const rows = random.whole(1, 3);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const x = (width * column) / columns + 10;
      const y = (height * row) / rows + 10;
      const w = width / columns - 20;
      const h = height / rows - 20;
      if (random.chance(0.7))
        parts.push(
          rect(
            Math.round(x),
            Math.round(y),
            w,
            h,
            colours.surface,
            `rx="${random.pick([0, 0, 4, 10])}"`,
          ),
        );
      const title = random.whole(14, 48);
      parts.push(
        text(x + 12, y + title * 1.2, heading(random), {
          family,
          size: title,
          fill: random.chance(0.4) ? random.pick(colours.accents) : colours.ink,
          more: textVariant(random),
        }),
      );
      const top = y + title * 1.7;
      if (h - title * 1.7 < 60) continue;
      const roll = random.unit();
      if (roll < 0.6)
        parts.push(
          chart(
            random,
            x + 44,
            top,
            w - 60,
            h - title * 1.7 - 30,
            colours.accents,
            colours.ink,
            colours.faint,
          ),
        );
      else if (roll < 0.75)
        parts.push(
          pie(
            random,
            Math.round(x + w / 2),
            Math.round(top + (y + h - top) / 2),
            Math.round(Math.min(w, y + h - top) / 2.4),
            colours.accents,
          ),
        );
      else {
        const size = random.whole(12, 28);
        for (let at = top + size; at < y + h - size; at += size * 1.6) {
          parts.push(
            circle(x + 18, at - size * 0.35, size / 6, hsl(random.between(0, 360), 80, 50)),
          );
          parts.push(
            text(x + 32, at, sentence(random, Math.max(2, Math.floor(w / size / 3))), {
              family,
              size,
              fill: colours.ink,
            }),
          );
        }
      }
    }
  }
  return svg(width, height, parts.join(''));
};
