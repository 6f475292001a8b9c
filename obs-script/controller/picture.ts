// Luma of pictures: out of the canvas' RGB as the encoder makes it, and small versions to compare.

import { native } from '../../elements/bridge/index.ts';

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
  const layout = { width, height, lineBytes, pixelBytes: order === 'rgb' ? 3 : 4 } as const;
  return { width, height, pixels: native().weighPixels(pixels, layout, [a, b, c], base) };
}

export function shrink(luma: Luma, width: number, height: number): Luma {
  return { width, height, pixels: native().resample('bilinear', luma, width, height) };
}

/** Of two pictures of one size. */
export function meanSquaredError(a: Luma, b: Luma): number {
  return native().squaredError(a, b) / a.pixels.length;
}
