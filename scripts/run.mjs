// `npm run demo`, `npm test`, `npm run bench`: set-up, then the thing itself.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setUp } from './setup.mjs';
import { root, runMain, SetupError } from './shell.mjs';
import { test } from './test.mjs';

// The command line of livesr, in the foreground; its exit code becomes ours.
function livesr(args) {
  const child = spawn(process.execPath, [join(root, 'dist/elements/livesr.mjs'), ...args], {
    stdio: 'inherit',
  });
  // Ctrl+C reaches the child by itself; a plain kill of this process has to be passed on.
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => undefined);
  return new Promise((resolve) => {
    child.on('exit', (code) => {
      resolve(code ?? 1);
    });
  });
}

await runMain(async () => {
  const [what, ...args] = process.argv.slice(2);
  if (what !== 'demo' && what !== 'test' && what !== 'bench') {
    throw new SetupError('Usage: node scripts/run.mjs demo|test|bench [arguments]');
  }
  setUp(what === 'test');
  return what === 'test' ? test(args) : livesr([what, ...args]);
});
