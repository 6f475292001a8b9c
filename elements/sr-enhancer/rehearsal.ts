// What training must not forget: pictures that nobody sent, with the generic network's answer to them
// as the truth (pseudo-rehearsal: Robins 1995). A few patches of one scene say nothing about the next.
// Measured after 20 s of training on motion graphics: on a talk that follows, the trained weights are
// 4.2 dB below bicubic without rehearsal, 0.4 dB above it with; the gain on the graphics themselves
// falls from 3.4 to 3.2 dB, and on natural clips the first five seconds gain 0.1-0.25 dB more.
import type { Architecture, Native, TrainingPair } from '../bridge/index.ts';
import { marginOf } from '../bridge/index.ts';
import { seededRandom } from '../patch-sender/random.ts';

/** Rehearsal's weight in the draws, relative to all patches: 0.1 protects less, 1 slows training. */
export const rehearsalWeight = 0.4;

/**
 * Flat pictures over the whole range. Without them a network was up to 11 levels off on flat pictures
 * of levels that it had not seen.
 */
const flatLevels = [
  0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 235, 255,
] as const;

/** Levels that fill whole pictures: black, white, fades. They must be shown as they are. */
const exactLevels: ReadonlySet<number> = new Set([0, 16, 235, 255]);
const exact = Uint8Array.from(exactLevels);
const nearlyExact = Uint8Array.from(flatLevels.filter((level) => !exactLevels.has(level)));

/**
 * Rehearsal alone leaves a level or two: graphics trained for 22 s showed black one level too bright, and
 * what would have gained 3 dB on everything else was not shown for it.
 */
export function withExactFlats(
  core: Native,
  architecture: Architecture,
  parameters: Float32Array,
): Float32Array {
  return core.keepFlat(architecture, parameters, exact, nearlyExact);
}

const drawnPictures = 64;

/** Low-resolution side of a picture without its margin: one training window, so every draw is whole. */
const side = 40;

/** The same pictures for every stream. */
const pictureSeed = 5;

export interface Rehearsal {
  readonly pairs: readonly TrainingPair[];
  /** Indices of those that must be shown without visible error. */
  readonly exact: readonly number[];
}

export function makeRehearsal(
  core: Native,
  architecture: Architecture,
  generic: Float32Array,
): Rehearsal {
  const { scale } = architecture;
  const margin = marginOf(architecture);
  const lowSide = side + 2 * margin;
  const highSide = side * scale;
  const flat = flatLevels.map((level) => ({
    width: highSide,
    height: highSide,
    low: new Uint8Array(lowSide ** 2).fill(level),
    high: new Uint8Array(highSide ** 2).fill(level),
  }));

  // One tall picture, enhanced at once: within its margin each tile sees only itself.
  const random = seededRandom(pictureSeed);
  const tall = new Uint8Array(lowSide ** 2 * drawnPictures);
  for (let i = 0; i < drawnPictures; i++) tall.set(draw(i, lowSide, random), i * lowSide ** 2);
  const plane = { pixels: tall, width: lowSide, height: lowSide * drawnPictures };
  const answers = core.enhance(architecture, generic, plane);
  const drawn = Array.from({ length: drawnPictures }, (_, i) => {
    const high = new Uint8Array(highSide ** 2);
    for (let y = 0; y < highSide; y++) {
      const row = (i * lowSide + margin) * scale + y;
      const from = row * lowSide * scale + margin * scale;
      high.set(answers.subarray(from, from + highSide), y * highSide);
    }
    const low = tall.slice(i * lowSide ** 2, (i + 1) * lowSide ** 2);
    return { width: highSide, height: highSide, low, high };
  });

  return {
    pairs: [...flat, ...drawn],
    exact: [...flatLevels.keys()].filter((index) => exactLevels.has(flatLevels[index] ?? -1)),
  };
}

type Shape = (x: number, y: number) => number;

/** Gratings, mixtures of waves, hard shapes and edges, some of them noisy; values in [-1, 1]. */
function draw(index: number, width: number, random: () => number): Uint8Array {
  const level = 30 + random() * 190;
  const contrast = 5 + random() ** 2 * 100;
  const noise = index % 2 === 1 ? 3 : 0;
  const shape = [
    () => waves(1, random),
    () => waves(5, random),
    () => hardened(waves(5, random)),
    () => edge(width, random),
  ][index % 4]?.();
  return Uint8Array.from({ length: width ** 2 }, (_, i) => {
    const value = shape?.(i % width, Math.floor(i / width)) ?? 0;
    const grain = (2 * random() - 1) * noise;
    return Math.max(0, Math.min(255, Math.round(level + contrast * value + grain)));
  });
}

function waves(count: number, random: () => number): Shape {
  const parts = Array.from({ length: count }, () => {
    // Up to 1.25 radians a pixel: five pixels a period; most are longer.
    const frequency = 0.05 + random() ** 1.5 * 1.2;
    const direction = random() * 2 * Math.PI;
    const phase = random() * 2 * Math.PI;
    return {
      fx: frequency * Math.cos(direction),
      fy: frequency * Math.sin(direction),
      phase,
      height: random(),
    };
  });
  const sum = parts.reduce((total, { height }) => total + height, 0);
  return (x, y) =>
    parts.reduce(
      (v, { fx, fy, phase, height }) => v + height * Math.sin(fx * x + fy * y + phase),
      0,
    ) / sum;
}

function hardened(shape: Shape): Shape {
  return (x, y) => Math.max(-1, Math.min(1, 4 * shape(x, y)));
}

function edge(width: number, random: () => number): Shape {
  const direction = random() * 2 * Math.PI;
  const offset = (random() - 0.5) * 30;
  const softness = 0.3 + random() * 2;
  const centre = width / 2;
  return (x, y) => {
    const across = (x - centre) * Math.cos(direction) + (y - centre) * Math.sin(direction);
    return Math.tanh((across - offset) / softness);
  };
}
