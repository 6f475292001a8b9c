// `npm run attack`, `soak`, `fuzz`, `relays`, and `node scripts/lab.mjs wire`: programs of test/ that are
// too long for every run of the tests. They are TypeScript: bundled here, run from build/lab.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root, runMain, SetupError } from './shell.mjs';

const programs = {
  attack: 'test/attack/command.ts',
  soak: 'test/soak/command.ts',
  fuzz: 'test/fuzz/scripts/command.ts',
  relays: 'test/arrival/command.ts',
  wire: 'test/arrival/wire.ts',
};

await runMain(async () => {
  const [what, ...args] = process.argv.slice(2);
  const program = programs[what];
  if (program === undefined)
    throw new SetupError('Usage: node scripts/lab.mjs attack|soak|fuzz|relays|wire [arguments]');
  if (!existsSync(join(root, 'dist/elements/livesr.mjs'))) {
    throw new SetupError('There is no build to run this against: `npm run build` first.');
  }
  const outfile = join(root, 'build/lab', `${what}.mjs`);
  await build({
    entryPoints: [join(root, program)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
  });
  const child = spawn(process.execPath, [outfile, ...args], { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => undefined);
  return new Promise((resolve) => {
    child.on('exit', (code) => {
      resolve(code ?? 1);
    });
  });
});
