// Clips as raw frames: any file that GStreamer plays is decoded once to Y4M and kept in the cache.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Failure, UsageError } from '../cli/failure.ts';
import { claimed, dropOldest } from './clip-cache.ts';
import { cacheDirectory } from './environment.ts';
import { quoted, runPipeline } from './pipeline.ts';
import { repackY4m } from './y4m-repack.ts';
import { Y4mFile, type FrameRate } from './y4m.ts';

export interface Clip {
  /** A Y4M file; of a session several, with | between them. */
  readonly path: string;
  /** Of a session: how long each file plays before the next takes its turn. */
  readonly switchSeconds?: number;
  readonly width: number;
  readonly height: number;
  readonly frameRate: FrameRate;
  readonly frameCount: number;
}

/** For files whose frames have times but no rate. */
const assumedFrameRate: FrameRate = { numerator: 30, denominator: 1 };

export function framesPerSecond({ numerator, denominator }: FrameRate): number {
  return numerator / denominator;
}

/** What a clip is brought to when it is decoded; its own size and rate without. */
export interface ClipShape {
  readonly width: number;
  readonly height: number;
  /** Default: the file's own. */
  readonly frameRate?: FrameRate;
}

function readClip(path: string): Clip {
  const file = new Y4mFile(path);
  file.close();
  const { width, height, frameRate } = file.header;
  return { path, width, height, frameRate, frameCount: file.frameCount };
}

/** Decodes the first `frameCount` frames (or all there are) of `source` into the Y4M file `target`. */
async function decode(
  source: string,
  target: string,
  frameCount: number,
  frameRate: FrameRate | null,
  shape: ClipShape | undefined,
): Promise<Clip> {
  const rate =
    frameRate === null
      ? ''
      : `! videorate ! video/x-raw,framerate=${frameRate.numerator}/${frameRate.denominator}`;
  const size =
    shape === undefined
      ? ''
      : '! videoscale method=lanczos ' +
        `! video/x-raw,width=${shape.width},height=${shape.height},pixel-aspect-ratio=1/1`;
  const padded = `${target}.padded`;
  try {
    await runPipeline({
      name: `decoding ${source}`,
      launch:
        // By way of NV12, so that frames have the padding of their format and not the decoder's.
        `filesrc location=${quoted(source)} ! decodebin ! videoconvert ${size} ! videoconvert ! video/x-raw,format=NV12 ` +
        `! videoconvert ! video/x-raw,format=I420 ${rate} ` +
        // eos-after swallows the frame that it counts to, and lets through what the decoder still
        // holds: hence one more, and the limit below.
        `! identity eos-after=${frameCount + 1} ! y4menc ! filesink location=${quoted(padded)}`,
    });
    repackY4m(padded, target, frameCount);
  } finally {
    rmSync(padded, { force: true });
  }
  const clip = readClip(target);
  if (clip.frameCount === 0)
    throw new Failure(`${source} has no picture that GStreamer can decode`);
  return clip;
}

/** The first `seconds` of a video file as raw frames. */
export async function openClip(source: string, seconds: number, shape?: ClipShape): Promise<Clip> {
  const path = resolve(source);
  if (!existsSync(path)) throw new UsageError(`${source}: no such file`);
  const { mtimeMs, size } = statSync(path);
  const folder = join(cacheDirectory(), 'clips');
  mkdirSync(folder, { recursive: true });
  const asked = [path, mtimeMs, size, seconds, ...(shape ? [JSON.stringify(shape)] : [])].join(
    '\0',
  );
  const key = createHash('sha256').update(asked).digest('hex');
  const cached = join(folder, `${key.slice(0, 16)}.y4m`);
  const kept = claimed(cached);
  if (kept !== undefined) return readClip(kept);

  const unfinished = `${cached}.${process.pid}`;
  try {
    const { frameRate } = shape?.frameRate
      ? { frameRate: shape.frameRate }
      : await decode(path, unfinished, 1, null, shape);
    const known = framesPerSecond(frameRate) >= 1 && Number.isFinite(framesPerSecond(frameRate));
    const rate = known ? frameRate : assumedFrameRate;
    await decode(path, unfinished, Math.ceil(seconds * framesPerSecond(rate)), rate, shape);
    renameSync(unfinished, cached);
  } finally {
    rmSync(unfinished, { force: true });
  }
  const clip = readClip(claimed(cached) ?? cached);
  dropOldest(folder);
  return clip;
}

/** Files that take turns of `switchSeconds`, all of the size and rate that the first one has. */
export async function openSession(
  sources: readonly string[],
  seconds: number,
  switchSeconds: number,
  shape?: ClipShape,
): Promise<Clip> {
  const [first = '', ...others] = sources;
  const opening = await openClip(first, seconds, shape);
  if (others.length === 0) return opening;
  const { width, height, frameRate } = opening;
  const clips = [opening];
  for (const source of others) {
    clips.push(await openClip(source, seconds, { width, height, frameRate }));
  }
  const path = clips.map((clip) => clip.path).join('|');
  const frameCount = clips.reduce((sum, clip) => sum + clip.frameCount, 0);
  return { ...opening, path, switchSeconds, frameCount };
}
