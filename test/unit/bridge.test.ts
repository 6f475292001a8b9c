// The addon through its typed loader: that arguments are checked and results are core's. What core
// computes is tested natively.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  candidatePaths,
  loadNative,
  native,
  type Architecture,
  type Trainer,
  type TrainingPair,
} from '../../elements/bridge/index.ts';

const architecture: Architecture = { scale: 2, channels: 8, layers: 3 };
const core = native();
const parameters = core.makeNetwork(architecture, 1);

/** A pair whose truth is brighter than its low picture: easy to learn, whichever way it is turned. */
function brighter(side = 24): TrainingPair {
  const lowSide = side / 2 + 2 * architecture.layers;
  const low = new Uint8Array(lowSide * lowSide).fill(120);
  const high = new Uint8Array(side * side).fill(150);
  return { width: side, height: side, low, high };
}

function newTrainer(seed = 1): Trainer {
  return new core.Trainer(architecture, parameters, { seed, window: 12 });
}

describe('the loader', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'livesr-bridge-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('follows LIVESR_NATIVE and nothing else when it is set', () => {
    expect(candidatePaths({ LIVESR_NATIVE: '/x/livesr.node' })).toEqual(['/x/livesr.node']);
    expect(candidatePaths({}).every((path) => path.endsWith('native/livesr.node'))).toBe(true);
  });

  it('takes the first that is there', () => {
    const copy = join(folder, 'livesr.node');
    const [built] = candidatePaths({}).slice(-1);
    copyFileSync(built ?? '', copy);
    expect(loadNative([join(folder, 'missing.node'), copy]).parameterCount(architecture)).toBe(
      parameters.length,
    );
  });

  it('says what it tried and what to do', () => {
    const missing = join(folder, 'missing.node');
    const broken = join(folder, 'broken.node');
    writeFileSync(broken, 'not a library');
    const load = (): unknown => loadNative([missing, broken]);
    expect(load).toThrow(missing);
    expect(load).toThrow(broken);
    expect(load).toThrow('npm run build');
  });
});

describe('cpu', () => {
  it('names a path among those that are supported', () => {
    const { isa, supported } = core.cpu();
    expect(supported).toContain(isa);
    expect(supported).toContain('reference');
  });
});

describe('networks', () => {
  it('start as bicubic', () => {
    const low = {
      pixels: Uint8Array.from({ length: 99 }, (_, i) => (i * 37) % 256),
      width: 11,
      height: 9,
    };
    expect(core.enhance(architecture, parameters, low)).toEqual(
      core.resample('bicubic', low, 22, 18),
    );
  });

  it('survive a model file', () => {
    const changed = parameters.map((value, i) => value + (i % 7) * 1e-3);
    const model = core.loadModel(core.saveModel(architecture, changed));
    expect(model.architecture).toEqual(architecture);
    expect(model.parameters).toEqual(changed);
  });

  it('are refused when the file is none', () => {
    expect(() => core.loadModel(Buffer.from('not a model'))).toThrow(Error);
  });

  it('agree in float and in 8 bits', () => {
    const changed = parameters.map((value, i) => value + Math.sin(i) * 0.01);
    const pixels = Uint8Array.from({ length: 400 }, (_, i) => 60 + ((i * 29) % 120));
    const low = { pixels, width: 20, height: 20 };
    const floats = core.enhanceFloat(
      architecture,
      changed,
      Float32Array.from(pixels, (v) => v / 255),
      20,
      20,
    );
    const bytes = core.enhance(architecture, changed, low);
    const worst = Math.max(
      ...bytes.map((value, i) => Math.abs(value - Math.min(1, Math.max(0, floats[i] ?? 0)) * 255)),
    );
    expect(worst).toBeLessThan(2);
  });

  it('are checked', () => {
    expect(() => core.parameterCount({ ...architecture, scale: 7 })).toThrow(TypeError);
    expect(() => core.parameterCount({ ...architecture, channels: 7 })).toThrow(/architecture/);
    expect(() => core.saveModel(architecture, parameters.slice(1))).toThrow(/parameters has/);
    expect(() => core.makeNetwork(architecture, -1)).toThrow(/seed/);
    expect(() =>
      core.enhance(architecture, parameters, { pixels: new Uint8Array(5), width: 2, height: 3 }),
    ).toThrow(/plane.pixels has 5 elements, must have 6/);
    expect(() => core.enhanceFloat(architecture, parameters, new Float32Array(5), 2, 3)).toThrow(
      TypeError,
    );
  });
});

describe('pictures', () => {
  const a = { pixels: Uint8Array.from({ length: 144 }, (_, i) => i), width: 12, height: 12 };
  const b = { ...a, pixels: a.pixels.map((value) => value + 3) };

  it('are measured', () => {
    expect(core.squaredError(a, b)).toBe(9 * 144);
    expect(core.psnrDb(9)).toBeCloseTo(10 * Math.log10(65025 / 9), 9);
    expect(core.psnrDb(0)).toBe(100);
    expect(core.ssim(a, a)).toBeCloseTo(1, 9);
    expect(core.ssim(a, b)).toBeLessThan(1);
    expect(() => core.ssim(a, { ...b, width: 6, height: 24 })).toThrow('one size');
  });

  it('are resampled by the filters there are', () => {
    expect(core.resample('lanczos', a, 5, 7)).toHaveLength(35);
    // @ts-expect-error: what JavaScript callers could pass
    expect(() => core.resample('nearest', a, 5, 7)).toThrow(/filter/);
  });

  it('survive a luma JPEG', () => {
    const jpeg = core.encodeJpegLuma(a, 95);
    const decoded = core.decodeJpegLuma(jpeg, 12, 12);
    expect(decoded).toHaveLength(144);
    expect(core.decodeJpegLuma(jpeg, 12, 13)).toBeNull();
    expect(core.decodeJpegLuma(jpeg.subarray(0, 9), 12, 12)).toBeNull();
  });
});

