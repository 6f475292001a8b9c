// ONNX Runtime on one thread, as the peer of inference and of a training step.
import * as ort from 'onnxruntime-node';
import type { Architecture, TrainingBatch } from '../bridge/index.ts';
import { inferenceGraph } from './inference-graph.ts';
import { adamFactors, trainingGraph, type GraphStyle } from './training-graph.ts';

const oneThread: ort.InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  executionMode: 'sequential',
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
};

/** The network's residual of a picture; run() computes it once. */
export class OnnxEnhancer {
  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly input: ort.Tensor,
    private readonly output: ort.Tensor,
  ) {}

  /** pixels: width x height in [0, 1]. */
  static async create(
    architecture: Architecture,
    parameters: Float32Array,
    pixels: Float32Array,
    width: number,
    height: number,
  ): Promise<OnnxEnhancer> {
    const { scale } = architecture;
    const graph = inferenceGraph(architecture, parameters, width, height);
    const outputs = new Float32Array(pixels.length * scale * scale);
    return new OnnxEnhancer(
      await ort.InferenceSession.create(graph, oneThread),
      new ort.Tensor('float32', pixels, [1, 1, height, width]),
      new ort.Tensor('float32', outputs, [1, 1, height * scale, width * scale]),
    );
  }

  /** The residual, in memory that the next run overwrites. */
  async run(): Promise<Float32Array> {
    await this.session.run({ lr: this.input }, { residual: this.output });
    return this.output.data as Float32Array;
  }

  release(): Promise<void> {
    return this.session.release();
  }
}

/** [batch][y][x][output] to ONNX's [batch][output][y][x]. */
function outputsFirst(batch: TrainingBatch, outputs: number): Float32Array {
  const area = batch.width * batch.height;
  const result = new Float32Array(batch.residual.length);
  batch.residual.forEach((value, i) => {
    const output = i % outputs;
    const pixel = Math.floor(i / outputs);
    const window = Math.floor(pixel / area);
    result[(window * outputs + output) * area + (pixel % area)] = value;
  });
  return result;
}

export interface StepResult {
  readonly loss: number;
  readonly gradient: Float32Array;
}

/** A training run on one batch; step() takes one step. */
export class OnnxTrainer {
  private steps = 0;

  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly batch: Record<'low' | 'residual', ort.Tensor>,
    private readonly learningRate: number,
    private state: Record<'parameters' | 'first' | 'second', ort.Tensor>,
  ) {}

  static async create(
    architecture: Architecture,
    parameters: Float32Array,
    batch: TrainingBatch,
    learningRate: number,
    style: GraphStyle,
  ): Promise<OnnxTrainer> {
    const graph = trainingGraph(architecture, batch, style);
    const { scale, layers } = architecture;
    const size = parameters.length;
    return new OnnxTrainer(
      await ort.InferenceSession.create(graph, oneThread),
      {
        low: new ort.Tensor('float32', batch.low, [
          batch.batch,
          1,
          batch.height + 2 * layers,
          batch.width + 2 * layers,
        ]),
        residual: new ort.Tensor('float32', outputsFirst(batch, scale * scale), [
          batch.batch,
          scale * scale,
          batch.height,
          batch.width,
        ]),
      },
      learningRate,
      {
        parameters: new ort.Tensor('float32', parameters.slice(), [size]),
        first: new ort.Tensor('float32', new Float32Array(size), [size]),
        second: new ort.Tensor('float32', new Float32Array(size), [size]),
      },
    );
  }

  async step(): Promise<StepResult> {
    this.steps += 1;
    const { rate, correction } = adamFactors(this.learningRate, this.steps);
    const results = await this.session.run({
      ...this.batch,
      ...this.state,
      rate: new ort.Tensor('float32', [rate], [1]),
      correction: new ort.Tensor('float32', [correction], [1]),
    });
    const named = (name: string): ort.Tensor => {
      const tensor = results[name];
      if (!tensor) throw new Error(`the training graph gave no ${name}`);
      return tensor;
    };
    this.state = {
      parameters: named('nextParameters'),
      first: named('nextFirst'),
      second: named('nextSecond'),
    };
    return {
      loss: (named('loss').data as Float32Array)[0] ?? Number.NaN,
      gradient: named('gradient').data as Float32Array,
    };
  }

  parameters(): Float32Array {
    return this.state.parameters.data as Float32Array;
  }

  release(): Promise<void> {
    return this.session.release();
  }
}
