// Memory of processes, as Linux counts it.
import { readdirSync, readFileSync } from 'node:fs';

/** Each thread of a process has the children that it started. */
function childrenOf(processId: number): number[] {
  return readdirSync(`/proc/${processId}/task`).flatMap((thread) =>
    readFileSync(`/proc/${processId}/task/${thread}/children`, 'utf8')
      .split(' ')
      .filter((text) => text.trim() !== '')
      .map(Number),
  );
}

/** The process, its children, theirs, and so on. */
export function processTree(processId: number): number[] {
  try {
    return [processId, ...childrenOf(processId).flatMap(processTree)];
  } catch {
    return []; // gone
  }
}

/** Bytes that the process holds in memory, what it shares with others included; 0 when it is gone. */
export function residentBytes(processId: number): number {
  try {
    const status = readFileSync(`/proc/${processId}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

export function treeResidentBytes(processIds: readonly number[]): number {
  const all = new Set(processIds.flatMap(processTree));
  return [...all].reduce((sum, id) => sum + residentBytes(id), 0);
}

function commandOf(processId: number): string {
  try {
    return readFileSync(`/proc/${processId}/cmdline`, 'utf8');
  } catch {
    return ''; // gone
  }
}

export function isEngine(processId: number): boolean {
  return commandOf(processId).includes('engine.mjs');
}
