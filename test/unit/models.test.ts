// The weights in models/ are what their manifest says, and do what they are for.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { native, type Model, type Plane } from '../../elements/bridge/index.ts';
import { throughEncoder } from '../../elements/pretrain/codec.ts';
import { fileName, readManifest, sha256 } from '../../elements/pretrain/manifest.ts';
import type { NetworkSize } from '../../elements/pretrain/training.ts';
import { listClips, measureClip } from '../../elements/pretrain/measure.ts';
import { givenPicture, sentScale } from '../../elements/pretrain/pairs.ts';
import { drawPage, pageKinds } from '../../elements/pretrain/pages/index.ts';
import { Random } from '../../elements/pretrain/random.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = join(root, 'models');
const footage = join(root, '..', 'shared', 'media');
const core = native();
const sizes: readonly NetworkSize[] = ['standard', 'small'];
const networks = [1, 2, 3, 4].flatMap((scale) => sizes.map((size) => ({ scale, size })));

const load = async (scale: number, size: NetworkSize): Promise<Model> =>
  core.loadModel(await readFile(join(folder, fileName(scale, size))));

/** Pages of a seed that no training set was drawn from, as luma. */
const width = 480;
const height = 384;
const unseenPages = (): Promise<Plane[]> =>
  Promise.all(
    pageKinds.map(async (_, kind) => {
      const page = Buffer.from(drawPage(kind, new Random(0xfeed).fork(kind), width, height));
      const pixels = await sharp(page).flatten().toColourspace('b-w').raw().toBuffer();
      return { width, height, pixels: pixels.map((value) => 16 + (value * 219) / 255) };
    }),
  );

const psnrDb = (a: Plane, pixels: Uint8Array): number =>
  core.psnrDb(core.squaredError(a, { ...a, pixels }) / pixels.length);

describe('the manifest of models/', () => {
  it('describes exactly the files that stand beside it', async () => {
    const { models } = await readManifest(folder);
    expect(models.map(({ file }) => file)).toEqual(
      networks.map(({ scale, size }) => fileName(scale, size)),
    );
    for (const entry of models) {
      const bytes = await readFile(join(folder, entry.file));
      const { architecture, parameters } = core.loadModel(bytes);
      const { scale, channels, layers } = entry;
      expect(entry).toMatchObject({
        bytes: bytes.length,
        sha256: sha256(bytes),
        ...architecture,
        parameters: parameters.length,
      });
      expect(parameters).toHaveLength(core.parameterCount({ scale, channels, layers }));
      expect(entry.receptiveField).toBe((2 * layers + 1) * (scale === 1 ? 2 : 1));
      expect(entry.licence).toBe('MIT');
    }
  });
});

describe.each(networks)('the $size generic network of scale $scale', ({ scale, size }) => {
  const low = { width: width / sentScale(scale), height: height / sentScale(scale) };

  it('leaves flat pictures of every level as they are', async () => {
    const { architecture, parameters } = await load(scale, size);
    const changed: number[] = [];
    for (let level = 0; level < 256; level++) {
      const pixels = new Uint8Array(12 * 12).fill(level);
      const shown = core.enhance(architecture, parameters, { width: 12, height: 12, pixels });
      if (shown.some((value) => value !== level)) changed.push(level);
    }
    expect(changed).toEqual([]);
  });

  it('is above plain enlargement on every kind of page it has not seen, clean and compressed', async () => {
    const { architecture, parameters } = await load(scale, size);
    const pages = await unseenPages();
    const clean = pages.map((page) => core.resample('lanczos', page, low.width, low.height));
    const video = { ...low, frameRate: { numerator: 25, denominator: 1 }, frames: clean };
    // Every page a key frame: how the encoder predicts one from another is not the subject here.
    const coarse = await throughEncoder(video, { kind: 'quality', crf: 30 }, 1);
    for (const frames of [clean, coarse.frames])
      pages.forEach((page, kind) => {
        const given = givenPicture(core, scale, {
          ...low,
          pixels: frames[kind] ?? new Uint8Array(),
        });
        const plain = core.resample('bicubic', given, width, height);
        const shown = core.enhance(architecture, parameters, given);
        const name = `page ${kind}, ${frames === clean ? 'clean' : 'compressed'}`;
        expect(psnrDb(page, shown), name).toBeGreaterThan(psnrDb(page, plain));
      });
  });

  it('is not below plain enlargement in any second of real clips at 600 kbit/s', async ({
    skip,
  }) => {
    if (!existsSync(footage)) skip('no test clips in ../shared/media');
    const model = await load(scale, size);
    for (const clip of await listClips(footage)) {
      const gain = await measureClip(core, model, clip, 600, 2, 6);
      // A cartoon through Lanczos leaves the network that restores nothing to do.
      expect(gain.gainDb, clip).toBeGreaterThan(scale === 1 ? -0.02 : 0);
      expect(gain.worstSecondGainDb, clip).toBeGreaterThan(-0.05);
    }
  });
});
