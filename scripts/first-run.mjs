// Runs what a person does first, `npm run demo`, again and again as if for the first time: empty caches,
// a fresh copy of dist or a fresh build, a cold page cache, one core, other load. Writes what came of it
// as a table: docs/lab/first-run.md has the last ones.
//
//   node scripts/first-run.mjs [--runs N] [--variants plain,cold,...] [--seconds 15] [--results FILE]
//
// FILE gets a line of JSON a run and may hold those of earlier calls; the table is of all of them.
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { cpus, homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { secondsBetween } from './engine-log.mjs';
import { root, run, runMain, say, SetupError } from './shell.mjs';

// What each makes harder than a run of every day. All have an empty cache folder of their own.
const variants = {
  plain: {},
  copied: { isCopied: true },
  cold: { isCold: true, isCopied: true },
  'one-core': { cores: '0' },
  load: { loads: cpus().length },
  'cold-load': { isCold: true, isCopied: true, loads: cpus().length },
  'one-core-load': { cores: '0', loads: 1 },
  'cold-one-core': { isCold: true, isCopied: true, cores: '0' },
  'no-clip': { isWithoutClip: true },
  built: { isBuilt: true, isCold: true },
};

const dropCaches = '/proc/sys/vm/drop_caches';

// Only root may; whether it was done stands in the result.
function coolDown() {
  run('sync', []);
  try {
    writeFileSync(dropCaches, '3\n');
    return true;
  } catch {
    return false;
  }
}

function startLoads(count, cores) {
  const command = ['-e', 'for (;;);'];
  return Array.from({ length: count }, () =>
    cores === undefined
      ? spawn(process.execPath, command, { stdio: 'ignore' })
      : spawn('taskset', ['-c', cores, process.execPath, ...command], { stdio: 'ignore' }),
  );
}

// A folder that holds dist as a fresh clone would have it after its first build.
function freshTree(folder, { isCopied, isBuilt }) {
  if (!isCopied && !isBuilt) return root;
  const tree = join(folder, 'livesr');
  if (isBuilt) {
    if (run('git', ['clone', '--quiet', '--local', root, tree]) !== 0) {
      throw new SetupError('git cannot clone this repository: commit what is to be tried');
    }
    symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
    if (run(process.execPath, [join(tree, 'scripts/build.mjs')]) !== 0) {
      throw new SetupError('the fresh clone does not build; what the compiler says stands above');
    }
    return tree;
  }
  mkdirSync(tree);
  cpSync(join(root, 'dist'), join(tree, 'dist'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  return tree;
}

// Rendering the clip takes longer than the run: it is kept unless a variant wants it made.
function freshCache(folder, isWithoutClip) {
  const cache = join(folder, 'cache');
  const name = join('livesr', 'street-at-dusk.y4m');
  const kept = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), name);
  mkdirSync(join(cache, 'livesr'), { recursive: true });
  if (!isWithoutClip && existsSync(kept)) {
    try {
      linkSync(kept, join(cache, name));
    } catch {
      cpSync(kept, join(cache, name));
    }
  }
  return cache;
}

function demo(tree, cache, report, seconds, cores) {
  const args = [join(tree, 'dist/elements/livesr.mjs'), 'demo'];
  args.push('--seconds', String(seconds), '--report', report, '--json');
  const [program, ...rest] =
    cores === undefined
      ? [process.execPath, ...args]
      : ['taskset', '-c', cores, process.execPath, ...args];
  const child = spawn(program, rest, {
    cwd: tree,
    env: { ...process.env, XDG_CACHE_HOME: cache },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => (stdout += data));
  child.stderr.on('data', (data) => (stderr += data));
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code: code ?? signal, stdout, stderr });
    });
  });
}

