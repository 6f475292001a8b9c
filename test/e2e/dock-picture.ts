// The dock in headless Chromium, over the DevTools protocol: what its page holds, and pictures of it.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';

const browsers = ['chromium', 'chromium-browser', 'google-chrome'];

export function findBrowser(): string | undefined {
  return browsers.find((name) => spawnSync('which', [name]).status === 0);
}

/** Git-ignored; kept by continuous integration. */
export const pictureFolder = resolve('build/test-output');

export class Browser {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (result: Readonly<Record<string, unknown>>) => void>();
  #nextId = 1;

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    socket.on('message', (bytes: Buffer) => {
      const message = JSON.parse(bytes.toString('utf8')) as {
        readonly id?: number;
        readonly result?: Readonly<Record<string, unknown>>;
      };
      if (message.id === undefined) return;
      this.#waiting.get(message.id)?.(message.result ?? {});
      this.#waiting.delete(message.id);
    });
  }

  static async open(program: string, url: string): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), 'livesr-browser-'));
    const child = spawn(
      program,
      [
        ...['--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars'],
        ...[`--user-data-dir=${profile}`, '--no-first-run', '--remote-debugging-port=0', url],
      ],
      { stdio: 'ignore' },
    );
    const portFile = join(profile, 'DevToolsActivePort');
    for (let waited = 0; !existsSync(portFile) && waited < 100; waited++) await delay(200);
    const [port = ''] = readFileSync(portFile, 'utf8').split('\n');
    for (let waited = 0; waited < 50; waited++) {
      const pages = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
        readonly type: string;
        readonly webSocketDebuggerUrl: string;
      }[];
      const page = pages.find(({ type }) => type === 'page');
      if (page) {
        const socket = new WebSocket(page.webSocketDebuggerUrl);
        await once(socket, 'open');
        return new Browser(child, profile, socket);
      }
      await delay(200);
    }
    child.kill('SIGKILL');
    throw new Error('Chromium opened no page');
  }

  /** Of an expression whose value is a text. */
  async evaluate(expression: string): Promise<string> {
    const { result } = await this.#call('Runtime.evaluate', { expression });
    return String((result as { readonly value?: string } | undefined)?.value);
  }

  async takePicture(name: string, width: number, height: number, dark: boolean): Promise<void> {
    const scheme = { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' };
    await this.#call('Emulation.setEmulatedMedia', { features: [scheme] });
    const metrics = { width, height, deviceScaleFactor: 1, mobile: false };
    await this.#call('Emulation.setDeviceMetricsOverride', metrics);
    // Charts are drawn anew with the next state.
    await delay(1500);
    const { data } = await this.#call('Page.captureScreenshot', { format: 'png' });
    const file = join(pictureFolder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, Buffer.from(data as string, 'base64'));
  }

  async close(): Promise<void> {
    this.#socket.terminate();
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #call(method: string, params: object): Promise<Readonly<Record<string, unknown>>> {
    const id = this.#nextId++;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((settle) => this.#waiting.set(id, settle));
  }
}
