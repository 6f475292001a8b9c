// One training step of the network family as an ONNX graph: forward, loss, backward, Adam. What the
// core's trainer is measured against, and an independent judge of its gradient.
import { marginOf, type Architecture } from '../bridge/index.ts';
import { OnnxGraph } from './onnx-writer.ts';

/** How the graph writes the two gradients of a convolution; which is faster depends on the runtime. */
export interface GraphStyle {
  /** As a convolution of the transposed input, or as a product of matrices. */
  readonly weightGradient: 'convolution' | 'matrices';
  /** As a convolution with the turned kernel, or as a transposed convolution. */
  readonly inputGradient: 'convolution' | 'transposed';
}

export interface StepShape {
  readonly batch: number;
  /** Of a window, in low-resolution pixels, margin not counted. */
  readonly width: number;
  readonly height: number;
  readonly charbonnier: number;
}

interface Layer {
  readonly inputs: number;
  readonly outputs: number;
  readonly weights: string;
  readonly bias: string;
}

const beta1 = 0.9;
const beta2 = 0.999;

/**
 * Inputs: low [batch, 1, height + 2m, width + 2m], residual [batch, scale², height, width], parameters,
 * first and second moment (vectors), rate and correction [1] (see adamFactors). Outputs: loss, gradient
 * and the three vectors after the step, named nextX.
 */
export function trainingGraph(a: Architecture, shape: StepShape, style: GraphStyle): Uint8Array {
  const graph = new OnnxGraph();
  const m = marginOf(a);
  const { batch, width, height } = shape;
  const low = graph.input('low', [batch, 1, height + 2 * m, width + 2 * m]);
  const residual = graph.input('residual', [batch, a.scale * a.scale, height, width]);
  const sizes = Array.from({ length: a.layers }, (_, l) => ({
    inputs: l === 0 ? 1 : a.channels,
    outputs: l === a.layers - 1 ? a.scale * a.scale : a.channels,
  }));
  const lengths = sizes.flatMap(({ inputs, outputs }) => [9 * inputs * outputs, outputs]);
  const count = lengths.reduce((sum, length) => sum + length, 0);
  const parameters = graph.input('parameters', [count]);
  const first = graph.input('first', [count]);
  const second = graph.input('second', [count]);
  const rate = graph.input('rate', [1]);
  const correction = graph.input('correction', [1]);

  const parts = graph.split(parameters, lengths);
  const layers: Layer[] = sizes.map(({ inputs, outputs }, l) => ({
    inputs,
    outputs,
    weights: graph.node('Reshape', [parts[2 * l] ?? '', graph.integers([outputs, inputs, 3, 3])]),
    bias: parts[2 * l + 1] ?? '',
  }));

  // Forward.
  const inputs: string[] = [];
  let value = low;
  layers.forEach((layer, l) => {
    inputs.push(value);
    value = graph.node('Conv', [value, layer.weights, layer.bias], { kernel_shape: [3, 3] });
    if (l < a.layers - 1) value = graph.node('Relu', [value]);
  });

  // Loss: mean of sqrt(error² + c²) - c.
  const error = graph.node('Sub', [value, residual]);
  const root = graph.node('Sqrt', [
    graph.node('Add', [graph.node('Mul', [error, error]), graph.scalar(shape.charbonnier ** 2)]),
  ]);
  const mean = graph.node('ReduceMean', [root], { keepdims: 0 });
  graph.output('loss', [], graph.node('Sub', [mean, graph.scalar(shape.charbonnier)]));
  const values = batch * a.scale * a.scale * height * width;
  let gradient = graph.node('Mul', [graph.node('Div', [error, root]), graph.scalar(1 / values)]);

  // Backward.
  const gradients: string[] = [];
  for (let l = a.layers - 1; l >= 0; l -= 1) {
    const layer = layers[l];
    const input = inputs[l];
    if (layer === undefined || input === undefined) throw new RangeError('no such layer');
    const biasGradient = graph.node('ReduceSum', [gradient, graph.integers([0, 2, 3])], {
      keepdims: 0,
    });
    const outputWidth = width + 2 * (a.layers - 1 - l);
    const outputHeight = height + 2 * (a.layers - 1 - l);
    const weightGradient =
      style.weightGradient === 'convolution'
        ? weightGradientByConvolution(graph, input, gradient, outputWidth, outputHeight)
        : weightGradientByMatrices(graph, layer, batch, input, gradient, outputWidth, outputHeight);
    const flat = graph.node('Reshape', [weightGradient, graph.integers([-1])]);
    gradients.unshift(flat, biasGradient);
    if (l === 0) break;
    const before = inputGradient(graph, layer, gradient, style);
    const positive = graph.node('Greater', [input, graph.scalar(0)]);
    gradient = graph.node('Where', [positive, before, graph.scalar(0)]);
  }
  const all = graph.node('Concat', gradients, { axis: 0 });
  graph.output('gradient', [count], all);

  // Adam.
  const scaled = (x: string, factor: number): string =>
    graph.node('Mul', [x, graph.scalar(factor)]);
  const nextFirst = graph.node('Add', [scaled(first, beta1), scaled(all, 1 - beta1)]);
  const squared = graph.node('Mul', [all, all]);
  const nextSecond = graph.node('Add', [scaled(second, beta2), scaled(squared, 1 - beta2)]);
  const deviation = graph.node('Mul', [graph.node('Sqrt', [nextSecond]), correction]);
  const step = graph.node('Div', [
    graph.node('Mul', [nextFirst, rate]),
    graph.node('Add', [deviation, graph.scalar(1e-8)]),
  ]);
  graph.output('nextParameters', [count], graph.node('Sub', [parameters, step]));
  graph.output('nextFirst', [count], nextFirst);
  graph.output('nextSecond', [count], nextSecond);
  return graph.finish();
}

