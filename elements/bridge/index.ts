// The native core for TypeScript: dist/native/livesr.node, found and loaded at the first call of
// native(). Pictures are dense 8-bit luma unless a name says otherwise.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Failure } from '../cli/failure.ts';

export interface Architecture {
  readonly scale: number;
  readonly channels: number;
  readonly layers: number;
}

/** Low-resolution pixels around a crop that the network sees, a side: one a layer. */
export function marginOf(architecture: Architecture): number {
  return architecture.layers * (architecture.scale === 1 ? 2 : 1);
}

/** Patches and training pairs have sides that it divides. */
export function unitOf({ scale }: Architecture): number {
  return scale === 1 ? 2 : scale;
}

export interface Plane {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** `low`: (width/scale + 2 margins) x (height/scale + 2 margins); `high`: width x height. */
export interface TrainingPair {
  readonly width: number;
  readonly height: number;
  readonly low: Uint8Array;
  readonly high: Uint8Array;
}

export interface TrainerOptions {
  readonly batch?: number;
  /** Side of a training window, low-resolution pixels. */
  readonly window?: number;
  readonly augment?: boolean;
  /** Soft-sign width of the L1 loss, in units of [0, 1] luma. */
  readonly charbonnier?: number;
  readonly averageDecay?: number;
  readonly seed?: number;
  /** Threads that share a step; as many groups of pairs by arrival (LiveNAS 6.2). */
  readonly workers?: number;
  /** Weight of the newest group's gradient where the oldest has 1. */
  readonly newestWeight?: number;
}

/**
 * Training and scoring run on a worker thread; while a promise is pending every other call but `busy`
 * throws, so results never depend on timing.
 */
export interface Trainer {
  /**
   * Returns the pair's id. `weight` (default 1): relative chance of being drawn; 0 holds it out.
   * `standing` (default false): in every worker's group.
   */
  add(pair: TrainingPair, weight?: number, standing?: boolean): number;
  remove(id: number): void;
  setWeight(id: number, weight: number): void;
  /** Resolves to the mean loss; 0 when no pair has weight. */
  train(steps: number, learningRate: number): Promise<number>;
  /**
   * Mean squared errors (8-bit units) of the pairs' pictures: all ids under the first set of weights,
   * then under the next. null stands for bicubic.
   */
  meanSquaredError(
    ids: readonly number[],
    weightSets: readonly (Float32Array | null)[],
  ): Promise<Float64Array>;
  parameters(): Float32Array;
  /** Exponential average of the parameters. */
  averaged(): Float32Array;
  /** Takes these parameters, for the average too; Adam's moments start afresh. */
  reset(parameters: Float32Array): void;
  readonly size: number;
  readonly steps: number;
  readonly busy: boolean;
}

export interface Model {
  readonly architecture: Architecture;
  readonly parameters: Float32Array;
}

export type Filter = 'bilinear' | 'bicubic' | 'lanczos';

/** Header of a patch packet (docs/protocol.md). */
export interface PacketHeader {
  readonly scale: number;
  readonly streamId: number;
  readonly sequence: number;
  readonly runningTimeNs: number;
  readonly frameWidth: number;
  readonly frameHeight: number;
}

/** `codec`: 1 luma JPEG (quality 1-100), 2 residual (quality is its quantiser step, 4-255). */
export interface CodedPatch {
  readonly codec: number;
  readonly quality: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly payload: Uint8Array;
}

export interface PacketResult {
  /** "none", or what is wrong with the triplet. */
  readonly error: string;
  /** Bytes that the triplet took. */
  readonly consumed: number;
  readonly header?: PacketHeader;
  /** None: an announcement of the sizes. */
  readonly patches?: readonly CodedPatch[];
}

/** Windows for one training step. `charbonnier` as in TrainerOptions. */
export interface TrainingBatch {
  readonly batch: number;
  readonly width: number;
  readonly height: number;
  /** [batch][height + 2 margins][width + 2 margins], in [0, 1]. */
  readonly low: Float32Array;
  /** [batch][height][width][scale * scale]: truth minus bicubic. */
  readonly residual: Float32Array;
  readonly charbonnier: number;
}

export interface Native {
  /** The path that the kernels take on this machine, and all that it could take. */
  cpu(): { readonly isa: string; readonly supported: readonly string[] };
  parameterCount(architecture: Architecture): number;
  /** Fresh parameters whose picture is bicubic's: the last layer is zero. */
  makeNetwork(architecture: Architecture, seed: number): Float32Array;
  /** Reads an ONNX file of the family; throws an Error that says why it refuses others. */
  loadModel(bytes: Uint8Array): Model;
  saveModel(architecture: Architecture, parameters: Float32Array): Uint8Array;
  /**
   * These parameters, changed as little as that takes so that flat pictures of the `exact` levels are
   * shown as they are; those of `near` are held near.
   */
  keepFlat(
    architecture: Architecture,
    parameters: Float32Array,
    exact: Uint8Array,
    near: Uint8Array,
  ): Float32Array;
  /** The picture that srenhancer shows: (width*scale) x (height*scale). */
  enhance(architecture: Architecture, parameters: Float32Array, plane: Plane): Uint8Array;
  /** The network in float: pixels in [0, 1], result not clamped. */
  enhanceFloat(
    architecture: Architecture,
    parameters: Float32Array,
    pixels: Float32Array,
    width: number,
    height: number,
  ): Float32Array;
  resample(filter: Filter, plane: Plane, width: number, height: number): Uint8Array;
  /**
   * (first · weights[0] + second · weights[1] + third · weights[2] + base) >> 16 of the bytes of each
   * pixel, dense. Weights and base must give at most 255.
   */
  weighPixels(
    pixels: Uint8Array,
    layout: {
      readonly width: number;
      readonly height: number;
      readonly lineBytes: number;
      readonly pixelBytes: 3 | 4;
    },
    weights: readonly [number, number, number],
    base: number,
  ): Uint8Array;
  /** Sum of squared differences. */
  squaredError(a: Plane, b: Plane): number;
  /** 100 dB for equal pictures. */
  psnrDb(meanSquaredError: number): number;
  ssim(a: Plane, b: Plane): number;
  /** The residual codec (docs/protocol.md): pairs whose `low` has a margin of 2 pixels, step 1-255. */
  encodeResidual(pair: TrainingPair, scale: number, step: number): Uint8Array;
  /** As the sender does, at the step that fits the pair. */
  encodeFittingResidual(
    pair: TrainingPair,
    scale: number,
  ): { readonly step: number; readonly payload: Uint8Array };
  /** Of the pair only `high`'s size counts. null when the payload is none of this crop's. */
  decodeResidual(
    pair: TrainingPair,
    scale: number,
    step: number,
    payload: Uint8Array,
  ): Uint8Array | null;
  /**
   * What the codec would code of a pair, added to `counts`: zeros and ones under each of its
   * `residualContexts` contexts in turn.
   */
  countResidualBits(pair: TrainingPair, scale: number, step: number, counts: Uint32Array): void;
  readonly residualContexts: number;
  /**
   * What coding a pair makes of the `residualWeights` weights that mix the contexts, when these begin
   * with the probabilities `start` (of a 1, in 1/2^16).
   */
  learnResidualWeights(
    pair: TrainingPair,
    scale: number,
    step: number,
    start: Uint16Array,
    weights: Int32Array,
  ): void;
  readonly residualWeights: number;
  writePacket(header: PacketHeader, patches: readonly CodedPatch[]): Uint8Array;
  readPacket(bytes: Uint8Array): PacketResult;
  encodeJpegLuma(plane: Plane, quality: number): Uint8Array;
  /** null when the bytes are not a one-component JPEG of exactly that size. */
  decodeJpegLuma(bytes: Uint8Array, width: number, height: number): Uint8Array | null;
  /** Milliseconds of processor time of `runs` calls of enhance, packing the network and copying not counted. */
  enhanceTimes(
    architecture: Architecture,
    parameters: Float32Array,
    plane: Plane,
    runs: number,
  ): Float64Array;
  /**
   * Milliseconds of processor time that texture memory takes for each picture of `shown`, with so many
   * patches of `frames` in its store.
   */
  memoryTimes(
    architecture: Architecture,
    parameters: Float32Array,
    frames: readonly { readonly low: Plane; readonly high: Plane }[],
    patches: number,
    shown: readonly Plane[],
  ): Float64Array;
  /** Mean loss of the batch and its gradient, in the order of the parameters. */
  lossAndGradient(
    architecture: Architecture,
    parameters: Float32Array,
    batch: TrainingBatch,
  ): { readonly loss: number; readonly gradient: Float32Array };
  /** Milliseconds of processor time of `runs` steps (gradient and Adam) on one batch, and where they led. */
  trainingStepTimes(
    architecture: Architecture,
    parameters: Float32Array,
    batch: TrainingBatch,
    learningRate: number,
    runs: number,
  ): { readonly times: Float64Array; readonly parameters: Float32Array };
  readonly Trainer: new (
    architecture: Architecture,
    parameters: Float32Array,
    options?: TrainerOptions,
  ) => Trainer;
}

/** Where the addon may lie: beside the published bundle, or in the build of a source tree. */
export function candidatePaths(environment: NodeJS.ProcessEnv): string[] {
  const named = environment.LIVESR_NATIVE;
  if (named) return [named]; // a wish is followed or refused, never replaced
  return ['../native/livesr.node', '../../dist/native/livesr.node'].map((relative) =>
    fileURLToPath(new URL(relative, import.meta.url)),
  );
}

/** Loads the first candidate there is. Throws a Failure that lists what was tried and what to do. */
export function loadNative(paths: readonly string[]): Native {
  const require = createRequire(import.meta.url);
  const failures: string[] = [];
  for (const path of paths) {
    if (!existsSync(path)) {
      failures.push(`${path}: not there`);
      continue;
    }
    try {
      return require(path) as Native;
    } catch (error) {
      failures.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Failure(
    [
      'the native part of livesr cannot be loaded',
      ...failures.map((failure) => `  tried ${failure}`),
      '  run `npm run build`, or set LIVESR_NATIVE to the path of livesr.node,',
      '  and `livesr doctor` to see which system packages are missing',
    ].join('\n'),
  );
}

let loaded: Native | undefined;

export function native(): Native {
  loaded ??= loadNative(candidatePaths(process.env));
  return loaded;
}
