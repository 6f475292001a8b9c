// A clip of small made-up letters that scroll over soft shapes: sharp enough that a network learns much,
// the same bytes everywhere.
import { closeSync, openSync, writeSync } from 'node:fs';
import { seededRandom } from '../../elements/patch-sender/random.ts';

const glyphs = { count: 40, columns: 5, rows: 7, cellColumns: 7, cellRows: 11 };
const ink = 40;
const blank = 0.15;
const lettersPerPage = 4096;

interface Page {
  /** By glyph and pixel. */
  readonly shapes: readonly Uint8Array[];
  /** By cell of the page; undefined: nothing written. */
  readonly text: readonly (number | undefined)[];
}

function page(): Page {
  const random = seededRandom(7);
  const shapes = Array.from({ length: glyphs.count }, () =>
    Uint8Array.from({ length: glyphs.columns * glyphs.rows }, () => (random() < 0.5 ? 1 : 0)),
  );
  const text = Array.from({ length: lettersPerPage }, () =>
    random() < blank ? undefined : Math.floor(random() * glyphs.count),
  );
  return { shapes, text };
}

function isInk({ shapes, text }: Page, x: number, y: number): boolean {
  const [column, row] = [Math.floor(x / glyphs.cellColumns), Math.floor(y / glyphs.cellRows)];
  const [inX, inY] = [x % glyphs.cellColumns, y % glyphs.cellRows];
  if (inX >= glyphs.columns || inY >= glyphs.rows) return false;
  const glyph = text[(row * 61 + column) % lettersPerPage];
  return glyph !== undefined && shapes[glyph]?.[inY * glyphs.columns + inX] === 1;
}

export function writeLettering(
  path: string,
  {
    width,
    height,
    frames,
    framesPerSecond,
  }: { width: number; height: number; frames: number; framesPerSecond: number },
): void {
  const written = page();
  const file = openSync(path, 'w');
  try {
    writeSync(file, `YUV4MPEG2 C420 W${width} H${height} Ip F${framesPerSecond}:1 A1:1\n`);
    const luma = Buffer.alloc(width * height);
    const chroma = Buffer.alloc((width * height) / 2, 128);
    for (let frame = 0; frame < frames; frame++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const paper = 150 + 50 * Math.sin((x + 3 * frame) / 90) * Math.cos(y / 70);
          luma[y * width + x] = isInk(written, x + frame, y) ? ink : paper;
        }
      }
      for (const part of [Buffer.from('FRAME\n'), luma, chroma]) writeSync(file, part);
    }
  } finally {
    closeSync(file);
  }
}
