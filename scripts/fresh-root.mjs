// `npm run demo` and `npm test` as a new user meets them: in a Debian that was made a moment ago.
//
//   node scripts/fresh-root.mjs --release 13 --demos 10 --test
//
// makes the root by debootstrap, clones the last commit of this working copy into it and runs what is
// asked for; prints a table and ends with 1 unless everything went well. As root, on Debian.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { runInRoot } from './fresh-root/chroot.mjs';
import { codenames, makeRoot } from './fresh-root/debian.mjs';
import { demoOutcome, isGood, table, testOutcome } from './fresh-root/outcome.mjs';
import { root as repository, run, runMain, say, SetupError } from './shell.mjs';

const usage = `Usage: node scripts/fresh-root.mjs [options]
  --release 12|13   which Debian; may be given more than once (default: both)
  --roots FOLDER    where the roots go: FOLDER/debian-13 and so on (default: build-roots)
  --demos N         runs of npm run demo, each with empty caches (default: 1)
  --seconds S       length of each demo (default: 45)
  --test            npm test after them
  --reuse           keeps a root that is there, and what was built in it; takes the last commit
  --run COMMAND     runs a shell command in the clone in place of the demos
  --mirror URL      Debian's archive, where this machine's own apt sources cannot be used
  --node FOLDER     Node for releases whose own is too old (default: the one that runs this)
  --lock FILE       what is timed waits for the lock of this file
  --training S      most seconds from the first patch to training (default: 5)`;

const options = {
  release: { type: 'string', multiple: true, default: ['12', '13'] },
  roots: { type: 'string', default: 'build-roots' },
  demos: { type: 'string', default: '1' },
  seconds: { type: 'string', default: '45' },
  test: { type: 'boolean', default: false },
  reuse: { type: 'boolean', default: false },
  run: { type: 'string' },
  mirror: { type: 'string' },
  node: { type: 'string' },
  lock: { type: 'string' },
  training: { type: 'string', default: '5' },
  help: { type: 'boolean', default: false },
};

function readArguments() {
  let values;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    throw new SetupError(`${error.message}\n${usage}`);
  }
  if (values.help) throw new SetupError(usage);
  const unknown = values.release.filter((release) => !(release in codenames));
  const [demos, seconds, training] = ['demos', 'seconds', 'training'].map((name) =>
    Number(values[name]),
  );
  if (unknown.length > 0 || !(demos >= 0) || !(seconds >= 5) || !(training > 0)) {
    throw new SetupError(usage);
  }
  if (process.getuid?.() !== 0) {
    throw new SetupError('Making a root takes root: sudo node scripts/fresh-root.mjs …');
  }
  return { ...values, demos, seconds, training, roots: resolve(values.roots) };
}

// Where the clone is in the root; what the project shares lies beside it, as it does here.
const place = '/srv/livesr/main';
const shared = join(repository, '../shared');
const readOnly = existsSync(shared) ? { [shared]: '/srv/livesr/shared' } : {};

function cloneInto(root) {
  const clone = join(root, place);
  const steps = existsSync(clone)
    ? [
        ['-C', clone, 'fetch', '--quiet', repository, 'HEAD'],
        ['-C', clone, 'reset', '--quiet', '--hard', 'FETCH_HEAD'],
      ]
    : [['clone', '--quiet', '--no-hardlinks', repository, clone]];
  for (const step of steps) {
    if (run('git', step) !== 0) throw new SetupError(`git ${step.join(' ')} failed; see above`);
  }
  return clone;
}

async function demos(root, clone, release, { demos: count, seconds: length, lock }) {
  const rows = [];
  for (let number = 1; number <= count; number++) {
    const log = join(root, `../debian-${release}-demo-${number}.log`);
    for (const old of [log, join(clone, 'report'), join(root, 'root/.cache')]) {
      rmSync(old, { recursive: true, force: true });
    }
    const inClone = (command, more) =>
      runInRoot(root, `cd ${place} && ${command}`, { readOnly, log, ...more });
    // With a lock the set-up, which takes minutes, does not keep others waiting.
    if (lock !== undefined) await inClone('npm run demo -- --help');
    const started = performance.now();
    const code = await inClone(`npm run demo -- --seconds ${length}`, { lock });
    const seconds = (performance.now() - started) / 1000;
    rows.push(demoOutcome(clone, { release, run: number, code, seconds }));
    say(JSON.stringify(rows.at(-1)));
  }
  return rows;
}

async function test(root, release) {
  const log = join(root, `../debian-${release}-test.log`);
  rmSync(log, { force: true });
  const code = await runInRoot(root, `cd ${place} && npm test`, { readOnly, log });
  const outcome = testOutcome(log) ?? `npm test did not come to its end; see ${log}`;
  process.stdout.write(`Debian ${release}: ${outcome}\n`);
  return code === 0;
}

async function runRelease(release, wanted) {
  const root = join(wanted.roots, `debian-${release}`);
  const log = `${root}-setup.log`;
  if (!wanted.reuse || !existsSync(root)) {
    say(`fresh-root: making ${root}`);
    await makeRoot(root, release, { ...wanted, log });
  }
  const clone = cloneInto(root);
  if (wanted.run !== undefined) {
    return (await runInRoot(root, `cd ${place} && ${wanted.run}`, { readOnly })) === 0;
  }
  const rows = await demos(root, clone, release, wanted);
  if (rows.length > 0) process.stdout.write(`${table(rows)}\n`);
  writeFileSync(`${root}-demos.json`, `${JSON.stringify(rows, null, 2)}\n`);
  const isTested = !wanted.test || (await test(root, release));
  return isTested && rows.every((row) => isGood(row, wanted.training));
}

// Ends by the ordinary way out, on which what runs in a root is killed.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

await runMain(async () => {
  const wanted = readArguments();
  mkdirSync(wanted.roots, { recursive: true });
  let isGoodInAll = true;
  for (const release of wanted.release) {
    isGoodInAll = (await runRelease(release, wanted)) && isGoodInAll;
  }
  return isGoodInAll ? 0 : 1;
});
