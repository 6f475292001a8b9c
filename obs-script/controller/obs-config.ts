// What OBS's own configuration says of its websocket server, so that a streamer need not type the
// password again. Reads only; where the files are depends on the system and on OBS's version.
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface WebSocketConfig {
  /** The file that says so. */
  readonly file: string;
  readonly enabled: boolean;
  readonly port: number;
  /** Empty: none is asked for. */
  readonly password: string;
}

export interface Place {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  readonly environment: NodeJS.ProcessEnv;
}

const thisPlace = (): Place => ({
  platform: process.platform,
  home: homedir(),
  environment: process.env,
});

/** Folders called obs-studio, the likeliest first. */
export function obsFolders({ platform, home, environment }: Place): string[] {
  if (platform === 'win32') {
    return [join(environment.APPDATA ?? join(home, 'AppData/Roaming'), 'obs-studio')];
  }
  if (platform === 'darwin') return [join(home, 'Library/Application Support/obs-studio')];
  return [
    join(environment.XDG_CONFIG_HOME ?? join(home, '.config'), 'obs-studio'),
    join(home, '.var/app/com.obsproject.Studio/config/obs-studio'),
  ];
}

/** OBS 30.2 and newer: obs-websocket's own file. */
export function parseWebSocketJson(text: string, file: string): WebSocketConfig | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  const password = fields.server_password;
  return {
    file,
    enabled: fields.server_enabled === true,
    port: portOf(fields.server_port),
    password: fields.auth_required !== false && typeof password === 'string' ? password : '',
  };
}

/** Up to then: a section of global.ini. */
export function parseGlobalIni(text: string, file: string): WebSocketConfig | undefined {
  const section = /^\[OBSWebSocket\]\s*$([\s\S]*?)(?=^\[|(?![\s\S]))/m.exec(text)?.[1];
  if (section === undefined) return undefined;
  const field = (name: string): string =>
    new RegExp(`^${name}=(.*)$`, 'm').exec(section)?.[1]?.trim() ?? '';
  return {
    file,
    enabled: field('ServerEnabled') === 'true',
    port: portOf(field('ServerPort')),
    password: field('AuthRequired') === 'false' ? '' : field('ServerPassword'),
  };
}

const usualPort = 4455;

function portOf(value: unknown): number {
  const port = Number(value);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : usualPort;
}

export function findWebSocketConfig(place: Place = thisPlace()): WebSocketConfig | undefined {
  for (const folder of obsFolders(place)) {
    for (const [name, parse] of [
      ['plugin_config/obs-websocket/config.json', parseWebSocketJson],
      ['global.ini', parseGlobalIni],
    ] as const) {
      const file = join(folder, name);
      const found = existsSync(file) ? parse(readFileSync(file, 'utf8'), file) : undefined;
      if (found) return found;
    }
  }
  return undefined;
}
