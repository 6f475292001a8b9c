// A real OBS without a screen: Xvfb, a window manager, a configuration written by hand, the script of
// this repository in its scene collection.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface HeadlessObsOptions {
  /** A clip that loops in the scene. */
  readonly clip: string;
  readonly canvas: { readonly width: number; readonly height: number };
  readonly stream: { readonly width: number; readonly height: number };
  readonly framesPerSecond: number;
  /** Where OBS streams to. */
  readonly server: string;
  /** Of RTMP. */
  readonly streamKey?: string;
  readonly bitrateKbps: number;
  /** Properties of the script, as its dialog would set them. */
  readonly script: Readonly<Record<string, string | number | boolean>>;
  readonly password: string;
  readonly encoder?: string;
  readonly dynamicBitrate?: boolean;
}

const programs = ['obs', 'Xvfb', 'openbox'];

/** Why there can be no OBS here; undefined when there can be one. */
export function missingForObs(): string | undefined {
  const missing = programs.filter((program) => spawnSync('which', [program]).status !== 0);
  return missing.length === 0 ? undefined : `${missing.join(', ')} not installed`;
}

export function freeTcpPort(): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => {
        resolvePort(port);
      });
    });
  });
}

function scene(name: string, clip: string, script?: HeadlessObsOptions['script']) {
  const item = {
    name: 'Clip',
    id: 1,
    visible: true,
    locked: false,
    rot: 0,
    pos: { x: 0, y: 0 },
    scale: { x: 1, y: 1 },
    align: 5,
    bounds_type: 0,
    bounds_align: 0,
    bounds: { x: 0, y: 0 },
    crop_left: 0,
    crop_top: 0,
    crop_right: 0,
    crop_bottom: 0,
    private_settings: {},
  };
  const clipSettings = {
    local_file: clip,
    is_local_file: true,
    looping: true,
    restart_on_activate: false,
    hw_decode: false,
    clear_on_media_end: false,
  };
  const source = (id: string, sourceName: string, settings: object) => ({
    id,
    versioned_id: id,
    name: sourceName,
    settings,
    mixers: id === 'scene' ? 0 : 255,
    enabled: true,
    muted: false,
    volume: 1,
  });
  return {
    name,
    current_scene: 'Main',
    current_program_scene: 'Main',
    current_transition: 'Cut',
    transition_duration: 300,
    scene_order: [{ name: 'Main' }],
    groups: [],
    transitions: [],
    quick_transitions: [],
    saved_projectors: [],
    preview_locked: false,
    scaling_enabled: false,
    sources: [
      source('scene', 'Main', { id_counter: 1, custom_size: false, items: [item] }),
      source('ffmpeg_source', 'Clip', clipSettings),
    ],
    modules: {
      'scripts-tool': script ? [{ path: resolve('obs-script/livesr.lua'), settings: script }] : [],
    },
  };
}

const ini = (sections: Readonly<Record<string, Readonly<Record<string, unknown>>>>): string =>
  Object.entries(sections)
    .map(
      ([name, values]) =>
        `[${name}]\n${Object.entries(values)
          .map(([key, value]) => `${key}=${String(value)}`)
          .join('\n')}\n`,
    )
    .join('\n');

export class HeadlessObs {
  readonly webSocketPort: number;
  readonly runtimeFolder: string;
  readonly display: string;
  readonly #folder: string;
  readonly #children: ChildProcess[];
  readonly #obs: ChildProcess;

  private constructor(
    folder: string,
    webSocketPort: number,
    display: string,
    children: ChildProcess[],
    obs: ChildProcess,
  ) {
    this.#folder = folder;
    this.runtimeFolder = join(folder, 'runtime');
    this.webSocketPort = webSocketPort;
    this.display = display;
    this.#children = children;
    this.#obs = obs;
  }

  static async start(options: HeadlessObsOptions): Promise<HeadlessObs> {
    const folder = mkdtempSync(join(tmpdir(), 'livesr-obs-'));
    const webSocketPort = await freeTcpPort();
    writeConfiguration(join(folder, 'obs-studio'), options, webSocketPort);
    mkdirSync(join(folder, 'runtime'), { mode: 0o700 });
    const { display, server } = await startXvfb();
    const environment = {
      ...process.env,
      DISPLAY: display,
      XDG_CONFIG_HOME: folder,
      XDG_RUNTIME_DIR: join(folder, 'runtime'),
      LIBGL_ALWAYS_SOFTWARE: '1',
      QT_QPA_PLATFORM: 'xcb',
    };
    const start = (program: string, args: string[]): ChildProcess =>
      spawn('nice', ['-n', '5', program, ...args], { env: environment, stdio: 'ignore' });
    const windowManager = start('openbox', []);
    const obs = start('obs', ['--multi', '--disable-updater', '--minimize-to-tray']);
    const headless = new HeadlessObs(folder, webSocketPort, display, [windowManager, server], obs);
    try {
      await headless.#untilReady();
    } catch (error) {
      await headless.stop();
      throw error;
    }
    return headless;
  }

