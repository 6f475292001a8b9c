import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { native, type Plane } from '../../elements/bridge/index.ts';
import { drawPath, shoot } from '../../elements/pretrain/camera.ts';
import { clipHeight, clipWidth, drawClip, framesPerClip } from '../../elements/pretrain/clips.ts';
import { parseY4m, throughEncoder, type Video } from '../../elements/pretrain/codec.ts';
import { registerPretrain } from '../../elements/pretrain/command.ts';
import {
  manifestName,
  readManifest,
  sha256,
  writeModel,
  type ModelEntry,
} from '../../elements/pretrain/manifest.ts';
import { drawPage, pageKinds } from '../../elements/pretrain/pages/index.ts';
import {
  cropWithMargin,
  cutPair,
  pairSide,
  type WeightedPair,
} from '../../elements/pretrain/pairs.ts';
import { Random } from '../../elements/pretrain/random.ts';
import { learningRateAt, schedule, trainNetwork } from '../../elements/pretrain/training.ts';
import { startProbabilities, tableText } from '../../elements/pretrain/residual-start.ts';

const noise = (width: number, height: number, seed = 1): Plane => {
  const random = new Random(seed);
  const pixels = Uint8Array.from({ length: width * height }, () => random.whole(0, 255));
  return { width, height, pixels };
};

const rows = ({ pixels, width }: Plane, x: number, y: number, w: number, h: number): number[][] =>
  Array.from({ length: h }, (_, row) =>
    Array.from(pixels.subarray((y + row) * width + x, (y + row) * width + x + w)),
  );

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'livesr-pretrain-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe('random draws of the recipe', () => {
  it('are the same for the same seed and fall within their bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
        const a = new Random(seed).fork(3);
        const b = new Random(seed).fork(3);
        for (let i = 0; i < 20; i++) {
          const value = a.whole(-3, 7);
          expect(b.whole(-3, 7)).toBe(value);
          expect(value).toBeGreaterThanOrEqual(-3);
          expect(value).toBeLessThanOrEqual(7);
          expect(Math.abs(a.normal())).toBeLessThan(3.5);
          b.normal();
        }
      }),
    );
  });

  it('differ between the parts that one seed is forked into', () => {
    const draws = (index: number): number[] => {
      const part = new Random(1).fork(index);
      return Array.from({ length: 8 }, () => part.unit());
    };
    expect(draws(0)).not.toEqual(draws(1));
  });
});

describe('rendered pages', () => {
  it('are drawn the same for the same seed and anew for another', () => {
    for (let kind = 0; kind < pageKinds.length; kind++) {
      const page = drawPage(kind, new Random(5), 320, 240);
      expect(drawPage(kind, new Random(5), 320, 240)).toBe(page);
      expect(drawPage(kind, new Random(6), 320, 240)).not.toBe(page);
    }
  });

  it('are well-formed and show something, whatever is drawn', async () => {
    for (let index = 0; index < 5 * pageKinds.length; index++) {
      const page = Buffer.from(drawPage(index, new Random(100 + index), 320, 240));
      const { channels } = await sharp(page).stats();
      const spread = Math.max(...channels.slice(0, 3).map(({ stdev }) => stdev));
      expect(spread, `page ${index} is blank`).toBeGreaterThan(1);
    }
  });
});

describe('the camera', () => {
  const picture = noise(64, 48);
  const options = { width: 20, height: 16, frames: 3, shutterSamples: 1, grain: 0 };

  it('copies pixels exactly when it stands or moves by whole pixels', () => {
    const path = (frame: number) => ({ x: 5 + 2 * Math.floor(frame), y: 7, step: 1 });
    const frames = shoot([{ picture, path }], options, new Random(1));
    frames.forEach((pixels, frame) => {
      expect(rows({ ...options, pixels }, 0, 0, 20, 16)).toEqual(
        rows(picture, 5 + 2 * frame, 7, 20, 16),
      );
    });
  });

  it('mirrors the picture beyond its border', () => {
    const path = () => ({ x: -4, y: 0, step: 1 });
    const [pixels = new Uint8Array()] = shoot([{ picture, path }], options, new Random(1));
    const [row = []] = rows({ ...options, pixels }, 0, 0, 8, 1);
    const [start = []] = rows(picture, 0, 0, 4, 1);
    expect(row).toEqual([...start.toReversed(), ...start]);
  });

  it('lays a cutout over the picture by its opacity and nothing outside it', () => {
    const cutout = {
      width: 2,
      height: 1,
      pixels: Uint8Array.of(200, 200),
      opacity: Uint8Array.of(255, 0),
    };
    const back = { width: 20, height: 16, pixels: new Uint8Array(320).fill(50) };
    const layers = [
      { picture: back, path: () => ({ x: 0, y: 0, step: 1 }) },
      { picture: cutout, path: () => ({ x: -3, y: -2, step: 1 }) },
    ];
    const [pixels = new Uint8Array()] = shoot(layers, options, new Random(1));
    const expected = new Uint8Array(320).fill(50);
    expected[2 * 20 + 3] = 200;
    expect(pixels).toEqual(expected);
  });

  it('comes to a stand when its motion stops, and starts within the picture', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
        const path = drawPath('stop', new Random(seed), picture, 20, 16);
        expect(path(framesPerClip)).toEqual(path(framesPerClip + 5));
        const { x, y } = drawPath('still', new Random(seed), picture, 20, 16)(0);
        expect(x >= 0 && x <= 44 && y >= 0 && y <= 32).toBe(true);
      }),
    );
  });
});

