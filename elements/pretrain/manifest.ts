// models/manifest.json: what each file of weights is and how it was made.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { NetworkSize } from './training.ts';

const modelSchema = z.strictObject({
  file: z.string().regex(/^[a-z0-9-]+\.onnx$/),
  scale: z.int().min(1).max(4),
  channels: z.int(),
  layers: z.int(),
  parameters: z.int(),
  /** Side of the square of pixels given that one output pixel depends on. */
  receptiveField: z.int(),
  bytes: z.int(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  trainingSet: z.strictObject({
    photos: z.string(),
    pages: z.string(),
    clips: z.int(),
    /** x264 constant rate factors; "clean" is the downscaled picture as it is. */
    qualities: z.array(z.union([z.int(), z.literal('clean')])),
    pairs: z.int(),
    /** Of every pair's pixels in order: equal on two machines exactly when the sets are. */
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  seed: z.int(),
  steps: z.int(),
  command: z.string(),
  /** The kernels' path: sums in float differ in their last bits from one to another. */
  instructionSet: z.string(),
  licence: z.string(),
});

const manifestSchema = z.strictObject({ version: z.literal(1), models: z.array(modelSchema) });

export type ModelEntry = z.infer<typeof modelSchema>;
export type Manifest = z.infer<typeof manifestSchema>;

export const manifestName = 'manifest.json';

export const fileName = (scale: number, size: NetworkSize): string =>
  size === 'standard' ? `generic-x${scale}.onnx` : `generic-x${scale}-${size}.onnx`;

export const sha256 = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

/** The manifest of a folder of models; an empty one where there is none yet. */
export const readManifest = async (folder: string): Promise<Manifest> => {
  const path = join(folder, manifestName);
  if (!existsSync(path)) return { version: 1, models: [] };
  const result = manifestSchema.safeParse(JSON.parse(await readFile(path, 'utf8')));
  if (!result.success) throw new Error(`${path}: ${z.prettifyError(result.error)}`);
  return result.data;
};

/** Writes a model and its entry, in place of the folder's earlier one of that file name. */
export const writeModel = async (
  folder: string,
  entry: ModelEntry,
  bytes: Uint8Array,
): Promise<void> => {
  const { models } = await readManifest(folder);
  const others = models.filter((model) => model.file !== entry.file);
  const manifest: Manifest = {
    version: 1,
    models: [...others, entry].sort((a, b) => a.scale - b.scale || b.parameters - a.parameters),
  };
  await writeFile(join(folder, entry.file), bytes);
  await writeFile(join(folder, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
};
