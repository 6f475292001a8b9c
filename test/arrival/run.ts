// One stream from a sender to a server by one way: what of its patches arrives, and whether each is
// paired with the frame that it was made from.
import { warningOf } from '../../elements/measure/warning.ts';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { Pipeline } from '../../elements/measure/pipeline.ts';
import { numberField, parseStructure } from '../../elements/measure/structure.ts';
import type { StructureFields } from '../../elements/measure/structure.ts';
import { WatchedEngine } from '../e2e/watched-engine.ts';
import type { Running } from './programs.ts';
import { sender, server, type Stream } from './streams.ts';
import type { Ports, Way } from './ways.ts';

export interface Times {
  /** Seconds after the start of the measurement at which each side starts. */
  readonly server: number;
  readonly sender: number;
  /** After so many more the sender is killed and starts again. */
  readonly again?: number;
}

export const scenarios: Readonly<Record<string, Times>> = {
  'server first': { server: 0, sender: 1 },
  'sender first': { server: 3, sender: 0 },
  'server after 10 s': { server: 10, sender: 0 },
  together: { server: 0, sender: 0 },
  'sender after 2 s': { server: 0, sender: 2 },
  'sender after 5 s': { server: 0, sender: 5 },
  'sender restarted': { server: 0, sender: 1, again: 4 },
};

export interface Outcome {
  readonly sent: number;
  /** srenhancer's, when the last patch has found its frame or has given up. */
  readonly stats: StructureFields;
  readonly pairs: WatchedEngine['pairs'];
  readonly said: Readonly<Record<'sender' | 'server' | 'relay', readonly string[]>>;
}

/** A patch waits so long for its frame. */
const patchWaitSeconds = 3;
/** Frames and training of a busy machine. */
const slackSeconds = 2;
const pollMs = 200;
const settlingTries = 50;

export async function measure(
  stream: Stream,
  way: Way,
  times: Times,
  seconds: number,
): Promise<Outcome> {
  return new Measurement(stream, way, await makePorts(way)).run(times, seconds);
}

async function makePorts({ relays }: Way): Promise<Ports> {
  const folder = mkdtempSync(join(tmpdir(), 'livesr-arrival-'));
  const entry = await freeUdpPort();
  return { entry, exit: relays === undefined ? entry : await freeUdpPort(), folder };
}

class Measurement {
  readonly #stream: Stream;
  readonly #way: Way;
  readonly #ports: Ports;
  readonly #engine: WatchedEngine;
  readonly #enginePath: string;
  readonly #relays: Running[] = [];
  readonly #said = { sender: new Set<string>(), server: new Set<string>() };
  #sender: Pipeline | undefined;
  #server: Pipeline | undefined;

  constructor(stream: Stream, way: Way, ports: Ports) {
    this.#stream = stream;
    this.#way = way;
    this.#ports = ports;
    this.#enginePath = join(ports.folder, 'engine');
    this.#engine = new WatchedEngine(this.#enginePath, () => undefined);
  }