  /** What OBS has logged so far. */
  log(): string {
    const logs = join(this.#folder, 'obs-studio/logs');
    try {
      return readdirSync(logs)
        .map((name) => readFileSync(join(logs, name), 'utf8'))
        .join('\n');
    } catch {
      return '';
    }
  }

  get processId(): number | undefined {
    return this.#obs.pid;
  }

  get hasExited(): boolean {
    return this.#obs.exitCode !== null || this.#obs.signalCode !== null;
  }

  kill(signal: NodeJS.Signals): void {
    this.#obs.kill(signal);
  }

  async stop(): Promise<void> {
    for (const child of [this.#obs, ...this.#children]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = new Promise((settle) => child.once('exit', settle));
      child.kill('SIGTERM');
      const patience = setTimeout(() => child.kill('SIGKILL'), 5000);
      await gone;
      clearTimeout(patience);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #untilReady(): Promise<void> {
    for (let waited = 0; waited < 300; waited++) {
      if (this.hasExited) throw new Error(`OBS ended at once:\n${this.log()}`);
      if (await isOpen(this.webSocketPort)) return;
      await delay(200);
    }
    throw new Error(`OBS's websocket did not open within a minute:\n${this.log()}`);
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      settle(true);
    });
    socket.on('error', () => {
      settle(false);
    });
  });
}

/** On a display number that is free. */
function startXvfb(): Promise<{ display: string; server: ChildProcess }> {
  return new Promise((settle, reject) => {
    const server = spawn(
      'Xvfb',
      ['-displayfd', '3', '-screen', '0', '1280x800x24', '+extension', 'GLX', '-nolisten', 'tcp'],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] },
    );
    server.on('error', reject);
    server.on('exit', () => {
      reject(new Error('Xvfb ended'));
    });
    server.stdio[3]?.once('data', (number: Buffer) => {
      settle({ display: `:${number.toString('utf8').trim()}`, server });
    });
  });
}

function writeConfiguration(folder: string, options: HeadlessObsOptions, port: number): void {
  const profile = join(folder, 'basic/profiles/livesr');
  const scenes = join(folder, 'basic/scenes');
  mkdirSync(profile, { recursive: true });
  mkdirSync(scenes, { recursive: true });
  writeFileSync(
    join(folder, 'global.ini'),
    ini({
      General: {
        FirstRun: true,
        LastVersion: 486539266,
        Pre19Defaults: false,
        Pre21Defaults: false,
        Pre23Defaults: false,
        'Pre24.1Defaults': false,
        EnableAutoUpdates: false,
        ConfirmOnExit: false,
        InfoIncrement: -1,
        HotkeyFocusType: 'NeverDisableHotkeys',
        MaxLogs: 10,
      },
      Basic: {
        Profile: 'livesr',
        ProfileDir: 'livesr',
        SceneCollection: 'livesr',
        SceneCollectionFile: 'livesr',
        ConfigOnNewProfile: false,
      },
      BasicWindow: {
        PreviewEnabled: false,
        WarnBeforeStartingStream: false,
        WarnBeforeStoppingStream: false,
        SysTrayEnabled: false,
        SaveProjectors: false,
      },
      OBSWebSocket: {
        FirstLoad: false,
        ServerEnabled: true,
        ServerPort: port,
        AlertsEnabled: false,
        AuthRequired: true,
        ServerPassword: options.password,
      },
    }),
  );
  writeFileSync(
    join(profile, 'basic.ini'),
    ini({
      General: { Name: 'livesr' },
      Video: {
        BaseCX: options.canvas.width,
        BaseCY: options.canvas.height,
        OutputCX: options.stream.width,
        OutputCY: options.stream.height,
        FPSType: 1,
        FPSInt: options.framesPerSecond,
        ScaleType: 'bicubic',
        ColorFormat: 'NV12',
        ColorSpace: '709',
        ColorRange: 'Partial',
      },
      Output: {
        Mode: 'Advanced',
        DynamicBitrate: options.dynamicBitrate ?? false,
        Reconnect: true,
        RetryDelay: 2,
      },
      AdvOut: {
        Encoder: options.encoder ?? 'obs_x264',
        ApplyServiceSettings: false,
        UseRescale: false,
        TrackIndex: 1,
        RecType: 'Standard',
      },
    }),
  );
  const encoder = {
    rate_control: 'CBR',
    bitrate: options.bitrateKbps,
    keyint_sec: 2,
    preset: 'veryfast',
    profile: 'high',
    tune: 'zerolatency',
    bf: 0,
  };
  const service = {
    type: 'rtmp_custom',
    settings: { server: options.server, key: options.streamKey ?? '', use_auth: false },
  };
  writeFileSync(join(profile, 'service.json'), JSON.stringify(service));
  writeFileSync(join(profile, 'streamEncoder.json'), JSON.stringify(encoder));
  writeFileSync(
    join(scenes, 'livesr.json'),
    JSON.stringify(scene('livesr', options.clip, options.script)),
  );
  writeFileSync(join(scenes, 'other.json'), JSON.stringify(scene('other', options.clip)));
}
