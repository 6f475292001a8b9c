// A clip from stills: a camera that stands, scrolls, pans, zooms or shakes over layers, with motion
// blur and grain. Positions are in pixels of the layer and may be fractions.
import type { Plane } from '../bridge/index.ts';
import type { Random } from './random.ts';
import type { Cutout } from './stills.ts';

/** Where the frame's top left corner lies on the layer, and how many layer pixels a frame pixel takes. */
export interface View {
  readonly x: number;
  readonly y: number;
  readonly step: number;
}

export type Path = (frame: number) => View;

export interface Layer {
  readonly picture: Plane | Cutout;
  readonly path: Path;
}

export interface ClipOptions {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  /** Samples of the path that one frame averages over half a frame's time; 1 is a frozen moment. */
  readonly shutterSamples: number;
  /** Standard deviation of the grain, 8-bit steps. */
  readonly grain: number;
}

interface Taps {
  readonly index: Int32Array;
  readonly weight: Float32Array;
}

/** Catmull-Rom taps (a = -0.5) of one axis; -1 as an index stands for outside. */
const axisTaps = (
  start: number,
  step: number,
  count: number,
  size: number,
  mirror: boolean,
): Taps => {
  const index = new Int32Array(count * 4);
  const weight = new Float32Array(count * 4);
  const period = 2 * size;
  for (let i = 0; i < count; i++) {
    const position = start + i * step;
    const whole = Math.floor(position);
    const t = position - whole;
    weight[i * 4] = ((-0.5 * t + 1) * t - 0.5) * t;
    weight[i * 4 + 1] = (1.5 * t - 2.5) * t * t + 1;
    weight[i * 4 + 2] = ((-1.5 * t + 2) * t + 0.5) * t;
    weight[i * 4 + 3] = (0.5 * t - 0.5) * t * t;
    for (let k = 0; k < 4; k++) {
      let at = whole - 1 + k;
      if (mirror) {
        at = ((at % period) + period) % period;
        if (at >= size) at = period - 1 - at;
      } else if (at < 0 || at >= size) at = -1;
      index[i * 4 + k] = at;
    }
  }
  return { index, weight };
};

/** Samples a plane through a view into `out`; outside an unmirrored plane is 0. */
const sample = (
  pixels: Uint8Array,
  width: number,
  height: number,
  view: View,
  mirror: boolean,
  out: Float32Array,
  outWidth: number,
  outHeight: number,
): void => {
  const across = axisTaps(view.x, view.step, outWidth, width, mirror);
  const down = axisTaps(view.y, view.step, outHeight, height, mirror);
  // Rows are resampled across once and kept while the window moves down.
  const rows = new Map<number, Float32Array>();
  const rowAt = (y: number): Float32Array => {
    let row = rows.get(y);
    if (row) return row;
    row = new Float32Array(outWidth);
    const base = y * width;
    for (let x = 0; x < outWidth; x++) {
      let sum = 0;
      for (let k = x * 4; k < x * 4 + 4; k++) {
        const at = across.index[k] ?? -1;
        if (at >= 0) sum += (across.weight[k] ?? 0) * (pixels[base + at] ?? 0);
      }
      row[x] = sum;
    }
    rows.set(y, row);
    return row;
  };
  const empty = new Float32Array(outWidth);
  for (let y = 0; y < outHeight; y++) {
    const [a, b, c, d] = [0, 1, 2, 3].map((k) => {
      const at = down.index[y * 4 + k] ?? -1;
      return at < 0 ? empty : rowAt(at);
    }) as [Float32Array, Float32Array, Float32Array, Float32Array];
    const [wa = 0, wb = 0, wc = 0, wd = 0] = down.weight.subarray(y * 4, y * 4 + 4);
    const base = y * outWidth;
    for (let x = 0; x < outWidth; x++)
      out[base + x] = wa * (a[x] ?? 0) + wb * (b[x] ?? 0) + wc * (c[x] ?? 0) + wd * (d[x] ?? 0);
  }
};

const isCutout = (picture: Plane | Cutout): picture is Cutout => 'opacity' in picture;

