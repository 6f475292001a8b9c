// A GStreamer pipeline in a process of its own, so that what goes wrong in one stays in it.
import { fork, type ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { Failure } from '../cli/failure.ts';
import { commandLineScript, gstreamerEnvironment } from './environment.ts';
import type { BusMessage, FromPipeline, ToPipeline } from './pipeline-messages.ts';

export interface PipelineOptions {
  /** What the pipeline is called in errors: "the sender", say. */
  readonly name: string;
  /** A launch line, as gst-launch-1.0 takes it. */
  readonly launch: string;
  readonly onMessage?: (message: BusMessage) => void;
  readonly environment?: Readonly<Record<string, string>>;
  /** Gives the pipeline's process standard input and output, for fdsrc fd=0 and fdsink fd=1. */
  readonly pipes?: boolean;
  /** Elements open what they use, but nothing flows before play(). */
  readonly paused?: boolean;
}

/** Text that stands for exactly `value` in a launch line. */
export function quoted(value: string): string {
  return `"${value.replaceAll(/["\\]/g, (character) => `\\${character}`)}"`;
}

const keptErrorLines = 12;

export class Pipeline {
  /** Settles when the process has ended: at end of stream or after stop(); rejects on an error. */
  readonly done: Promise<void>;
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #waiting = new Map<number, (value: unknown) => void>();
  readonly #errorLines: string[] = [];
  #nextId = 0;
  #problem: string | null = null;
  #isStopping = false;

  constructor(options: PipelineOptions) {
    this.#name = options.name;
    this.#child = fork(commandLineScript, ['pipeline'], {
      env: {
        ...gstreamerEnvironment(),
        // Each wait on the bus holds one of libuv's threads.
        UV_THREADPOOL_SIZE: '8',
        ...options.environment,
      },
      stdio: [
        ...(options.pipes ? (['pipe', 'pipe'] as const) : (['ignore', 'ignore'] as const)),
        'pipe',
        'ipc',
      ],
    });
    this.#send({ kind: 'launch', launch: options.launch, paused: options.paused ?? false });
    // A pipeline that ends closes its pipes; its exit is what tells.
    this.#child.stdin?.on('error', () => undefined);
    this.#child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#errorLines.push(...chunk.split('\n').filter((line) => line.trim() !== ''));
      this.#errorLines.splice(0, this.#errorLines.length - keptErrorLines);
    });
    this.#child.on('message', (message: FromPipeline) => {
      if (message.kind === 'value') {
        this.#waiting.get(message.id)?.(message.value);
        this.#waiting.delete(message.id);
        return;
      }
      if (message.message.type === 'error') {
        this.#problem ??= `${message.message.text ?? ''} (${message.message.source})`;
      }
      options.onMessage?.(message.message);
    });
    this.done = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('exit', (code, signal) => {
        for (const answer of this.#waiting.values()) answer(undefined);
        this.#waiting.clear();
        if (this.#isStopping || (code === 0 && this.#problem === null)) resolve();
        else reject(this.#failure(code, signal));
      });
    });
    // Whoever waits for `done` sees the rejection; until then it must not end the program.
    this.done.catch(() => undefined);
  }

  get processId(): number | undefined {
    return this.#child.pid;
  }

  /** What fdsrc fd=0 reads; null without `pipes`. */
  get input(): Writable | null {
    return this.#child.stdin;
  }

  /** What fdsink fd=1 writes; null without `pipes`. */
  get output(): Readable | null {
    return this.#child.stdout;
  }

  /** A property of a named element; undefined when there is no such element or the process is gone. */
  get(element: string, property: string): Promise<unknown> {
    if (!this.#child.connected) return Promise.resolve(undefined);
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#send({ kind: 'get', id, element, property });
    });
  }

  /** Sets a property of a named element, where there is one. Numbers pass through 32-bit floats. */
  set(element: string, property: string, value: string | number | boolean): void {
    if (this.#child.connected) this.#send({ kind: 'set', element, property, value });
  }

  /** Lets a pipeline that was made with `paused` run. */
  play(): void {
    if (this.#child.connected) this.#send({ kind: 'play' });
  }

  /** Lets what is in the pipeline come out; `done` follows. */
  sendEndOfStream(): void {
    this.#send({ kind: 'eos' });
  }

  /** Ends the pipeline where it stands. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#child.connected) this.#send({ kind: 'stop' });
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await this.done;
    clearTimeout(timer);
  }

  #send(command: ToPipeline): void {
    // The process may end at any moment; its exit is what tells.
    this.#child.send(command, () => undefined);
  }

  #failure(code: number | null, signal: NodeJS.Signals | null): Failure {
    const ending = signal ?? `exit code ${code ?? '?'}`;
    const details = this.#errorLines.map((line) => `\n  ${line}`).join('');
    return new Failure(`${this.#name} failed: ${this.#problem ?? ending}${details}`);
  }
}

/** Runs a pipeline to its end. */
export async function runPipeline(options: PipelineOptions): Promise<void> {
  await new Pipeline(options).done;
}
