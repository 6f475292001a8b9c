// Each fault of the soak once. `npm run soak` goes on for an hour.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('a stream outlives a cut link, a killed engine, a stopped one and a sender that restarts', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['scripts/lab.mjs', 'soak', '--short', '--size', '640x360'],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 24 },
  );
  expect(status, `${stdout}\n${stderr}`).toBe(0);
}, 180_000);
