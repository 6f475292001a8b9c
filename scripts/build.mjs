// `npm run build`: the native code (CMake, Ninja) and the TypeScript (rollup), all of it into dist/.
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, run, runMain, say, SetupError } from './shell.mjs';

// Continuous integration sets CI; there a warning of the compiler ends the build.
const isCi = !['', '0', 'false'].includes(process.env.CI ?? '');

// Builds the native tree in `directory` and returns whether it worked. CMake runs where the tree is
// new or its options have changed; Ninja knows what is to be done, and with nothing to do it takes a
// moment. The tests, half of it all, are built for those alone who run them.
export function buildNative(directory, { options = [], withTests }) {
  const configure = ['-S', 'plugin', '-B', directory, '-G', 'Ninja', ...options];
  configure.push(`-DLIVESR_WERROR=${isCi ? 'ON' : 'OFF'}`);
  const stamp = join(root, directory, '.configured');
  const wanted = configure.join('\n');
  const isConfigured =
    existsSync(join(root, directory, 'build.ninja')) &&
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === wanted;
  if (!isConfigured) {
    if (run('cmake', configure) !== 0) return false;
    writeFileSync(stamp, wanted);
  }
  const targets = ['all', ...(withTests ? ['tests'] : [])];
  const jobs = String(availableParallelism());
  return run('ninja', ['-C', directory, '--quiet', '-j', jobs, ...targets]) === 0;
}

function* filesUnder(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* filesUnder(path);
    else yield path;
  }
}

// Changes whenever an input of rollup was edited, added or removed.
function fingerprint() {
  const inputs = [
    ...filesUnder(join(root, 'elements')),
    ...filesUnder(join(root, 'obs-script')),
    ...['rollup.config.mjs', 'package-lock.json', 'scripts/packages.json'].map((f) =>
      join(root, f),
    ),
  ];
  const hash = createHash('sha256');
  for (const path of inputs.sort()) {
    const { mtimeMs, size } = statSync(path);
    hash.update(`${path}\0${mtimeMs}\0${size}\n`);
  }
  return hash.digest('hex');
}

function buildScripts() {
  const stamp = join(root, 'dist/elements/.inputs');
  const inputs = fingerprint();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs) return;
  say('build: elements');
  const rollup = join(root, 'node_modules/rollup/dist/bin/rollup');
  if (run(process.execPath, [rollup, '--config', '--silent']) !== 0) {
    throw new SetupError('rollup failed; what it did not like stands above.');
  }
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, inputs);
}

function copyModels() {
  const models = join(root, 'models');
  if (!existsSync(models)) return;
  const isPublished = (path) => path === models || /\.(onnx|json)$/.test(path);
  cpSync(models, join(root, 'dist/models'), { recursive: true, filter: isPublished });
}

// What is read as it is: the script for OBS, the dock's page.
function copyObsScript() {
  const from = join(root, 'obs-script');
  for (const name of ['livesr.lua', 'dock']) {
    cpSync(join(from, name), join(root, 'dist/obs-script', name), { recursive: true });
  }
}

export function build({ withTests }) {
  if (!buildNative('build', { withTests })) {
    throw new SetupError('The native build failed; what the compiler did not like stands above.');
  }
  buildScripts();
  copyModels();
  copyObsScript();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(() => build({ withTests: true }));
}
