// The benchmark's contenders in turn: each round runs every contender once, and the fastest round of
// each counts. Time is processor time of the one thread that computes, so that what else the machine
// does falls out; on an idle machine it is the time on the clock.
import { cpus } from 'node:os';
import { native, type Architecture } from '../bridge/index.ts';
import {
  testPatch,
  testPicture,
  trainedLikeParameters,
  trainingBatch,
  type MemoryScene,
} from './data.ts';
import { LibtorchTrainer } from './libtorch.ts';
import { OnnxEnhancer, OnnxTrainer } from './onnxruntime.ts';
import type { GraphStyle } from './training-graph.ts';

export interface InferenceCase {
  readonly architecture: Architecture;
  readonly width: number;
  readonly height: number;
}

export interface TrainingCase {
  readonly architecture: Architecture;
  readonly batch: number;
  /** Side of the windows, low-resolution pixels. */
  readonly window: number;
}

export interface InferenceFigures {
  readonly oursMs: number;
  readonly onnxruntimeMs: number;
  /** onnxruntimeMs / oursMs. */
  readonly ratio: number;
}

export interface TrainingFigures {
  readonly oursMs: number;
  readonly onnxGraphMs: number;
  /** null where libtorch is not installed. */
  readonly libtorchMs: number | null;
  /** That of the faster peer, over oursMs. */
  readonly ratio: number;
}

export interface Machine {
  readonly cpu: string;
  readonly logicalCores: number;
  /** The kernels' path. */
  readonly isa: string;
  /** What it would be if LIVESR_ISA did not lower it; the peers know nothing of that variable. */
  readonly bestIsa: string;
  readonly node: string;
  readonly threads: 1;
}

/** One patch of 120x120 at x2, by the residual codec (finding its step too) and as JPEG q95. */
export interface PatchFigures {
  readonly encodeMs: number;
  readonly decodeMs: number;
  readonly bytes: number;
  readonly jpegEncodeMs: number;
  readonly jpegDecodeMs: number;
  readonly jpegBytes: number;
}

/** What texture memory adds to a frame of 640x360 at x2. */
export interface MemoryFigures {
  readonly patches: number;
  readonly meanMs: number;
  readonly worstMs: number;
}

export interface BenchReport {
  readonly machine: Machine;
  readonly inference: Readonly<Record<string, InferenceFigures>>;
  readonly trainingStep: Readonly<Record<string, TrainingFigures>>;
  readonly patch: PatchFigures;
  readonly memory: readonly MemoryFigures[];
}

const small = (scale: number): Architecture => ({ scale, channels: 16, layers: 4 });
const large = (scale: number): Architecture => ({ scale, channels: 32, layers: 6 });

// All of them to 1920x1080: what a frame costs at each ratio of sizes.
export const inferenceCases: readonly InferenceCase[] = [
  { architecture: small(2), width: 960, height: 540 },
  { architecture: small(3), width: 640, height: 360 },
  { architecture: small(4), width: 480, height: 270 },
  { architecture: large(3), width: 640, height: 360 },
];

export const trainingCases: readonly TrainingCase[] = [
  { architecture: small(2), batch: 4, window: 40 },
  { architecture: small(3), batch: 4, window: 40 },
  { architecture: small(4), batch: 4, window: 30 },
  { architecture: small(3), batch: 16, window: 40 },
  { architecture: large(3), batch: 4, window: 40 },
];

const named = ({ scale, channels, layers }: Architecture): string =>
  `x${scale}, ${channels} channels, ${layers} layers`;

export function inferenceName(c: InferenceCase): string {
  return `${named(c.architecture)}, ${c.width}x${c.height}`;
}

export function trainingName(c: TrainingCase): string {
  return `${named(c.architecture)}, ${c.batch} windows of ${c.window}x${c.window}`;
}

/** The faster way to write the step for ONNX Runtime 1.30 on CPU, by a factor of up to 4. */
const fastestStyle: GraphStyle = { weightGradient: 'matrices', inputGradient: 'transposed' };

const learningRate = 1e-4;

/** Processor time of this process: ONNX Runtime computes on the calling thread and no other works. */
async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const begin = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1000;
}

export async function measureInference(
  c: InferenceCase,
  rounds: number,
): Promise<InferenceFigures> {
  const { architecture, width, height } = c;
  const parameters = trainedLikeParameters(architecture);
  const pixels = testPicture(width, height);
  const real = Float32Array.from(pixels, (value) => value / 255);
  const peer = await OnnxEnhancer.create(architecture, parameters, real, width, height);
  let oursMs = Infinity;
  let onnxruntimeMs = Infinity;
  await peer.run(); // allocates
  for (let round = 0; round < rounds; round += 1) {
    // The first of two runs touches new memory.
    const times = native().enhanceTimes(architecture, parameters, { pixels, width, height }, 2);
    oursMs = Math.min(oursMs, ...times);
    onnxruntimeMs = Math.min(onnxruntimeMs, await milliseconds(() => peer.run()));
  }
  await peer.release();
  return { oursMs, onnxruntimeMs, ratio: onnxruntimeMs / oursMs };
}