describe('training pairs', () => {
  it('hold the neighbourhood of their crop, with edges replicated beyond the frame', () => {
    const plane = noise(30, 20);
    fc.assert(
      fc.property(fc.nat(20), fc.nat(12), fc.integer({ min: 0, max: 6 }), (x, y, margin) => {
        const crop = cropWithMargin(plane, x, y, 10, 8, margin);
        for (let row = 0; row < 8 + 2 * margin; row++)
          for (let column = 0; column < 10 + 2 * margin; column++) {
            const sy = Math.min(19, Math.max(0, y - margin + row));
            const sx = Math.min(29, Math.max(0, x - margin + column));
            expect(crop[row * (10 + 2 * margin) + column]).toBe(plane.pixels[sy * 30 + sx]);
          }
      }),
    );
  });

  it('show the same place in both resolutions', () => {
    const scale = 3;
    const low = noise(80, 60);
    const pixels = native().resample('bicubic', low, 240, 180);
    const pair = cutPair({ pixels, width: 240, height: 180 }, low, scale, 11, 7, 0);
    const side = pairSide / scale;
    const again = native().resample(
      'bicubic',
      { pixels: pair.low, width: side, height: side },
      pairSide,
      pairSide,
    );
    const inner = (plane: Uint8Array): number[][] =>
      rows({ pixels: plane, width: pairSide, height: pairSide }, 9, 9, 102, 102);
    expect(inner(again)).toEqual(inner(pair.high));
  });
});

describe('clips of the training set', () => {
  const photo = async (): Promise<string> => {
    const path = join(folder, 'photo.png');
    const { pixels, width, height } = noise(96, 64);
    await sharp(pixels, { raw: { width, height, channels: 1 } })
      .png()
      .toFile(path);
    return path;
  };

  it('are the same for the same seed, of the stated length and size', async () => {
    const photos = [await photo()];
    for (const index of [0, 1]) {
      const frames = await drawClip(index, photos, new Random(4).fork(index));
      expect(frames.map((frame) => frame.length)).toEqual(
        new Array(framesPerClip).fill(clipWidth * clipHeight),
      );
      const again = await drawClip(index, photos, new Random(4).fork(index));
      expect(Buffer.concat(again).equals(Buffer.concat(frames))).toBe(true);
    }
  });
});

describe('the way through the encoder', () => {
  const flat = (level: number): Uint8Array => new Uint8Array(64 * 48).fill(level);
  const video: Video = {
    width: 64,
    height: 48,
    frameRate: { numerator: 25, denominator: 1 },
    frames: [flat(30), flat(120), flat(220)],
  };

  it('gives back every frame in order, the same each time', async () => {
    const rate = { kind: 'quality', crf: 26 } as const;
    const decoded = await throughEncoder(video, rate, 20);
    expect(decoded.frames.map((frame) => frame[1000])).toEqual([30, 120, 220]);
    const again = await throughEncoder(video, rate, 20);
    expect(again.frames.map((frame) => Buffer.from(frame))).toEqual(
      decoded.frames.map((frame) => Buffer.from(frame)),
    );
  });

  it('loses more at a worse quality', async () => {
    const moving = { ...video, frames: [1, 2, 3].map((seed) => noise(64, 48, seed).pixels) };
    const error = async (crf: number): Promise<number> => {
      const decoded = await throughEncoder(moving, { kind: 'quality', crf }, 20);
      return moving.frames.reduce((sum, pixels, index) => {
        const other = decoded.frames[index] ?? new Uint8Array();
        return sum + native().squaredError({ ...moving, pixels }, { ...moving, pixels: other });
      }, 0);
    };
    expect(await error(20)).toBeLessThan(await error(35));
  });

  it('refuses sizes that would be padded and streams that are cut off', async () => {
    await expect(
      throughEncoder({ ...video, width: 60 }, { kind: 'quality', crf: 26 }, 20),
    ).rejects.toThrow('multiples of 8');
    const whole = Buffer.concat([
      Buffer.from('YUV4MPEG2 W2 H2 F25:1\nFRAME\n'),
      Buffer.alloc(6, 9),
    ]);
    expect(parseY4m(whole).frames).toEqual([Buffer.alloc(4, 9)]);
    expect(() => parseY4m(whole.subarray(0, -1))).toThrow('within frame 0');
  });
});

