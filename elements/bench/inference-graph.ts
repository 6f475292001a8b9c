// The network family's convolutions as an ONNX graph for a picture of one size: what the core's
// inference is measured against. The bicubic enlargement is left out, unlike in a model file: ONNX
// Runtime's Resize takes several times as long as the network, and would decide the comparison.
import { marginOf, type Architecture } from '../bridge/index.ts';
import { OnnxGraph } from './onnx-writer.ts';

/** Input lr [1, 1, height, width] in [0, 1]; output residual [1, 1, height * scale, width * scale]. */
export function inferenceGraph(
  a: Architecture,
  parameters: Float32Array,
  width: number,
  height: number,
): Uint8Array {
  const graph = new OnnxGraph();
  const m = marginOf(a);
  let value = graph.node(
    'Pad',
    [graph.input('lr', [1, 1, height, width]), graph.integers([0, 0, m, m, 0, 0, m, m])],
    { mode: 'edge' },
  );
  let offset = 0;
  const take = (shape: readonly number[]): string => {
    const size = shape.reduce((product, side) => product * side, 1);
    offset += size;
    return graph.tensor(shape, parameters.slice(offset - size, offset));
  };
  for (let l = 0; l < a.layers; l += 1) {
    const inputs = l === 0 ? 1 : a.channels;
    const outputs = l === a.layers - 1 ? a.scale * a.scale : a.channels;
    const weights = take([outputs, inputs, 3, 3]);
    value = graph.node('Conv', [value, weights, take([outputs])], { kernel_shape: [3, 3] });
    if (l < a.layers - 1) value = graph.node('Relu', [value]);
  }
  const shuffled = graph.node('DepthToSpace', [value], { blocksize: a.scale, mode: 'CRD' });
  graph.output('residual', [1, 1, height * a.scale, width * a.scale], shuffled);
  return graph.finish();
}
