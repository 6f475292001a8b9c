// Where livesr's own files are, and the environment that makes GStreamer find its plugin.
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds `gstreamer/` and `elements/`: dist in a clone, the package root's in npm. */
export const distDirectory = findDist(dirname(fileURLToPath(import.meta.url)));

function findDist(start: string): string {
  for (let folder = start; ; folder = dirname(folder)) {
    for (const candidate of [folder, join(folder, 'dist')]) {
      if (existsSync(join(candidate, 'gstreamer'))) return candidate;
    }
    if (folder === dirname(folder)) return resolve(start, '..');
  }
}

export const pluginDirectory = join(distDirectory, 'gstreamer');
/** Where srenhancer looks for the generic networks too. */
export const modelsDirectory = process.env.LIVESR_MODELS ?? join(distDirectory, 'models');
export const commandLineScript = join(distDirectory, 'elements', 'livesr.mjs');

/** A folder for what can be made again: decoded clips, GStreamer's registry. */
export function cacheDirectory(): string {
  const base = process.env.XDG_CACHE_HOME;
  const folder = join(
    base !== undefined && base !== '' ? base : join(homedir(), '.cache'),
    'livesr',
  );
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * Environment of a process that runs our elements. The registry is our own: GStreamer's common one
 * would be rewritten each time a program with another plugin path starts.
 */
export function gstreamerEnvironment(): NodeJS.ProcessEnv {
  const others = process.env.GST_PLUGIN_PATH;
  return {
    ...process.env,
    GST_PLUGIN_PATH: [pluginDirectory, ...(others === undefined ? [] : [others])].join(':'),
    GST_REGISTRY: join(cacheDirectory(), 'gstreamer-registry.bin'),
    LIVESR_NODE: process.env.LIVESR_NODE ?? process.execPath,
  };
}
