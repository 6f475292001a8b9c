// The dock's page on disk, and the token in its address, which stays the same from run to run: OBS keeps
// the address of a dock.
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { canOthersRead } from '../../elements/feedback/secret-files.ts';
import { distDirectory } from '../../elements/measure/environment.ts';
import type { DockPage } from './dock-server.ts';

export function readDockPage(folder = join(distDirectory, 'obs-script/dock')): DockPage {
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  return { html: read('dock.html'), style: read('dock.css'), script: read('dock.js') };
}

function tokenFile(): string {
  const base = process.env.XDG_CONFIG_HOME;
  const folder = base !== undefined && base !== '' ? base : join(homedir(), '.config');
  return join(folder, 'livesr', 'dock-token');
}

/**
 * Another one each time where the file cannot be kept, and once where others could have read it. `warn`
 * gets what the streamer should know.
 */
export function dockToken(warn: (line: string) => void, file = tokenFile()): string {
  const made = randomBytes(16).toString('hex');
  try {
    const kept = readKept(file);
    if (kept !== undefined && !canOthersRead(statSync(file).mode)) return kept;
    if (kept !== undefined) {
      warn(
        `${file} could be read by others on this machine: the dock has a new address. ` +
          'Give it to OBS in View > Docks > Custom Browser Docks.',
      );
    }
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // Under another name first, then in its place: never there with another mode, never half written.
    const unfinished = `${file}.${process.pid}`;
    rmSync(unfinished, { force: true });
    writeFileSync(unfinished, `${made}\n`, { mode: 0o600, flag: 'wx' });
    renameSync(unfinished, file);
  } catch {
    // A home that cannot be written to.
  }
  return made;
}

function readKept(file: string): string | undefined {
  if (!existsSync(file)) return undefined;
  const kept = readFileSync(file, 'utf8').trim();
  return /^[0-9a-f]{32}$/.test(kept) ? kept : undefined;
}
