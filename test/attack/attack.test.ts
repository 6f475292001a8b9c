// All attacks on one real server, for some seconds each. `npm run attack` does it for longer, and on a
// server of its own for each.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const secondsEach = 3;
/** Other tests run on the same cores: one frame time is for machines that do nothing else. */
const maxP99Ms = 500;

test('a server bears every attack: frames go on, memory stays bounded, its neighbour sees nothing', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      'scripts/lab.mjs',
      ...['attack', '--together', '--seconds', String(secondsEach)],
      ...['--max-p99-ms', String(maxP99Ms)],
    ],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 24 },
  );
  expect(status, `${stdout}\n${stderr}`).toBe(0);
});
