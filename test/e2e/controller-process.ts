// `livesr obs` as the tests in a real OBS start it, and waiting for what it says.
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { commandLineScript } from '../../elements/measure/environment.ts';
import type { ControllerState } from '../../obs-script/controller/state.ts';

export class ControllerProcess {
  readonly #child: ChildProcess;
  readonly lines: string[] = [];
  latest: (ControllerState & { readonly dock: string }) | undefined;

  constructor(
    port: number,
    relayPort: number,
    dockPort: number,
    withPassword: string,
    more: readonly string[] = [],
  ) {
    this.#child = spawn(
      process.execPath,
      [
        ...[commandLineScript, 'obs', '--json', '--port', String(port)],
        ...[
          '--relay-port',
          String(relayPort),
          '--latency-ms',
          '200',
          '--dock-port',
          String(dockPort),
        ],
        ...more,
      ],
      {
        env: { ...process.env, LIVESR_OBS_PASSWORD: withPassword },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    if (this.#child.stdout) {
      createInterface(this.#child.stdout).on('line', (line) => {
        this.latest = JSON.parse(line) as ControllerState & { readonly dock: string };
      });
    }
    if (this.#child.stderr) {
      createInterface(this.#child.stderr).on('line', (line) => this.lines.push(line));
    }
  }

  get processId(): number | undefined {
    return this.#child.pid;
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((settle) => this.#child.once('exit', settle));
    this.#child.kill(signal);
    await gone;
  }
}

export async function until(
  what: string,
  seconds: number,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  for (let waited = 0; waited < seconds * 4; waited++) {
    if (await holds()) return;
    await delay(250);
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}
