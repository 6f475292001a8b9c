// The core's training judged by ONNX Runtime: the same step, written as a graph of convolutions.
import { describe, expect, it } from 'vitest';
import { trainedLikeParameters, trainingBatch } from '../../elements/bench/data.ts';
import { OnnxTrainer } from '../../elements/bench/onnxruntime.ts';
import type { GraphStyle } from '../../elements/bench/training-graph.ts';
import { native, type Architecture } from '../../elements/bridge/index.ts';

const architectures: readonly Architecture[] = [
  { scale: 2, channels: 16, layers: 4 },
  { scale: 3, channels: 16, layers: 4 },
  { scale: 4, channels: 8, layers: 3 },
  { scale: 3, channels: 32, layers: 6 },
];
const styles: readonly GraphStyle[] = [
  { weightGradient: 'convolution', inputGradient: 'convolution' },
  { weightGradient: 'matrices', inputGradient: 'transposed' },
];

function relativeDistance(actual: Float32Array, expected: Float32Array): number {
  let difference = 0;
  let norm = 0;
  actual.forEach((value, i) => {
    const reference = expected[i] ?? Number.NaN;
    difference += (value - reference) ** 2;
    norm += reference ** 2;
  });
  return Math.sqrt(difference / norm);
}

describe('a training step', () => {
  for (const architecture of architectures) {
    const { scale, channels, layers } = architecture;
    for (const style of styles) {
      it(`of x${scale}, ${channels} channels, ${layers} layers has the loss and gradient of the graph in ONNX Runtime (weights by ${style.weightGradient}, inputs by ${style.inputGradient})`, async () => {
        const parameters = trainedLikeParameters(architecture);
        const batch = trainingBatch(architecture, 3, 13);
        const ours = native().lossAndGradient(architecture, parameters, batch);
        const graph = await OnnxTrainer.create(architecture, parameters, batch, 1e-3, style);
        const theirs = await graph.step();
        await graph.release();
        expect(ours.loss).toBeCloseTo(theirs.loss, 5);
        expect(relativeDistance(ours.gradient, theirs.gradient)).toBeLessThan(1e-4);
      });
    }
  }

  it('leads to the parameters of the graph after several steps', async () => {
    const architecture = { scale: 3, channels: 16, layers: 4 };
    const parameters = trainedLikeParameters(architecture);
    const batch = trainingBatch(architecture, 2, 12);
    const steps = 5;
    const rate = 1e-3;
    const ours = native().trainingStepTimes(architecture, parameters, batch, rate, steps);
    const [style] = styles;
    if (!style) throw new Error('no style');
    const graph = await OnnxTrainer.create(architecture, parameters, batch, rate, style);
    for (let i = 0; i < steps; i += 1) await graph.step();
    // Adam turns tiny gradients into whole steps, so single parameters may part; the paths may not.
    const moved = (to: Float32Array): Float32Array => to.map((v, i) => v - (parameters[i] ?? 0));
    expect(relativeDistance(moved(ours.parameters), moved(graph.parameters()))).toBeLessThan(0.02);
    await graph.release();
  });
});
