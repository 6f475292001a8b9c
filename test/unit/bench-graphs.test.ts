// The benchmark's graphs and the core judge each other: a training step and the network itself, written
// for ONNX Runtime, give what the core gives.
import { describe, expect, it } from 'vitest';
import { testPicture, trainedLikeParameters, trainingBatch } from '../../elements/bench/data.ts';
import { OnnxEnhancer, OnnxTrainer } from '../../elements/bench/onnxruntime.ts';
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

  it("is measured beside inference of the same network: the graph gives core's residual", async () => {
    for (const architecture of architectures) {
      const parameters = trainedLikeParameters(architecture);
      const [width, height] = [31, 18];
      const low = Float32Array.from(testPicture(width, height), (value) => value / 255);
      const core = native();
      const whole = core.enhanceFloat(architecture, parameters, low, width, height);
      const start = core.makeNetwork(architecture, 1); // whose picture is bicubic's
      const bicubic = core.enhanceFloat(architecture, start, low, width, height);
      const graph = await OnnxEnhancer.create(architecture, parameters, low, width, height);
      const residual = await graph.run();
      expect(
        relativeDistance(
          whole.map((v, i) => v - (bicubic[i] ?? 0)),
          residual,
        ),
      ).toBeLessThan(1e-4);
      await graph.release();
    }
  });

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