export async function measureTraining(c: TrainingCase, rounds: number): Promise<TrainingFigures> {
  const { architecture, batch, window } = c;
  const parameters = trainedLikeParameters(architecture);
  const windows = trainingBatch(architecture, batch, window);
  const peer = await OnnxTrainer.create(
    architecture,
    parameters,
    windows,
    learningRate,
    fastestStyle,
  );
  const torch = await LibtorchTrainer.create(architecture, batch, window);
  let oursMs = Infinity;
  let onnxGraphMs = Infinity;
  let libtorchMs = Infinity;
  await peer.step();
  for (let round = 0; round < rounds; round += 1) {
    const { times } = native().trainingStepTimes(
      architecture,
      parameters,
      windows,
      learningRate,
      2,
    );
    oursMs = Math.min(oursMs, ...times);
    onnxGraphMs = Math.min(onnxGraphMs, await milliseconds(() => peer.step()));
    if (torch !== null) libtorchMs = Math.min(libtorchMs, await torch.step());
  }
  await peer.release();
  await torch?.release();
  return {
    oursMs,
    onnxGraphMs,
    libtorchMs: torch === null ? null : libtorchMs,
    ratio: Math.min(onnxGraphMs, libtorchMs) / oursMs,
  };
}

/** Calls between two looks at the clock, which counts in microseconds. */
const patchCalls = 50;

export async function measurePatch(rounds: number): Promise<PatchFigures> {
  const pair = testPatch();
  const core = native();
  const { width, height, high } = pair;
  const { step, payload } = core.encodeFittingResidual(pair, 2);
  const jpeg = core.encodeJpegLuma({ pixels: high, width, height }, 95);
  const fastest = {
    encode: Infinity,
    decode: Infinity,
    jpegEncode: Infinity,
    jpegDecode: Infinity,
  };
  const time = async (name: keyof typeof fastest, work: () => unknown): Promise<void> => {
    const all = await milliseconds(() => {
      for (let i = 0; i < patchCalls; i += 1) work();
      return Promise.resolve();
    });
    fastest[name] = Math.min(fastest[name], all / patchCalls);
  };
  for (let round = 0; round < rounds; round += 1) {
    await time('encode', () => core.encodeFittingResidual(pair, 2));
    await time('decode', () => core.decodeResidual(pair, 2, step, payload));
    await time('jpegEncode', () => core.encodeJpegLuma({ pixels: high, width, height }, 95));
    await time('jpegDecode', () => core.decodeJpegLuma(jpeg, width, height));
  }
  return {
    encodeMs: fastest.encode,
    decodeMs: fastest.decode,
    bytes: payload.length,
    jpegEncodeMs: fastest.jpegEncode,
    jpegDecodeMs: fastest.jpegDecode,
    jpegBytes: jpeg.length,
  };
}

const memorySizes = [60, 1000];
/** Filling the store takes longer than what is measured. */
const mostMemoryRounds = 3;

/** Each picture's fastest round counts. */
export function measureMemory(
  { frames, shown }: MemoryScene,
  patches: number,
  rounds: number,
): MemoryFigures {
  const architecture = small(2);
  const parameters = trainedLikeParameters(architecture);
  const fastest = new Float64Array(shown.length).fill(Infinity);
  for (let round = 0; round < rounds; round += 1) {
    const times = native().memoryTimes(architecture, parameters, frames, patches, shown);
    for (const [i, time] of times.entries()) fastest[i] = Math.min(fastest[i] ?? Infinity, time);
  }
  return {
    patches,
    meanMs: fastest.reduce((sum, time) => sum + time, 0) / fastest.length,
    worstMs: Math.max(...fastest),
  };
}

export function describeMachine(): Machine {
  const processors = cpus();
  const { isa, supported } = native().cpu();
  return {
    cpu: processors[0]?.model ?? 'unknown',
    logicalCores: processors.length,
    isa,
    bestIsa: supported.at(-1) ?? isa,
    node: process.versions.node,
    threads: 1,
  };
}

/** `scene`: what texture memory is measured on. */
export async function measureAll(
  rounds: number,
  scene: MemoryScene,
  progress: (name: string) => void,
): Promise<BenchReport> {
  const inference: Record<string, InferenceFigures> = {};
  for (const c of inferenceCases) {
    progress(inferenceName(c));
    inference[inferenceName(c)] = await measureInference(c, rounds);
  }
  const trainingStep: Record<string, TrainingFigures> = {};
  for (const c of trainingCases) {
    progress(trainingName(c));
    trainingStep[trainingName(c)] = await measureTraining(c, rounds);
  }
  progress('a patch');
  const patch = await measurePatch(rounds);
  const memory = memorySizes.map((patches) => {
    progress(`texture memory, ${patches} patches`);
    return measureMemory(scene, patches, Math.min(rounds, mostMemoryRounds));
  });
  return { machine: describeMachine(), inference, trainingStep, patch, memory };
}