  async run(times: Times, seconds: number): Promise<Outcome> {
    try {
      for (const start of this.#way.relays ?? []) this.#relays.push(await start(this.#ports));
      const { sent, stats } = this.#way.isRecording
        ? await this.#record(seconds)
        : await this.#stay(times, seconds);
      await this.#end();
      const { pairs } = this.#engine;
      const relay = new Set(this.#relays.flatMap(({ said }) => said));
      const said = { sender: [...this.#said.sender], server: [...this.#said.server] };
      return { sent, stats, pairs, said: { ...said, relay: [...relay] } };
    } finally {
      await this.#end();
      this.#engine.close();
      rmSync(this.#ports.folder, { recursive: true, force: true });
    }
  }

  /** Both ends run until the last patch has arrived. */
  async #stay(times: Times, seconds: number): Promise<Pick<Outcome, 'sent' | 'stats'>> {
    const startMs = performance.now();
    const until = (second: number): Promise<void> =>
      delay(Math.max(0, startMs + second * 1000 - performance.now()));
    const order = [
      { at: times.server, start: () => this.#startServer() },
      { at: times.sender, start: () => this.#startSender() },
    ].sort((a, b) => a.at - b.at);
    if (this.#way.serverWaitsFor !== undefined) order.reverse();
    for (const { at, start } of order) {
      await until(at);
      await start();
    }
    let end = Math.max((performance.now() - startMs) / 1000, times.server, times.sender) + seconds;
    let sentBefore = 0;
    if (times.again !== undefined) {
      await until(end);
      sentBefore = await this.#sent();
      await this.#sender?.stop();
      await until((end += times.again));
      await this.#startSender();
      end += seconds;
    }
    await until(end);
    const sent = sentBefore + (await this.#lastSent());
    return { sent, stats: await this.#settled() };
  }

  /** First a sender and its relay, then a server that reads what these have left. */
  async #record(seconds: number): Promise<Pick<Outcome, 'sent' | 'stats'>> {
    await this.#startSender();
    await delay(seconds * 1000);
    const sent = await this.#lastSent();
    this.#sender?.sendEndOfStream();
    await this.#sender?.done;
    for (const relay of this.#relays) await relay.finish?.();
    const recording = await this.#startServer();
    let stats: StructureFields = {};
    for (;;) {
      const latest = await recording.get('enhancer', 'stats');
      // Its process has ended.
      if (latest === undefined) return { sent, stats };
      stats = parseStructure(latest);
      await delay(pollMs);
    }
  }

  /** The server's counters when it has looked at all that came: a busy machine is behind. */
  async #settled(): Promise<StructureFields> {
    for (let tries = settlingTries; ; tries--) {
      const stats = parseStructure(await this.#server?.get('enhancer', 'stats'));
      const done = Object.entries(stats)
        .filter(([name]) => /^patches-(?:aligned$|dropped-)/.test(name))
        .reduce((sum, [, value]) => sum + Number(value), 0);
      if (done === numberField(stats, 'patches-received') || tries === 0) return stats;
      await delay(pollMs);
    }
  }

  async #startSender(): Promise<void> {
    this.#sender = this.#start('sender', sender(this.#stream, this.#way, this.#ports), false);
    return Promise.resolve();
  }

  async #startServer(): Promise<Pipeline> {
    const { isPiped = false, serverWaitsFor, input } = this.#way;
    const awaited = serverWaitsFor?.(this.#ports);
    while (awaited !== undefined && !existsSync(awaited)) await delay(pollMs);
    const launch = server(this.#stream, input, this.#ports, this.#enginePath);
    const started = this.#start('server', launch, isPiped);
    const output = this.#relays[0]?.output;
    if (isPiped && output && started.input) output.pipe(started.input);
    this.#server = started;
    return started;
  }

  #start(side: 'sender' | 'server', launch: string, pipes: boolean): Pipeline {
    return new Pipeline({
      name: `the ${side}`,
      launch,
      pipes,
      onMessage: (message) => {
        const { type } = message;
        const text = type === 'error' ? message.text : warningOf(message);
        if (text != null)
          this.#said[side].add(`${type === 'error' ? 'error' : 'warning'}: ${text}`);
        else if (type === 'eos') this.#said[side].add('eos');
      },
    });
  }

  async #sent(): Promise<number> {
    const patches = numberField(
      parseStructure(await this.#sender?.get('sender', 'stats')),
      'patches',
    );
    return Number.isFinite(patches) ? patches : 0;
  }

  /** Pictures go on when patches have ended: the last patch is carried by one of them. */
  async #lastSent(): Promise<number> {
    // Of its properties those that are numbers can be set from here.
    this.#sender?.set('sender', 'patch-bitrate', 1);
    const { delaySeconds = 0 } = this.#way;
    await delay((patchWaitSeconds + slackSeconds + delaySeconds) * 1000);
    return this.#sent();
  }

  async #end(): Promise<void> {
    await this.#sender?.stop().catch(() => undefined);
    await this.#server?.stop().catch(() => undefined);
    for (const relay of this.#relays) await relay.stop().catch(() => undefined);
  }
}