async function firstRun(variant, seconds) {
  const settings = variants[variant];
  const folder = mkdtempSync(join(tmpdir(), 'livesr-first-'));
  const report = join(folder, 'report');
  let loads = [];
  try {
    const tree = freshTree(folder, settings);
    const cache = freshCache(folder, settings.isWithoutClip);
    const isCold = settings.isCold ? coolDown() : false;
    loads = startLoads(settings.loads ?? 0, settings.cores);
    const { code, stdout, stderr } = await demo(tree, cache, report, seconds, settings.cores);
    const logFile = join(report, 'engine.log');
    const log = existsSync(logFile) ? readFileSync(logFile, 'utf8') : '';
    const figures = code === 0 ? JSON.parse(stdout) : null;
    return {
      variant,
      date: new Date().toISOString(),
      code,
      isCold,
      // Of the server's engine: to its first weights, to the first patch, and on to training.
      readySeconds: secondsBetween(log, 'engine of', 'weights 1'),
      patchSeconds: secondsBetween(log, 'weights 1', 'first patch'),
      trainingSeconds: secondsBetween(log, 'first patch', 'first training'),
      gainDb: figures && figures.last.meanPsnrDb.online - figures.last.meanPsnrDb.bicubic,
      restarts: figures?.engineRestarts ?? null,
      problem: code === 0 ? null : stderr.trim().split('\n').slice(-4).join(' / '),
    };
  } finally {
    for (const load of loads) load.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

function table(results) {
  const lines = [
    '| variant | runs | trained | ready, s | first patch, s | patch to training, s | restarts | gain at the end, dB |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
  ];
  const spread = (values, digits) => {
    const known = values.filter((value) => value !== null).sort((a, b) => a - b);
    if (known.length === 0) return '–';
    const middle = known[Math.floor(known.length / 2)];
    return `${middle.toFixed(digits)} (${known[0].toFixed(digits)}–${known.at(-1).toFixed(digits)})`;
  };
  for (const variant of Object.keys(variants)) {
    const those = results.filter((result) => result.variant === variant);
    if (those.length === 0) continue;
    const of = (name, digits) =>
      spread(
        those.map((result) => result[name]),
        digits,
      );
    const trained = those.filter(
      ({ code, trainingSeconds }) => code === 0 && trainingSeconds !== null,
    );
    const restarts = those.reduce((sum, result) => sum + (result.restarts ?? 0), 0);
    lines.push(
      `| ${variant} | ${those.length} | ${trained.length} | ${of('readySeconds', 2)} | ${of('patchSeconds', 2)} ` +
        `| ${of('trainingSeconds', 2)} | ${restarts} | ${of('gainDb', 2)} |`,
    );
  }
  const failed = results.filter(({ code }) => code !== 0);
  return [
    ...lines,
    '',
    'Median (smallest–largest).',
    ...failed.map(({ variant, date, problem }) => `\n- ${variant}, ${date}: ${problem}`),
  ].join('\n');
}

await runMain(async () => {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '1' },
      variants: { type: 'string', default: Object.keys(variants).join(',') },
      seconds: { type: 'string', default: '15' },
      results: { type: 'string' },
    },
  });
  const names = values.variants === '' ? [] : values.variants.split(',');
  const unknown = names.find((name) => !(name in variants));
  if (unknown !== undefined) {
    throw new SetupError(`${unknown} is none of ${Object.keys(variants).join(', ')}`);
  }
  if (!existsSync(join(root, 'dist/elements/livesr.mjs')))
    throw new SetupError('npm run build first');
  const file = values.results;
  const results =
    file !== undefined && existsSync(file)
      ? readFileSync(file, 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line))
      : [];
  for (let count = 0; count < Number(values.runs); count++) {
    for (const variant of names) {
      const result = await firstRun(variant, Number(values.seconds));
      say(JSON.stringify(result));
      results.push(result);
      if (file !== undefined) appendFileSync(file, `${JSON.stringify(result)}\n`);
    }
  }
  console.log(table(results));
  return results.every(({ code }) => code === 0) ? 0 : 1;
});
