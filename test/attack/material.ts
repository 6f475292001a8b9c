// What the attacker plays: streams of a real sender, recorded once and kept in the cache.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../../elements/measure/environment.ts';
import { quoted, runPipeline } from '../../elements/measure/pipeline.ts';
import { writeLettering } from './lettering.ts';
import { readTransportStream, type Recording } from './transport-stream.ts';

/** Raise it when what is recorded changes. */
const edition = 6;
/** Shown forward and backward. */
const clipFrames = 75;

export interface Material {
  readonly recording: Recording;
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  /** Decoded luma of the frames, one after the other; empty where nobody needs it. */
  readonly luma: Buffer;
}

interface Plan {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  /** Of the picture that is sent at half its size, with patches; missing: plain video. */
  readonly sentBy?: { readonly bitrateBps: number };
  readonly frames: number;
  readonly pattern: string;
  readonly isDecoded?: true;
  readonly pixelAspect?: string;
}

const learnable = { framesPerSecond: 30, frames: 300, pattern: 'letters' };
const plain = { frames: 60, pattern: 'ball' };

export const plans = {
  /** 640x360 for 1280x720, with patches. */
  victim: {
    ...learnable,
    width: 640,
    height: 360,
    sentBy: { bitrateBps: 600_000 },
    isDecoded: true,
  },
  neighbour: { ...learnable, width: 320, height: 180, sentBy: { bitrateBps: 500_000 } },
  smaller: { ...plain, width: 480, height: 270, framesPerSecond: 25 },
  odd: { ...plain, width: 638, height: 358, framesPerSecond: 30 },
  anamorphic: { ...plain, width: 720, height: 576, framesPerSecond: 25, pixelAspect: '16/15' },
  giant: { width: 8192, height: 8192, framesPerSecond: 1, frames: 3, pattern: 'black' },
} as const satisfies Record<string, Plan>;
export type MaterialName = keyof typeof plans;

/** Launch line of a source, as raw video at the size that is encoded or enlarged to. */
function source({ width, height, framesPerSecond, pattern, frames, pixelAspect }: Plan): string {
  const aspect = pixelAspect === undefined ? '' : `,pixel-aspect-ratio=${pixelAspect}`;
  return (
    `videotestsrc num-buffers=${frames} pattern=${pattern} ! video/x-raw,format=I420,` +
    `width=${width},height=${height},framerate=${framesPerSecond}/1${aspect}`
  );
}

async function record(plan: Plan, target: string): Promise<void> {
  const mux = `mpegtsmux name=mux alignment=7 ! filesink location=${quoted(target)}`;
  if (plan.sentBy === undefined) {
    const encoder = 'x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=800';
    const launch = `${source(plan)} ! ${encoder} ! h264parse config-interval=-1 ! ${mux}`;
    await runPipeline({ name: 'recording a plain stream', launch });
    return;
  }
  const clip = `${target}.y4m`;
  const { width, height, framesPerSecond } = plan;
  try {
    writeLettering(clip, {
      width: 2 * width,
      height: 2 * height,
      frames: clipFrames,
      framesPerSecond,
    });
    // At the speed of a live stream: the engine that chooses the patches is another process.
    await runPipeline({
      name: 'recording a sender',
      launch:
        `srloopsrc location=${quoted(clip)} is-live=true duration=${plan.frames / plan.framesPerSecond} ` +
        `! queue ! patchsender name=sender carriage=klv scale=2 max-bitrate=${plan.sentBy.bitrateBps} ` +
        `sender.src ! h264parse config-interval=-1 ! queue ! ${mux} sender.patches ! queue ! mux.`,
    });
  } finally {
    rmSync(clip, { force: true });
  }
}

async function decode(stream: string, target: string): Promise<void> {
  const raw = `${target}.i420`;
  await runPipeline({
    name: 'decoding a recording',
    launch:
      `filesrc location=${quoted(stream)} ! tsdemux ! video/x-h264 ! h264parse ! avdec_h264 ` +
      `! video/x-raw,format=I420 ! filesink location=${quoted(raw)}`,
  });
  renameSync(raw, target);
}

function paths(name: MaterialName): { readonly stream: string; readonly decoded: string } {
  const folder = join(cacheDirectory(), 'attack');
  mkdirSync(folder, { recursive: true });
  const base = join(folder, `${name}-${edition}`);
  return { stream: `${base}.ts`, decoded: `${base}.i420` };
}

/** Records what is not there yet. */
export async function prepareMaterial(name: MaterialName): Promise<void> {
  const plan: Plan = plans[name];
  const { stream, decoded } = paths(name);
  if (!existsSync(stream)) {
    const unfinished = `${stream}.${process.pid}`;
    await record(plan, unfinished);
    renameSync(unfinished, stream);
  }
  if (plan.isDecoded && !existsSync(decoded)) await decode(stream, decoded);
}

/** Of I420 frames, whose rows and planes have GStreamer's padding to 4 bytes. */
function lumaOf(frames: Buffer, width: number, height: number): Buffer {
  const padded = (side: number): number => (side + 3) & ~3;
  const row = padded(width);
  const frameBytes = row * height + 2 * padded(width / 2) * (height / 2);
  if (row !== width) throw new Error('material whose rows are padded');
  const all = Array.from({ length: Math.floor(frames.length / frameBytes) }, (_, index) =>
    frames.subarray(index * frameBytes, index * frameBytes + width * height),
  );
  return Buffer.concat(all);
}

export function loadMaterial(name: MaterialName): Material {
  const { width, height, framesPerSecond, ...plan }: Plan = plans[name];
  const { stream, decoded } = paths(name);
  return {
    recording: readTransportStream(readFileSync(stream)),
    width,
    height,
    framesPerSecond,
    luma: plan.isDecoded ? lumaOf(readFileSync(decoded), width, height) : Buffer.alloc(0),
  };
}
