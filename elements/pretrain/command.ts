// `livesr pretrain`: trains the generic networks that ship in models/, and measures them.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { marginOf, native } from '../bridge/index.ts';
import { UsageError } from '../cli/failure.ts';
import { missingFamilies } from './fonts.ts';
import { fileName, readManifest, sha256, writeModel } from './manifest.ts';
import {
  listClips,
  measureClip,
  measureStills,
  type ClipGain,
  type StillsPsnr,
} from './measure.ts';
import { makePairs, qualities, type WeightedPair } from './pairs.ts';
import { findResidualStart, tableText } from './residual-start.ts';
import { listPhotos } from './stills.ts';
import {
  architectureOf,
  networkSizes,
  trainNetwork,
  type NetworkSize,
  type Progress,
} from './training.ts';

/** What the shipped files were made with (models/README.md). */
const recipe = { clips: 576, windows: 4, steps: 30_000 } as const;

interface PretrainOptions {
  readonly scale: number;
  readonly size: NetworkSize;
  readonly photos?: string;
  readonly seed: number;
  readonly out: string;
  readonly steps: number;
  readonly clips: number;
  readonly patchCodec?: string;
  readonly measure?: true;
  readonly footage?: string;
  readonly stills?: string;
  readonly bitrates: readonly number[];
  readonly seconds: number;
  readonly every: number;
  readonly json?: true;
}

const wholeNumber =
  (name: string, low: number, high: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < low || value > high)
      throw new UsageError(`${name} must be a whole number from ${low} to ${high}, not "${text}"`);
    return value;
  };

const requireFolder = (path: string, what: string): void => {
  if (!existsSync(path)) throw new UsageError(`${what}: there is no folder ${path}`);
};

const progressLine = (start: number): ((progress: Progress) => void) => {
  let losses: number[] = [];
  return ({ step, steps, loss }) => {
    losses.push(loss);
    if (step % 1000 !== 0 && step !== steps) return;
    const mean = losses.reduce((sum, value) => sum + value, 0) / losses.length;
    const seconds = Math.round(process.uptime() - start);
    process.stderr.write(`step ${step} of ${steps}, loss ${mean.toFixed(6)}, ${seconds} s\n`);
    losses = [];
  };
};

/** What both recipes start from; throws when something of it is missing. */
const photographs = async (options: PretrainOptions): Promise<readonly string[]> => {
  if (options.photos === undefined)
    throw new UsageError('pretrain needs --photos DIR, a folder of photographs to learn from');
  requireFolder(options.photos, '--photos');
  const missing = missingFamilies();
  if (missing.length > 0)
    throw new UsageError(
      `fonts that the rendered pages need are missing: ${missing.join(', ')}\n` +
        '  sudo apt-get install -y fonts-dejavu-core fonts-dejavu-extra fonts-urw-base35 fontconfig',
    );
  return listPhotos(options.photos);
};

const writeResidualStart = async (folder: string, options: PretrainOptions): Promise<void> => {
  requireFolder(folder, '--patch-codec');
  const photos = await photographs(options);
  const { seed, clips } = options;
  const plan = { seed, photos, clips, windows: recipe.windows };
  const { probabilities, weights } = await findResidualStart(native(), plan);
  await writeFile(join(folder, 'residual_start.inc'), tableText(probabilities));
  await writeFile(join(folder, 'residual_weights.inc'), tableText(weights));
};

const pretrain = async (options: PretrainOptions): Promise<void> => {
  const { scale, size, seed, steps, clips } = options;
  const photos = await photographs(options);
  await mkdir(options.out, { recursive: true });
  const core = native();
  const architecture = architectureOf(scale, size);
  const margin = marginOf(architecture);
  const start = process.uptime();

  const digest = createHash('sha256');
  let count = 0;
  const counted = async function* (): AsyncGenerator<WeightedPair> {
    for await (const weighted of makePairs({
      scale,
      margin,
      seed,
      photos,
      clips,
      windows: recipe.windows,
    })) {
      digest.update(weighted.pair.low).update(weighted.pair.high);
      count++;
      if (count % 1000 === 0)
        process.stderr.write(`${count} pairs, ${Math.round(process.uptime() - start)} s\n`);
      yield weighted;
    }
  };
  const parameters = await trainNetwork(
    core,
    architecture,
    counted(),
    seed,
    steps,
    progressLine(start),
  );
  const bytes = core.saveModel(architecture, parameters);
  const entry = {
    file: fileName(scale, size),
    ...architecture,
    parameters: parameters.length,
    // Of cells, where the network works on them.
    receptiveField: 2 * margin + (scale === 1 ? 2 : 1),
    bytes: bytes.length,
    sha256: sha256(bytes),
    trainingSet: {
      photos: `${photos.length} photographs released by Kodak for unrestricted use, 768x512`,
      pages: 'rendered by the recipe (elements/pretrain/pages)',
      clips,
      qualities: qualities.map((quality) => quality ?? ('clean' as const)),
      pairs: count,
      sha256: digest.digest('hex'),
    },
    seed,
    steps,
    command: `livesr pretrain --scale ${scale}${size === 'standard' ? '' : ` --size ${size}`} --photos kodak --seed ${seed} --steps ${steps} --clips ${clips} --out models`,
    instructionSet: core.cpu().isa,
    licence: 'MIT',
  };
  await writeModel(options.out, entry, bytes);
  process.stdout.write(
    options.json
      ? `${JSON.stringify(entry)}\n`
      : `${join(options.out, entry.file)}: ${entry.bytes} bytes, sha256 ${entry.sha256}, ${Math.round(process.uptime() - start)} s\n`,
  );
};

