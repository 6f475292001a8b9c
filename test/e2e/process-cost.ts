// What processes cost, as Linux counts it: CPU time over wall time, so that a busy machine says the same.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const ticksPerSecond = 100;

/** CPU seconds of the process and its threads. */
function cpuSeconds(processId: number): number {
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, 'utf8');
    // After the name, which may hold anything: state is field 3, utime and stime are 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  } catch {
    return 0; // gone
  }
}

/** The process' children, theirs, and so on. */
function descendants(processId: number): number[] {
  try {
    const children = readFileSync(`/proc/${processId}/task/${processId}/children`, 'utf8')
      .split(' ')
      .filter((text) => text.trim() !== '')
      .map(Number);
    return children.flatMap((child) => [child, ...descendants(child)]);
  } catch {
    return [];
  }
}

export interface Cost {
  /** Percent of a core. */
  readonly ownPercent: number;
  readonly childrenPercent: number;
}

export async function costOf(processId: number, seconds: number): Promise<Cost> {
  const read = () => ({
    ms: performance.now(),
    own: cpuSeconds(processId),
    children: descendants(processId).reduce((sum, child) => sum + cpuSeconds(child), 0),
  });
  const before = read();
  await delay(seconds * 1000);
  const after = read();
  const percent = (cpu: number): number => (cpu * 100_000) / (after.ms - before.ms);
  return {
    ownPercent: percent(after.own - before.own),
    childrenPercent: percent(after.children - before.children),
  };
}