/** The inputs `rate` and `correction` for step `step` (from 1): Adam's bias corrections. */
export function adamFactors(
  learningRate: number,
  step: number,
): { readonly rate: number; readonly correction: number } {
  return {
    rate: learningRate / (1 - beta1 ** step),
    correction: 1 / Math.sqrt(1 - beta2 ** step),
  };
}

/** Batch and channels change places; then the gradient is the kernel that the input is convolved with. */
function weightGradientByConvolution(
  graph: OnnxGraph,
  input: string,
  gradient: string,
  width: number,
  height: number,
): string {
  const perm = [1, 0, 2, 3];
  const result = graph.node(
    'Conv',
    [graph.node('Transpose', [input], { perm }), graph.node('Transpose', [gradient], { perm })],
    { kernel_shape: [height, width] },
  );
  return graph.node('Transpose', [result], { perm });
}

/** Nine shifted copies of the input, multiplied with the gradient as matrices. */
function weightGradientByMatrices(
  graph: OnnxGraph,
  layer: Layer,
  batch: number,
  input: string,
  gradient: string,
  width: number,
  height: number,
): string {
  const { inputs, outputs } = layer;
  const copies: string[] = [];
  for (let y = 0; y < 3; y += 1) {
    for (let x = 0; x < 3; x += 1) {
      const begin = graph.integers([y, x]);
      const end = graph.integers([y + height, x + width]);
      copies.push(graph.node('Slice', [input, begin, end, graph.integers([2, 3])]));
    }
  }
  const columns = graph.node('Reshape', [
    graph.node('Concat', copies, { axis: 1 }),
    graph.integers([batch, 9 * inputs, height * width]),
  ]);
  const rows = graph.node('Reshape', [gradient, graph.integers([batch, outputs, height * width])]);
  const products = graph.node('MatMul', [
    rows,
    graph.node('Transpose', [columns], { perm: [0, 2, 1] }),
  ]);
  const sum = graph.node('ReduceSum', [products, graph.integers([0])], { keepdims: 0 });
  const byTap = graph.node('Reshape', [sum, graph.integers([outputs, 9, inputs])]);
  return graph.node('Transpose', [byTap], { perm: [0, 2, 1] });
}

function inputGradient(
  graph: OnnxGraph,
  layer: Layer,
  gradient: string,
  style: GraphStyle,
): string {
  if (style.inputGradient === 'transposed') {
    return graph.node('ConvTranspose', [gradient, layer.weights], { kernel_shape: [3, 3] });
  }
  const { inputs, outputs } = layer;
  const swapped = graph.node('Transpose', [layer.weights], { perm: [1, 0, 2, 3] });
  const taps = graph.node('Reshape', [swapped, graph.integers([inputs, outputs, 9])]);
  const turned = graph.node('Gather', [taps, graph.integers([8, 7, 6, 5, 4, 3, 2, 1, 0])], {
    axis: 2,
  });
  const kernel = graph.node('Reshape', [turned, graph.integers([inputs, outputs, 3, 3])]);
  return graph.node('Conv', [gradient, kernel], { kernel_shape: [3, 3], pads: [2, 2, 2, 2] });
}
