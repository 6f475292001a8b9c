// Bitrate-quality curves of stream classes (LiveNAS 5.1, figure 6), by runs of the real sender.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Failure } from '../cli/failure.ts';
import type { CurvePoint } from '../patch-sender/curves.ts';
import { framesPerSecond, openClip } from './clip.ts';
import { runWhole } from './lockstep.ts';

export interface ClassClips {
  readonly name: string;
  readonly clips: readonly string[];
}

export interface MeasuredCurves {
  readonly command: string;
  readonly classes: Readonly<Record<string, readonly CurvePoint[]>>;
}

/** Asked for, of the small picture; what the encoder gives is what counts. */
const askedBitsPerPixel = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64];
/** The encoder's rate control settles first. */
const settlingSeconds = 1;
const points = 9;

export async function measureCurves(
  classes: readonly ClassClips[],
  scale: number,
  seconds: number,
  onProgress: (what: string) => void,
): Promise<MeasuredCurves> {
  const curves: Record<string, readonly CurvePoint[]> = {};
  const all: CurvePoint[][] = [];
  for (const { name, clips } of classes) {
    const measured: CurvePoint[][] = [];
    for (const clip of clips) measured.push(await measureClip(clip, scale, seconds, onProgress));
    curves[name] = meanCurve(measured);
    all.push(...measured);
  }
  curves.default = meanCurve(all);
  const given = classes.map(
    ({ name, clips }) => `--class ${name}=${clips.map((clip) => basename(clip)).join(',')}`,
  );
  const command = `livesr curves --scale ${scale} --seconds ${seconds} ${given.join(' ')}`;
  return { command, classes: curves };
}

async function measureClip(
  file: string,
  scale: number,
  seconds: number,
  onProgress: (what: string) => void,
): Promise<CurvePoint[]> {
  const clip = await openClip(file, seconds);
  const rate = framesPerSecond(clip.frameRate);
  const frameCount = Math.round(seconds * rate);
  const pixelsPerSecond = (clip.width / scale) * (clip.height / scale) * rate;
  const folder = mkdtempSync(join(tmpdir(), 'livesr-curves-'));
  try {
    const curve: CurvePoint[] = [];
    for (const asked of askedBitsPerPixel) {
      onProgress(`${basename(file)} at ${asked} bits per pixel`);
      const { video, frames } = await runWhole(
        { clip, frameCount, folder },
        {
          size: { scale },
          uplink: `fixed:${((asked * pixelsPerSecond) / 1000).toFixed(3)}`,
          patches: 'off',
          patchBitrateBps: 0,
          patchesPerSecond: 0,
          residualStep: 26,
          seed: 1,
        },
        { kind: 'enlarged' },
      );
      const settled = <T extends { readonly timeSeconds: number }>(items: readonly T[]): T[] =>
        items.filter(({ timeSeconds }) => timeSeconds >= settlingSeconds);
      const bits = settled(video).reduce((sum, { bytes }) => sum + bytes * 8, 0);
      const psnr = settled(frames).map(({ schemes }) => schemes.bicubic?.psnrDb ?? NaN);
      curve.push({
        bitsPerPixel: bits / ((seconds - settlingSeconds) * pixelsPerSecond),
        quality: psnr.reduce((sum, value) => sum + value, 0) / psnr.length,
      });
    }
    return normalised(curve, file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Over the highest, rising: points at which the encoder gave no more than before are left out. */
export function normalised(curve: readonly CurvePoint[], file: string): CurvePoint[] {
  const rising = curve.filter(
    (point, index) =>
      point.quality > 0 &&
      curve
        .slice(0, index)
        .every(
          (before) => before.bitsPerPixel < point.bitsPerPixel && before.quality < point.quality,
        ),
  );
  const highest = rising.at(-1);
  if (!highest || rising.length < 2) {
    throw new Failure(`${file}: the encoder gives the same at every rate; use another clip`);
  }
  return rising.map(({ bitsPerPixel, quality }) => ({
    bitsPerPixel,
    quality: quality / highest.quality,
  }));
}

/** The mean over the rates that any of the curves has; above its last one a curve stays at 1. */
export function meanCurve(curves: readonly (readonly CurvePoint[])[]): CurvePoint[] {
  const low = Math.max(...curves.map((curve) => curve[0]?.bitsPerPixel ?? 0));
  const high = Math.max(...curves.map((curve) => curve.at(-1)?.bitsPerPixel ?? 0));
  return Array.from({ length: points }, (_, i) => {
    const bitsPerPixel = low * (high / low) ** (i / (points - 1));
    const qualities = curves.map((curve) => qualityAt(curve, bitsPerPixel));
    const quality = qualities.reduce((sum, value) => sum + value, 0) / qualities.length;
    return { bitsPerPixel: rounded(bitsPerPixel), quality: rounded(quality) };
  });
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}

/** Linear over the logarithm of the rate. */
function qualityAt(curve: readonly CurvePoint[], bitsPerPixel: number): number {
  const found = curve.findIndex((point) => point.bitsPerPixel >= bitsPerPixel);
  const upper = Math.max(1, found < 0 ? curve.length - 1 : found);
  const [a, b] = [curve[upper - 1], curve[upper]];
  if (!a || !b) return NaN;
  const share = Math.log(bitsPerPixel / a.bitsPerPixel) / Math.log(b.bitsPerPixel / a.bitsPerPixel);
  return a.quality + Math.min(1, share) * (b.quality - a.quality);
}
