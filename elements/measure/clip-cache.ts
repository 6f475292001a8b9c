// Decoded clips on disk: a bounded folder that evaluations share, also at the same time.
import { existsSync, linkSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Oldest clips go first when there is more than this. */
const largestCacheBytes = 6e9;
const inUse = 'in-use';

/**
 * A name of this process's own for a clip of the cache, which holds until the process ends although
 * another evaluation may drop the clip; undefined where it is not in the cache.
 */
export function claimed(cached: string): string | undefined {
  const own = join(dirname(cached), `${inUse}-${process.pid}-${basename(cached)}`);
  if (existsSync(own)) return own;
  try {
    linkSync(cached, own);
    const now = new Date();
    utimesSync(cached, now, now);
  } catch {
    // Not there, or a file system without links: then it is as safe as it can be.
    return existsSync(cached) ? cached : undefined;
  }
  process.once('exit', () => {
    rmSync(own, { force: true });
  });
  return own;
}

export function dropOldest(folder: string): void {
  dropUnclaimed(folder);
  const files = readdirSync(folder)
    .filter((name) => !name.startsWith(inUse))
    .map((name) => join(folder, name))
    .flatMap((path) => {
      // Another evaluation may have renamed or dropped it since.
      const stats = statSync(path, { throwIfNoEntry: false });
      return stats ? [{ path, mtimeMs: stats.mtimeMs, size: stats.size }] : [];
    })
    .sort((a, b) => b.mtimeMs - a.mtimeMs);
  let total = 0;
  for (const { path, size } of files) {
    total += size;
    if (total > largestCacheBytes && path !== files[0]?.path) rmSync(path, { force: true });
  }
}

/** What processes that were killed have left. */
function dropUnclaimed(folder: string): void {
  for (const name of readdirSync(folder).filter((one) => one.startsWith(inUse))) {
    const pid = Number(name.split('-')[2]);
    if (!isAlive(pid)) rmSync(join(folder, name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Another user's is alive as well.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
