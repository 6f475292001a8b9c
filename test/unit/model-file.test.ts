// Model files judged by ONNX Runtime, which has nothing to do with our writer: it must load them and
// compute what core's float path computes.
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { native, type Architecture } from '../../elements/bridge/index.ts';
import { seededRandom } from '../../elements/patch-sender/random.ts';

const architectures: readonly Architecture[] = [
  { scale: 1, channels: 16, layers: 4 },
  { scale: 1, channels: 8, layers: 3 },
  { scale: 2, channels: 16, layers: 4 },
  { scale: 3, channels: 16, layers: 4 },
  { scale: 4, channels: 16, layers: 4 },
  { scale: 3, channels: 8, layers: 2 },
  { scale: 2, channels: 32, layers: 6 },
];
const sizes = [
  [1, 1],
  [2, 3],
  [7, 5],
  [33, 21],
  [64, 48],
] as const;

/** Weights as large as trained ones, the last layer included (a new network's is zero). */
function randomParameters(architecture: Architecture, random: () => number): Float32Array {
  const start = native().makeNetwork(architecture, 1);
  return start.map((value) => (value === 0 ? (random() - 0.5) * 0.1 : value));
}

/** Noise and hard edges, in [0, 1]. */
function picture(width: number, height: number, random: () => number): Float32Array {
  return Float32Array.from({ length: width * height }, (_, i) =>
    i % 11 < 3 ? i % 2 : Math.round(random() * 255) / 255,
  );
}

async function onnxRuntime(model: Uint8Array, pixels: Float32Array, width: number, height: number) {
  const session = await ort.InferenceSession.create(model, { logSeverityLevel: 3 });
  const input = new ort.Tensor('float32', pixels, [1, 1, height, width]);
  const { hr } = await session.run({ lr: input });
  await session.release();
  if (!hr) throw new Error('no output named hr');
  return { dims: hr.dims, pixels: hr.data as Float32Array };
}

describe('a model file', () => {
  for (const architecture of architectures) {
    const { scale, channels, layers } = architecture;
    it(`of x${scale}, ${channels} channels, ${layers} layers gives core's output in ONNX Runtime within 1e-4`, async () => {
      const random = seededRandom(scale * 1000 + channels);
      const parameters = randomParameters(architecture, random);
      const model = native().saveModel(architecture, parameters);
      for (const [columns, rows] of sizes) {
        // ONNX has no half cells.
        const [width, height] = scale === 1 ? [2 * columns, 2 * rows] : [columns, rows];
        const low = picture(width, height, random);
        const ours = native().enhanceFloat(architecture, parameters, low, width, height);
        const theirs = await onnxRuntime(model, low, width, height);
        expect(theirs.dims).toEqual([1, 1, height * scale, width * scale]);
        let worst = 0;
        ours.forEach((value, i) => {
          worst = Math.max(worst, Math.abs(value - (theirs.pixels[i] ?? Number.NaN)));
        });
        expect(worst).toBeLessThan(1e-4);
      }
    });
  }

  it('comes back with its architecture and the same weights', () => {
    const architecture = { scale: 3, channels: 24, layers: 5 };
    const parameters = randomParameters(architecture, seededRandom(5));
    const model = native().loadModel(native().saveModel(architecture, parameters));
    expect(model.architecture).toEqual(architecture);
    expect(model.parameters).toEqual(parameters);
  });

  it('that is none is refused with an error that says why', () => {
    const model = native().saveModel(
      { scale: 2, channels: 8, layers: 2 },
      native().makeNetwork({ scale: 2, channels: 8, layers: 2 }, 1),
    );
    expect(() => native().loadModel(new TextEncoder().encode('not a model'))).toThrow(
      /not an ONNX file/,
    );
    expect(() => native().loadModel(model.subarray(0, model.length - 20))).toThrow(/truncated/);
  });
});