/** The frames of a clip: layers from the back to the front. */
export const shoot = (
  layers: readonly Layer[],
  options: ClipOptions,
  random: Random,
): Uint8Array[] => {
  const { width, height, frames, shutterSamples, grain } = options;
  const count = width * height;
  const sum = new Float32Array(count);
  const colour = new Float32Array(count);
  const opacity = new Float32Array(count);
  return Array.from({ length: frames }, (_, frame) => {
    const composed = new Float32Array(count);
    for (const { picture, path } of layers) {
      const cutout = isCutout(picture) ? picture : undefined;
      const still = sameView(path(frame), path(frame + 0.5));
      const samples = still ? 1 : shutterSamples;
      for (let s = 0; s < samples; s++) {
        const view = path(frame + (0.5 * s) / samples);
        sample(picture.pixels, picture.width, picture.height, view, !cutout, colour, width, height);
        if (cutout) {
          sample(cutout.opacity, cutout.width, cutout.height, view, false, opacity, width, height);
          for (let i = 0; i < count; i++) {
            const cover = Math.max(0, Math.min(1, (opacity[i] ?? 0) / 255));
            colour[i] = (colour[i] ?? 0) * cover + (composed[i] ?? 0) * (1 - cover);
          }
        }
        if (s === 0) sum.set(colour);
        else for (let i = 0; i < count; i++) sum[i] = (sum[i] ?? 0) + (colour[i] ?? 0);
      }
      for (let i = 0; i < count; i++) composed[i] = (sum[i] ?? 0) / samples;
    }
    const result = new Uint8ClampedArray(count);
    if (grain > 0)
      for (let i = 0; i < count; i++) result[i] = (composed[i] ?? 0) + grain * random.normal();
    else result.set(composed);
    return new Uint8Array(result.buffer);
  });
};

const sameView = (a: View, b: View): boolean => a.x === b.x && a.y === b.y && a.step === b.step;

export type Motion = 'still' | 'scroll' | 'pan' | 'zoom' | 'shake' | 'stop';

/** A path that starts at a random place of the picture. Still and scrolling ones keep to whole pixels. */
export const drawPath = (
  motion: Motion,
  random: Random,
  picture: Plane,
  width: number,
  height: number,
): Path => {
  const x = random.whole(0, Math.max(0, picture.width - width));
  const y = random.whole(0, Math.max(0, picture.height - height));
  const angle = random.between(0, 2 * Math.PI);
  const speed = random.ratio(0.15, 9);
  const [vx, vy] = [speed * Math.cos(angle), speed * Math.sin(angle)];
  switch (motion) {
    case 'still':
      return () => ({ x, y, step: 1 });
    case 'scroll': {
      const rows = random.whole(-9, 9);
      const pause = random.whole(3, 20);
      const sideways = random.chance(0.25);
      return (frame) => {
        const moved = rows * Math.min(pause, Math.floor(frame));
        return { x: sideways ? x + moved : x, y: sideways ? y : y + moved, step: 1 };
      };
    }
    case 'pan':
      return (frame) => ({ x: x + vx * frame, y: y + vy * frame, step: 1 });
    case 'zoom': {
      const rate = random.between(-0.012, 0.012);
      return (frame) => {
        const step = Math.exp(rate * (frame - 10));
        return {
          x: x + (width / 2) * (1 - step) + 0.3 * vx * frame,
          y: y + (height / 2) * (1 - step) + 0.3 * vy * frame,
          step,
        };
      };
    }
    case 'shake': {
      const reach = random.ratio(0.3, 4);
      const [fx, fy] = [random.between(0.2, 1.5), random.between(0.2, 1.5)];
      return (frame) => ({
        x: x + reach * Math.sin(fx * frame + angle),
        y: y + reach * Math.sin(fy * frame + 2 * angle),
        step: 1,
      });
    }
    case 'stop': {
      // Slows to a stand on a whole pixel: what stands afterwards is refined by later frames.
      const until = random.whole(4, 14);
      return (frame) => {
        const left = Math.max(0, until - frame);
        return { x: x + vx * left, y: y + vy * left, step: 1 };
      };
    }
  }
};
