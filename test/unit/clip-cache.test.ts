import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { claimed, dropOldest } from '../../elements/measure/clip-cache.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'livesr-clips-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A clip that takes that much of the cache, and no disk. */
function clip(name: string, bytes: number, ageSeconds: number): string {
  const path = join(folder, name);
  writeFileSync(path, name);
  truncateSync(path, bytes);
  const then = 1e9 - ageSeconds;
  utimesSync(path, then, then);
  return path;
}

test('a clip in use stays readable when the cache drops it', () => {
  const old = clip('old.y4m', 4e9, 100);
  const own = claimed(old);
  utimesSync(old, 1, 1);
  clip('new.y4m', 4e9, 0);
  dropOldest(folder);
  expect(existsSync(old)).toBe(false);
  expect(own).not.toBe(old);
  expect(existsSync(own ?? '')).toBe(true);
  expect(claimed(old)).toBe(own);
});

test('the oldest go first, the newest stays however large it is', () => {
  const [old, newer, newest] = [
    clip('old.y4m', 1e9, 200),
    clip('newer.y4m', 1e9, 100),
    clip('newest.y4m', 5.5e9, 1),
  ];
  dropOldest(folder);
  expect([old, newer, newest].map((path) => existsSync(path))).toEqual([false, false, true]);
});

test('what is not in the cache cannot be claimed', () => {
  expect(claimed(join(folder, 'none.y4m'))).toBeUndefined();
});

test('what a killed evaluation has left is dropped', () => {
  const left = clip('in-use-999999999-a.y4m', 10, 0);
  const kept = claimed(clip('b.y4m', 10, 0)) ?? '';
  dropOldest(folder);
  expect(existsSync(left)).toBe(false);
  expect(readFileSync(kept, 'latin1').startsWith('b.y4m')).toBe(true);
});
