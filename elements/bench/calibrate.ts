// Which of the shipped networks this machine has time for: `livesr doctor --calibrate`.
import { cpus } from 'node:os';
import { cpuUsage } from 'node:process';
import { native } from '../bridge/index.ts';
import { architectureOf, networkSizes, type NetworkSize } from '../pretrain/training.ts';
import { testPicture, trainedLikeParameters } from './data.ts';

/** Of the time between two frames, what the network may take of each of its threads. */
export const shareForNetwork = 0.6;

/** The picture that viewers see. */
export interface Target {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
}

export interface Speed {
  readonly scale: number;
  /** Milliseconds of one thread for a frame. */
  readonly frameMs: Readonly<Record<NetworkSize, number>>;
}

/** What srenhancer is to be set to; no threads where bicubic is all that there is time for. */
export interface Advice {
  readonly model: 'generic' | 'small' | 'bicubic';
  readonly threads: number;
}

/**
 * The larger network if it fits on the threads there are; one core is left to decoding and training
 * where there is more than one.
 */
export function advise(
  { frameMs }: Speed,
  { framesPerSecond }: Target,
  logicalCores: number,
): Advice {
  const allowedMs = (shareForNetwork * 1000) / framesPerSecond;
  const most = Math.max(1, logicalCores - 1);
  for (const [size, model] of [
    ['standard', 'generic'],
    ['small', 'small'],
  ] as const) {
    const threads = Math.ceil(frameMs[size] / allowedMs);
    if (threads <= most) return { model, threads };
  }
  return { model: 'bicubic', threads: 1 };
}

const rounds = 7;

function leastMs(work: () => void): number {
  const times = Array.from({ length: rounds }, () => {
    const before = cpuUsage();
    work();
    return cpuUsage(before).user / 1000;
  });
  return Math.min(...times);
}

/** Processor time: what else the machine does is not counted. */
export function measureSpeeds({ width, height }: Target): Speed[] {
  const core = native();
  return [1.5, 2, 3, 4].map((scale) => {
    const low = { width: Math.ceil(width / scale), height: Math.ceil(height / scale) };
    const decoded = { ...low, pixels: testPicture(low.width, low.height) };
    // Two thirds are enlarged plainly, then restored.
    const isRestored = scale === 1.5;
    const enlarged = { width, height, pixels: testPicture(width, height) };
    const enlargingMs = isRestored
      ? leastMs(() => core.resample('lanczos', decoded, width, height))
      : 0;
    const timeOf = (size: NetworkSize): number => {
      const architecture = architectureOf(isRestored ? 1 : scale, size);
      const parameters = trainedLikeParameters(architecture);
      const given = isRestored ? enlarged : decoded;
      return enlargingMs + Math.min(...core.enhanceTimes(architecture, parameters, given, rounds));
    };
    const sizes = Object.keys(networkSizes) as NetworkSize[];
    const frameMs = Object.fromEntries(sizes.map((size) => [size, timeOf(size)]));
    return { scale, frameMs: frameMs as Record<NetworkSize, number> };
  });
}

export interface Calibration {
  readonly target: Target;
  readonly logicalCores: number;
  readonly speeds: readonly (Speed & { readonly advice: Advice })[];
}

export function calibrate(target: Target): Calibration {
  const logicalCores = cpus().length;
  const speeds = measureSpeeds(target).map((speed) => ({
    ...speed,
    advice: advise(speed, target, logicalCores),
  }));
  return { target, logicalCores, speeds };
}

export function describeCalibration({ target, logicalCores, speeds }: Calibration): string {
  const { width, height, framesPerSecond } = target;
  const lines = speeds.map(({ scale, frameMs, advice }) => {
    const sent = `${Math.ceil(width / scale)}x${Math.ceil(height / scale)}`;
    const times = `${frameMs.standard.toFixed(1)} ms, small ${frameMs.small.toFixed(1)} ms`;
    const { model, threads } = advice;
    const settings = model === 'bicubic' ? 'model=bicubic' : `model=${model} threads=${threads}`;
    const rung = `scale=${scale},`.padEnd(10);
    return `  ${rung} from ${sent.padEnd(9)}  standard ${times.padEnd(26)}  ${settings}`;
  });
  return [
    `srenhancer to ${width}x${height} at ${framesPerSecond} frames a second, one thread of ${logicalCores}:`,
    ...lines,
    'A frame that would be late all the same goes by the small network, or by bicubic.',
  ].join('\n');
}