describe('patch packets', () => {
  const header = {
    scale: 2,
    streamId: 0xfedcba98,
    sequence: 5,
    runningTimeNs: 2 ** 40 + 1,
    frameWidth: 1280,
    frameHeight: 720,
  };
  const place = { x: 120, y: 240, width: 120, height: 120 };
  const patches = [
    { codec: 1, quality: 95, ...place, payload: Uint8Array.of(1, 2, 3) },
    { codec: 2, quality: 26, ...place, payload: Uint8Array.of(4) },
  ];

  it('are read as they were written', () => {
    const packet = core.writePacket(header, patches);
    expect(core.readPacket(packet)).toEqual({
      error: 'none',
      consumed: packet.length,
      header,
      patches,
    });
  });

  it('are refused with a reason', () => {
    const packet = core.writePacket(header, patches);
    const last = packet.length - 1;
    packet[last] = (packet[last] ?? 0) ^ 1;
    expect(core.readPacket(packet)).toEqual({ error: 'checksum', consumed: packet.length });
    expect(core.readPacket(packet.subarray(0, 30)).error).toBe('truncated');
    const far = patches.map((patch) => ({ ...patch, x: 70_000 }));
    expect(() => core.writePacket(header, far)).toThrow(/x must be/);
  });
});

describe('the trainer', () => {
  it('learns, and tells what it learnt', async () => {
    const trainer = newTrainer();
    const id = trainer.add(brighter());
    const first = await trainer.train(5, 1e-3);
    const later = await trainer.train(200, 1e-3);
    expect(later).toBeLessThan(first);
    expect(trainer.steps).toBe(205);
    expect(trainer.size).toBe(1);
    const errors = await trainer.meanSquaredError([id, id], [null, trainer.averaged()]);
    expect(errors).toHaveLength(4);
    expect(errors[0]).toBe(900);
    expect(errors[2]).toBeLessThan(errors[0] ?? 0);
    expect(errors[3]).toBe(errors[2]);
  });

  it('gives the same from the same seed, however the steps are cut', async () => {
    const results: Float32Array[] = [];
    for (const chunks of [[12], [5, 7]]) {
      const trainer = newTrainer(3);
      trainer.add(brighter());
      for (const steps of chunks) await trainer.train(steps, 1e-3);
      results.push(trainer.parameters());
    }
    expect(results[0]).toEqual(results[1]);
  });

  it('trains on no pair without weight', async () => {
    const trainer = newTrainer();
    const id = trainer.add(brighter(), 0);
    expect(await trainer.train(3, 1e-3)).toBe(0);
    expect(trainer.parameters()).toEqual(parameters);
    trainer.setWeight(id, 4);
    expect(await trainer.train(3, 1e-3)).toBeGreaterThan(0);
    trainer.remove(id);
    expect(trainer.size).toBe(0);
  });

  it('refuses every call while it is at work, and works on afterwards', async () => {
    const trainer = newTrainer();
    const id = trainer.add(brighter());
    const training = trainer.train(50, 1e-3);
    expect(trainer.busy).toBe(true);
    expect(() => trainer.train(1, 1e-3)).toThrow('at work');
    expect(() => trainer.averaged()).toThrow('at work');
    expect(() => {
      trainer.remove(id);
    }).toThrow('at work');
    await training;
    expect(trainer.busy).toBe(false);
    expect(await trainer.train(1, 1e-3)).toBeGreaterThan(0);
  });

  it('takes other weights', async () => {
    const trainer = newTrainer();
    trainer.add(brighter());
    await trainer.train(20, 1e-3);
    trainer.reset(parameters);
    expect(trainer.averaged()).toEqual(parameters);
  });

  it('rejects the promise when the work fails', async () => {
    const trainer = newTrainer();
    await expect(trainer.meanSquaredError([12345], [null])).rejects.toThrow(Error);
    expect(trainer.busy).toBe(false);
  });

  it('checks its arguments', () => {
    const trainer = newTrainer();
    expect(() => trainer.add({ ...brighter(), width: 23 })).toThrow(Error);
    expect(() => trainer.add({ ...brighter(), high: new Uint8Array(3) })).toThrow(Error);
    expect(() => trainer.add(brighter(), -1)).toThrow(/weight/);
    expect(() => trainer.train(-1, 1e-3)).toThrow(/steps/);
    expect(() => trainer.train(1, NaN)).toThrow(/learningRate/);
    expect(() => trainer.meanSquaredError([0], [new Float32Array(3)])).toThrow(/weightSets has 3/);
    expect(() => new core.Trainer(architecture, parameters, { batch: 0 })).toThrow(/options.batch/);
  });
});
