// The dock's page on disk, and the token in its address, which stays the same from run to run: OBS keeps
// the address of a dock.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
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

/** Another one each time where the file cannot be kept. */
export function dockToken(file = tokenFile()): string {
  const made = randomBytes(16).toString('hex');
  try {
    if (existsSync(file)) {
      const kept = readFileSync(file, 'utf8').trim();
      if (/^[0-9a-f]{32}$/.test(kept)) return kept;
    }
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, `${made}\n`, { mode: 0o600 });
  } catch {
    // A home that cannot be written to.
  }
  return made;
}
