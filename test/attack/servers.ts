// What is attacked: an engine that two streams share, the server pipeline of each.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { distDirectory } from '../../elements/measure/environment.ts';
import { warningOf } from '../../elements/measure/warning.ts';
import { Pipeline } from '../../elements/measure/pipeline.ts';
import type { BusMessage } from '../../elements/measure/pipeline-messages.ts';
import { parseStructure, type StructureFields } from '../../elements/measure/structure.ts';
import { Probe, probeBranch } from './probe.ts';

/** What a process may have by default on most systems. */
const descriptors = 1024;

export interface StreamOptions {
  readonly name: string;
  /** Further properties of srenhancer. */
  readonly properties: string;
  /** Of the engine; undefined: one of its own. */
  readonly engineSocket: string | undefined;
}

export interface Epoch {
  readonly atMs: number;
  readonly steps: number;
}

/** One server pipeline, watched. */
export class ServedStream {
  readonly port: number;
  readonly probe: Probe;
  readonly pipeline: Pipeline;
  readonly epochs: Epoch[] = [];
  readonly warnings: string[] = [];
  /** Why the pipeline ended; undefined while it runs. */
  ended: string | undefined;

  private constructor(options: StreamOptions, port: number, probe: Probe) {
    this.port = port;
    this.probe = probe;
    const engine = options.engineSocket === undefined ? '' : `engine=unix:${options.engineSocket}`;
    this.pipeline = new Pipeline({
      name: options.name,
      launch:
        `srtsrc uri="srt://127.0.0.1:${port}?mode=listener" keep-listening=true ! livesrdemux name=demux ` +
        'demux.video ! queue ! h264parse ! avdec_h264 ! tee name=given ' +
        `given. ! ${probeBranch(probe.port('in'))} ` +
        `given. ! srenhancer name=enhancer stream-key=${options.name} training=continuous ` +
        `${engine} ${options.properties} ! tee name=shown ` +
        `shown. ! ${probeBranch(probe.port('out'))} ` +
        'shown. ! queue ! fakesink sync=true async=false ' +
        'demux.patches ! queue ! enhancer.patches',
      onMessage: (message) => {
        this.#hear(message);
      },
    });
    this.pipeline.done.then(
      () => (this.ended ??= 'at its end'),
      (error: unknown) => (this.ended ??= error instanceof Error ? error.message : String(error)),
    );
  }

  static async start(options: StreamOptions): Promise<ServedStream> {
    return new ServedStream(options, await freeUdpPort(), await Probe.open());
  }

  async stats(): Promise<StructureFields> {
    return parseStructure(await this.pipeline.get('enhancer', 'stats'));
  }

  get uri(): string {
    return `srt://127.0.0.1:${this.port}?mode=caller`;
  }

  async stop(): Promise<void> {
    await this.pipeline.stop().catch(() => undefined);
    this.probe.close();
  }

  #hear(message: BusMessage): void {
    const warning = warningOf(message);
    if (warning !== undefined) this.warnings.push(warning);
    const { steps } = message.fields;
    if (message.name === 'livesr-epoch' && typeof steps === 'string') {
      this.epochs.push({ atMs: performance.now(), steps: Number(steps) });
    } else if (message.name === 'livesr-epoch' && typeof steps === 'number') {
      this.epochs.push({ atMs: performance.now(), steps });
    }
  }
}

/** `livesr`'s engine for every element that joins its socket. */
export class SharedEngine {
  readonly socket: string;
  readonly log: string[] = [];
  ended = false;
  readonly #folder = mkdtempSync(join(tmpdir(), 'livesr-attack-'));
  readonly #child: ChildProcess;

  constructor() {
    this.socket = join(this.#folder, 'engine.sock');
    const script = join(distDirectory, 'elements', 'engine.mjs');
    this.#child = spawn(
      'sh',
      [
        '-c',
        `ulimit -n ${descriptors}; exec "$0" "$@"`,
        process.execPath,
        script,
        '--listen',
        this.socket,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.log.push(...text.split('\n').filter((line) => line !== ''));
      this.log.splice(0, this.log.length - 200);
    });
    this.#child.on('exit', () => (this.ended = true));
  }

  get processId(): number {
    return this.#child.pid ?? 0;
  }

  async ready(): Promise<void> {
    while (!existsSync(this.socket)) {
      if (this.ended) throw new Error(`the engine did not start: ${this.log.join('\n')}`);
      await delay(20);
    }
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    while (!this.ended) await delay(20);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