const plainOf = (scale: number): string => (scale === 1 ? 'lanczos' : 'bicubic');

const describeClip = (gain: ClipGain): string =>
  `x${gain.scale} ${String(gain.kbps).padStart(5)} kbit/s ${gain.clip.padEnd(32)} ${plainOf(gain.scale)} ${gain.bicubicPsnrDb.toFixed(2)} dB, gain ${gain.gainDb.toFixed(2)} dB, worst second ${gain.worstSecondGainDb.toFixed(2)} dB`;

const describeStills = (result: StillsPsnr): string =>
  `x${result.scale} ${result.folder} (${result.stills} stills): ${plainOf(result.scale)} ${result.bicubicPsnrDb.toFixed(2)} dB, network ${result.networkPsnrDb.toFixed(2)} dB`;

const measure = async (options: PretrainOptions): Promise<void> => {
  const core = native();
  const clips: ClipGain[] = [];
  const stills: StillsPsnr[] = [];
  const say = (line: string): void => {
    if (!options.json) process.stdout.write(`${line}\n`);
  };
  const { footage, stills: stillsFolder } = options;
  requireFolder(options.out, '--out');
  if (footage === undefined && stillsFolder === undefined)
    throw new UsageError('--measure needs --footage DIR, --stills DIR or both');
  if (footage !== undefined) requireFolder(footage, '--footage');
  if (stillsFolder !== undefined) requireFolder(stillsFolder, '--stills');
  for (const { file } of (await readManifest(options.out)).models) {
    const model = core.loadModel(await readFile(join(options.out, file)));
    if (stillsFolder !== undefined) {
      const result = await measureStills(core, model, stillsFolder);
      stills.push(result);
      say(describeStills(result));
    }
    if (footage === undefined) continue;
    for (const path of await listClips(footage))
      for (const kbps of options.bitrates) {
        const { seconds, every } = options;
        const result = await measureClip(core, model, path, kbps, seconds, every);
        clips.push(result);
        say(describeClip(result));
      }
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ clips, stills })}\n`);
};

export const registerPretrain = (program: Command): void => {
  const { clips, steps } = recipe;
  program
    .command('pretrain')
    .description('train the generic network of a scale on photographs and rendered pages')
    .option(
      '--scale <n>',
      'enlargement: 2, 3 or 4; 1: restores what was sent at two thirds and enlarged plainly',
      wholeNumber('--scale', 1, 4),
      2,
    )
    .addOption(
      new Option('--size <size>', 'of the network')
        .choices(Object.keys(networkSizes))
        .default('standard'),
    )
    .option('--photos <dir>', 'folder of photographs to learn from')
    .option('--seed <n>', 'seed of every draw', wholeNumber('--seed', 0, 2 ** 31), 1)
    .option('--out <dir>', 'folder of the models and their manifest', 'models')
    .option('--steps <n>', 'training steps', wholeNumber('--steps', 1, 10_000_000), steps)
    .option('--clips <n>', 'clips to make for training', wholeNumber('--clips', 1, 10_000), clips)
    .option(
      '--patch-codec <folder>',
      'train no network; write what the residual codec starts from there',
    )
    .option(
      '--measure',
      'train nothing; print what the models in --out gain over plain enlargement',
    )
    .option('--footage <dir>', 'to measure on: video files, sent through the encoder')
    .option('--stills <dir>', 'to measure on: stills, shrunk by bicubic')
    .option(
      '--bitrates <kbps>',
      "the encoder's bit rates, kbit/s, with commas",
      (text) => text.split(',').map(wholeNumber('--bitrates', 1, 100_000)),
      [300, 600, 1200],
    )
    .option('--seconds <n>', 'seconds of each video file', wholeNumber('--seconds', 1, 3600), 10)
    .option('--every <n>', 'measure every n-th frame', wholeNumber('--every', 1, 1000), 1)
    .option('--json', 'print the manifest entry or the figures as JSON')
    .action(async (options: PretrainOptions) => {
      if (options.patchCodec !== undefined) await writeResidualStart(options.patchCodec, options);
      else await (options.measure ? measure(options) : pretrain(options));
    });
};
