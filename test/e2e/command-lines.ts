// Command lines as everybody on a machine can read them.
import { readdirSync, readFileSync } from 'node:fs';

interface Process {
  readonly id: number;
  readonly parent: number;
  readonly commandLine: string;
}

function processes(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const [, parent] = /\) . (\d+) /.exec(readFileSync(`/proc/${name}/stat`, 'latin1')) ?? [];
        const commandLine = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return [{ id: Number(name), parent: Number(parent), commandLine }];
      } catch {
        return []; // It has ended meanwhile.
      }
    });
}

/** Of all that a process has started, and what those have started. */
export function commandLinesBelow(ancestor: number): string[] {
  const all = processes();
  const found = new Set([ancestor]);
  for (let size = 0; size < found.size;) {
    size = found.size;
    for (const { id, parent } of all) if (found.has(parent)) found.add(id);
  }
  return all
    .filter(({ id }) => id !== ancestor && found.has(id))
    .map(({ commandLine }) => commandLine);
}
