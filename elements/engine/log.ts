// What the engine says: complaints (why it ends) and events (what it did, when). Both go to standard
// error, where the element reads them, and to the file that LIVESR_ENGINE_LOG names. The element tells
// them apart by the bracket (plugin/gst/engine/engine_client.cpp).
import { appendFileSync, renameSync, statSync } from 'node:fs';

/** Then it is renamed to FILE.1 and a new one begins. */
const maxFileBytes = 4 * 2 ** 20;

export interface EngineLog {
  readonly event: (line: string) => void;
  readonly complain: (line: string) => void;
}

export interface LogWorld {
  readonly file: string | undefined;
  readonly now: () => Date;
  readonly write: (text: string) => void;
  readonly processId: number;
}

export function openLog({ file, now, write, processId }: LogWorld): EngineLog {
  let hasFailed = false;
  const keep = (line: string): void => {
    if (file === undefined || file === '' || hasFailed) return;
    try {
      if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > maxFileBytes) {
        renameSync(file, `${file}.1`);
      }
      appendFileSync(file, `${now().toISOString()} ${processId} ${line}\n`, { mode: 0o600 });
    } catch (error) {
      hasFailed = true;
      const reason = error instanceof Error ? error.message : String(error);
      write(`livesr engine: no log is kept in LIVESR_ENGINE_LOG=${file}: ${reason}\n`);
    }
  };
  return {
    event: (line) => {
      const oneLine = line.replaceAll(/\s*\n\s*/g, ' / ');
      write(`livesr engine [${now().toISOString()}] ${oneLine}\n`);
      keep(oneLine);
    },
    complain: (line) => {
      write(`livesr engine: ${line}\n`);
      keep(line);
    },
  };
}
