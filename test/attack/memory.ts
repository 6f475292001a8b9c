// Memory of processes, as Linux counts it.
import { readFileSync } from 'node:fs';

/** The process, its children, theirs, and so on. */
export function processTree(processId: number): number[] {
  try {
    const children = readFileSync(`/proc/${processId}/task/${processId}/children`, 'utf8');
    return [
      processId,
      ...children
        .split(' ')
        .filter((text) => text.trim() !== '')
        .flatMap((child) => processTree(Number(child))),
    ];
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
