// Clips through the sender's encoder and back, in a GStreamer process of its own.
import { spawn } from 'node:child_process';
import { parseY4mHeader, y4mFrameBytes, type FrameRate } from '../measure/y4m.ts';

/** Settings of the sender's default encoder that shape the picture (patchsender's x264enc). */
const encoderSettings = 'tune=zerolatency speed-preset=veryfast';

const run = async (arguments_: readonly string[], input: Iterable<Uint8Array>): Promise<Buffer> => {
  const child = spawn('gst-launch-1.0', ['-q', ...arguments_], { stdio: ['pipe', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  let complaints = '';
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-2000);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', (error) => {
      reject(
        new Error(
          `gst-launch-1.0 cannot be started: ${error.message} (package gstreamer1.0-tools)`,
        ),
      );
    });
    child.on('close', resolve);
  });
  // A child that dies early closes its input; what it said tells more than the broken pipe.
  child.stdin.on('error', () => undefined);
  for (const chunk of input) {
    if (!child.stdin.write(chunk))
      await Promise.race([new Promise((resolve) => child.stdin.once('drain', resolve)), ended]);
  }
  child.stdin.end();
  const status = await ended;
  if (status !== 0)
    throw new Error(`gst-launch-1.0 failed (${String(status)}): ${complaints.trim()}`);
  return Buffer.concat(output);
};

export interface Video {
  readonly width: number;
  readonly height: number;
  readonly frameRate: FrameRate;
  /** Luma, dense. */
  readonly frames: readonly Uint8Array[];
}

/** Luma of a Y4M stream. */
export const parseY4m = (bytes: Uint8Array): Video => {
  const { width, height, frameRate, byteLength } = parseY4mHeader(bytes);
  const frameBytes = y4mFrameBytes(width, height);
  const chromaBytes = 2 * Math.ceil(width / 2) * Math.ceil(height / 2);
  const frames: Uint8Array[] = [];
  for (let end = byteLength + frameBytes; end <= bytes.length; end += frameBytes)
    frames.push(bytes.subarray(end - chromaBytes - width * height, end - chromaBytes));
  if (byteLength + frames.length * frameBytes !== bytes.length)
    throw new Error(`a Y4M stream that ends within frame ${frames.length}`);
  return { width, height, frameRate, frames };
};

function* planesOf(video: Video): Iterable<Uint8Array> {
  const chroma = new Uint8Array((video.width * video.height) / 2).fill(128);
  for (const frame of video.frames) {
    yield frame;
    yield chroma;
  }
}

/** A pipeline's elements as arguments of gst-launch-1.0, for values without spaces. */
const words = (launch: string): string[] => launch.split(' ');

/**
 * Ends a pipeline in Y4M on standard output. Decoders hand out padded buffers, which y4menc would
 * write as they lie: the detour over another order of planes packs them.
 */
const packedY4m = words(
  'videoconvert ! video/x-raw,format=YV12 ! videoconvert ! video/x-raw,format=I420 ! y4menc ! fdsink fd=1',
);

export type RateControl =
  | { readonly kind: 'quality'; readonly crf: number }
  | { readonly kind: 'bitrate'; readonly kbps: number };

/**
 * Encodes and decodes luma frames (the chroma is grey). One thread: x264's slices, and so its bytes,
 * depend on the number of threads. Width must be a multiple of 8, height of 2 (no padding anywhere).
 */
export const throughEncoder = async (
  video: Video,
  rate: RateControl,
  keyFrameInterval: number,
): Promise<Video> => {
  const { width, height, frameRate } = video;
  if (width % 8 !== 0 || height % 2 !== 0)
    throw new RangeError(`cannot encode ${width}x${height}: multiples of 8 and 2 are needed`);
  const control =
    rate.kind === 'quality'
      ? `pass=qual quantizer=${rate.crf} qp-min=0 bitrate=100000 vbv-buf-capacity=0`
      : `bitrate=${rate.kbps} vbv-buf-capacity=600`;
  const rateOfFrames = `${frameRate.numerator}/${frameRate.denominator}`;
  const launch =
    `fdsrc fd=0 ! rawvideoparse format=i420 width=${width} height=${height} framerate=${rateOfFrames} ` +
    `! x264enc threads=1 ${encoderSettings} ${control} key-int-max=${keyFrameInterval} ` +
    '! avdec_h264 max-threads=1 !';
  const decoded = parseY4m(await run([...words(launch), ...packedY4m], planesOf(video)));
  if (decoded.frames.length !== video.frames.length)
    throw new Error(`the decoder gave ${decoded.frames.length} of ${video.frames.length} frames`);
  return decoded;
};

/** Luma of the first frames of a video file. */
export const readVideo = async (path: string, frameLimit: number): Promise<Video> => {
  const limit = words(`! decodebin ! videoconvert ! identity eos-after=${frameLimit + 1} !`);
  const source = ['filesrc', `location=${path}`, ...limit];
  const video = parseY4m(await run([...source, ...packedY4m], []));
  return { ...video, frames: video.frames.slice(0, frameLimit) };
};