describe('the training run', () => {
  const architecture = { scale: 2, channels: 8, layers: 3 };
  // What a softened edge was like before it was shrunk: a lesson that a small network learns at once.
  async function* edges(): AsyncGenerator<WeightedPair> {
    const random = new Random(9);
    for (let i = 0; i < 8; i++) {
      const period = random.whole(5, 30);
      const high = {
        width: 240,
        height: 240,
        pixels: Uint8Array.from({ length: 240 * 240 }, (_, at) =>
          (at % 240) % period < period / 2 ? 40 : 200,
        ),
      };
      const low = { width: 120, height: 120, pixels: native().resample('lanczos', high, 120, 120) };
      const pair = cutPair(high, low, 2, random.whole(0, 60), random.whole(0, 60), 3);
      yield await Promise.resolve({ pair, weight: 1 });
    }
  }

  it('gives the same weights for the same seed, and a falling loss', async () => {
    const losses: number[] = [];
    const train = (seed: number) =>
      trainNetwork(native(), architecture, edges(), seed, 200, ({ loss }) => losses.push(loss));
    const weights = await train(1);
    expect(losses).toHaveLength(200 / schedule.blockSteps);
    expect(losses.at(-1)).toBeLessThan(0.9 * (losses[0] ?? 0));
    expect(await train(1)).toEqual(weights);
    expect(await train(2)).not.toEqual(weights);
  });

  it('warms up, never exceeds its peak rate, and ends near nothing', () => {
    const steps = 10_000;
    const rates = Array.from({ length: steps }, (_, step) => learningRateAt(step, steps));
    expect(Math.max(...rates)).toBeLessThanOrEqual(schedule.peakLearningRate + 1e-6);
    expect(rates[0]).toBeLessThan(schedule.peakLearningRate / 100);
    expect(rates.at(-1)).toBeLessThan(schedule.peakLearningRate / 100);
    const peak = rates.indexOf(Math.max(...rates));
    for (let step = peak + 1; step < steps; step++)
      expect(rates[step]).toBeLessThanOrEqual(rates[step - 1] ?? 0);
  });
});

describe('the manifest', () => {
  const bytes = Buffer.from('weights');
  const entry: ModelEntry = {
    file: 'generic-x3.onnx',
    scale: 3,
    channels: 16,
    layers: 4,
    parameters: 1,
    receptiveField: 9,
    bytes: bytes.length,
    sha256: sha256(bytes),
    trainingSet: {
      photos: 'some',
      pages: 'some',
      clips: 1,
      qualities: ['clean', 20],
      pairs: 1,
      sha256: sha256(bytes),
    },
    seed: 1,
    steps: 1,
    command: 'livesr pretrain',
    instructionSet: 'reference',
    licence: 'MIT',
  };

  it('keeps one entry a file, in order of scale', async () => {
    await writeModel(folder, entry, bytes);
    await writeModel(folder, { ...entry, file: 'generic-x2.onnx', scale: 2 }, bytes);
    await writeModel(folder, { ...entry, steps: 2 }, bytes);
    const { models } = await readManifest(folder);
    expect(models.map(({ file, steps }) => [file, steps])).toEqual([
      ['generic-x2.onnx', 1],
      ['generic-x3.onnx', 2],
    ]);
    expect(await readFile(join(folder, entry.file))).toEqual(bytes);
  });

  it('is refused with the place of the mistake when it is not one', async () => {
    await writeFile(join(folder, manifestName), '{"version":1,"models":[{"file":"../x"}]}');
    await expect(readManifest(folder)).rejects.toThrow('models[0].file');
  });
});

describe('livesr pretrain', () => {
  const run = (...words: string[]): Promise<Command> => {
    const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
    registerPretrain(program);
    return program.parseAsync(['pretrain', ...words], { from: 'user' });
  };

  it('says what is wrong with its options', async () => {
    await expect(run('--scale', '5', '--photos', folder)).rejects.toThrow('--scale must be');
    await expect(run('--steps', 'many', '--photos', folder)).rejects.toThrow('--steps must be');
    await expect(run()).rejects.toThrow('--photos DIR');
    await expect(run('--photos', join(folder, 'none'))).rejects.toThrow('no folder');
    await expect(run('--measure', '--out', folder)).rejects.toThrow('--footage DIR');
    const none = join(folder, 'none');
    await expect(run('--measure', '--out', folder, '--stills', none)).rejects.toThrow('no folder');
  });
});

describe('what the residual codec starts from', () => {
  it('is near one half where hardly a bit was seen, never certain, and else what was counted', () => {
    const [unseen, certain, counted] = startProbabilities(Uint32Array.of(0, 0, 0, 1e6, 300, 100));
    expect(unseen).toBe(32768);
    expect(certain).toBe(Math.round(0.998 * 65536));
    expect(counted).toBe(Math.round((100.4 / 400.8) * 65536));
  });

  it('is written twelve numbers a line', () => {
    expect(tableText([...Array(13).keys()])).toBe('0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,\n12,\n');
  });
});
