// Luma of pictures: out of the canvas' RGB as the encoder makes it, and small versions to compare.

export interface Luma {
  readonly width: number;
  readonly height: number;
  /** Dense. */
  readonly pixels: Uint8Array;
}

/** Size of the pictures that are compared. */
export const smallWidth = 320;
export const smallHeight = 180;

/** How OBS turns RGB into the luma of the stream: Settings > Advanced > Video. */
export interface ColourSettings {
  readonly space: '601' | '709';
  readonly isFullRange: boolean;
}

/** Order of the bytes of a pixel. */
export type PixelOrder = 'rgba' | 'bgra' | 'rgb';

const weights = { '601': [0.299, 0.587, 0.114], '709': [0.2126, 0.7152, 0.0722] } as const;
const fixedPoint = 16;

export function lumaOf(
  pixels: Uint8Array,
  order: PixelOrder,
  width: number,
  height: number,
  lineBytes: number,
  colour: ColourSettings,
): Luma {
  const [red, green, blue] = weights[colour.space];
  const scale = (colour.isFullRange ? 1 : 219 / 255) * (1 << fixedPoint);
  const [first, third] = order === 'bgra' ? [blue, red] : [red, blue];
  const a = Math.round(first * scale);
  const b = Math.round(green * scale);
  const c = Math.round(third * scale);
  const base = ((colour.isFullRange ? 0 : 16) << fixedPoint) + (1 << (fixedPoint - 1));
  const step = order === 'rgb' ? 3 : 4;
  const luma = new Uint8Array(width * height);
  let to = 0;
  for (let y = 0; y < height; y++) {
    let from = y * lineBytes;
    for (const end = to + width; to < end; to++) {
      // Within the array: the caller has checked its size.
      luma[to] =
        (a * (pixels[from] ?? 0) +
          b * (pixels[from + 1] ?? 0) +
          c * (pixels[from + 2] ?? 0) +
          base) >>
        fixedPoint;
      from += step;
    }
  }
  return { width, height, pixels: luma };
}

/** Mean of each cell of a grid of columns × rows. */
export function shrink({ width, height, pixels }: Luma, columns: number, rows: number): Luma {
  const sums = new Uint32Array(columns * rows);
  const counts = new Uint32Array(columns * rows);
  const columnOf = Uint16Array.from({ length: width }, (_, x) => Math.floor((x * columns) / width));
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y * rows) / height) * columns;
    for (let x = 0; x < width; x++) {
      const cell = row + (columnOf[x] ?? 0);
      sums[cell] = (sums[cell] ?? 0) + (pixels[y * width + x] ?? 0);
      counts[cell] = (counts[cell] ?? 0) + 1;
    }
  }
  return {
    width: columns,
    height: rows,
    pixels: Uint8Array.from(sums, (sum, i) => Math.round(sum / Math.max(1, counts[i] ?? 0))),
  };
}

/** Of two pictures of one size. */
export function meanSquaredError(a: Luma, b: Luma): number {
  let sum = 0;
  for (let i = 0; i < a.pixels.length; i++) {
    const difference = (a.pixels[i] ?? 0) - (b.pixels[i] ?? 0);
    sum += difference * difference;
  }
  return sum / a.pixels.length;
}
