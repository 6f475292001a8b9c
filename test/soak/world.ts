// Sender, link and server of a soak, each a process, and the faults that happen to them.
import { setTimeout as delay } from 'node:timers/promises';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { steppedRate } from '../../elements/link/rates.ts';
import { Relay } from '../../elements/link/relay.ts';
import type { Clip } from '../../elements/measure/clip.ts';
import { Pipeline, quoted } from '../../elements/measure/pipeline.ts';
import type { BusMessage } from '../../elements/measure/pipeline-messages.ts';
import { parseStructure, type StructureFields } from '../../elements/measure/structure.ts';
import { seededRandom } from '../../elements/patch-sender/random.ts';
import { isEngine, processTree, residentBytes, treeResidentBytes } from '../attack/memory.ts';
import { warningOf } from '../../elements/measure/warning.ts';
import { Output, outputBranch } from './output.ts';
import type { Fault } from './schedule.ts';

const linkBps = 3_000_000;
const uplinkBps = 1_000_000;
const token = 'soak';

export interface Said {
  readonly atMs: number;
  readonly text: string;
}

export class World {
  readonly output: Output;
  /** Warnings of either side. */
  readonly said: Said[] = [];
  /** When the engine last reported. */
  epochAtMs = 0;
  /** Why the server's pipeline ended; undefined while it runs. */
  ended: string | undefined;
  readonly #clip: Clip;
  readonly #server: Pipeline;
  #link: Relay | undefined;
  #isCut = false;
  readonly #feedbackPort: number;
  #sender: Pipeline | undefined;

  private constructor(clip: Clip, output: Output, ports: { srt: number; feedback: number }) {
    this.#feedbackPort = ports.feedback;
    this.#clip = clip;
    this.output = output;
    this.#server = new Pipeline({
      name: 'the server',
      launch:
        `srtsrc uri="srt://127.0.0.1:${ports.srt}?mode=listener" keep-listening=true ! livesrdemux name=demux ` +
        'demux.video ! queue ! h264parse ! avdec_h264 ! srenhancer name=enhancer ' +
        `feedback-listen=127.0.0.1:${ports.feedback} token=${token} stream-key=soak ` +
        '! tee name=shown shown. ! queue ! fakesink sync=true async=false ' +
        `shown. ! ${outputBranch(output.port)}`,
      onMessage: (message) => {
        this.#hear('server', message);
      },
    });
    this.#server.done.then(
      () => (this.ended ??= 'at its end'),
      (error: unknown) => (this.ended ??= error instanceof Error ? error.message : String(error)),
    );
  }

  static async start(clip: Clip): Promise<World> {
    const ports = { srt: await freeUdpPort(), feedback: await freeUdpPort() };
    const world = new World(clip, await Output.open(), ports);
    const startMs = performance.now();
    world.#link = await Relay.open({
      listenAddress: '127.0.0.1',
      listenPort: 0,
      serverHost: '127.0.0.1',
      serverPort: ports.srt,
      shape: {
        carried: steppedRate([{ fromSeconds: 0, rateBps: linkBps }]),
        delaySeconds: 0.02,
        jitterSeconds: 0,
        lossShare: 0,
        queueSeconds: 0.3,
        queueBytes: 1e9,
      },
      random: seededRandom(1),
      now: () => (performance.now() - startMs) / 1000,
      isCut: () => world.#isCut,
    });
    await delay(1500);
    world.#startSender();
    return world;
  }

  async stats(): Promise<StructureFields> {
    return parseStructure(await this.#server.get('enhancer', 'stats'));
  }

  /** Of the server's process and its engine. */
  residentMb(): number {
    return treeResidentBytes([this.#server.processId ?? 0]) / 1e6;
  }

  engineResidentMb(): number {
    return residentBytes(this.#engine() ?? 0) / 1e6;
  }

  async inflict({ kind, atSeconds, endSeconds }: Fault): Promise<void> {
    if (kind === 'link cut') {
      this.#isCut = true;
      await delay((endSeconds - atSeconds) * 1000);
      this.#isCut = false;
    }
    if (kind === 'engine killed') this.#signal('SIGKILL');
    if (kind === 'engine stopped') this.#signal('SIGSTOP');
    if (kind === 'sender restarted') {
      const sender = this.#sender;
      this.#sender = undefined;
      if (sender?.processId !== undefined) process.kill(sender.processId, 'SIGKILL');
      await sender?.done.catch(() => undefined);
      this.#startSender();
    }
  }

  async stop(): Promise<void> {
    // A stopped engine does not end by itself.
    const engine = this.#engine();
    await this.#server.stop().catch(() => undefined);
    await this.#sender?.stop().catch(() => undefined);
    if (engine !== undefined) killIfThere(engine);
    this.#link?.close();
    this.output.close();
  }

  #startSender(): void {
    const { path, switchSeconds } = this.#clip;
    const turns = switchSeconds === undefined ? '' : `switch-every=${switchSeconds}`;
    this.#sender = new Pipeline({
      name: 'the sender',
      launch:
        `srloopsrc is-live=true location=${quoted(path)} ${turns} ! queue ` +
        `! patchsender name=sender scale=2 max-bitrate=${uplinkBps} ` +
        `feedback-uri=ws://127.0.0.1:${this.#feedbackPort} token=${token} ` +
        '! h264parse ! queue ! livesrmux ' +
        `! srtsink uri="srt://127.0.0.1:${this.#link?.port ?? 0}?mode=caller"`,
      onMessage: (message) => {
        this.#hear('sender', message);
      },
    });
    const sender = this.#sender;
    sender.done.catch((error: unknown) => {
      // One that was killed on purpose says nothing by that.
      if (sender !== this.#sender) return;
      const text = error instanceof Error ? error.message : String(error);
      this.said.push({ atMs: performance.now(), text: `sender: ${text}` });
    });
  }

  #hear(side: string, message: BusMessage): void {
    const atMs = performance.now();
    const text = message.type === 'error' ? message.text : warningOf(message);
    if (text != null) this.said.push({ atMs, text: `${side}: ${text}` });
    if (message.name === 'livesr-epoch') this.epochAtMs = atMs;
  }

  #engine(): number | undefined {
    return processTree(this.#server.processId ?? 0).find(isEngine);
  }

  #signal(signal: NodeJS.Signals): void {
    const engine = this.#engine();
    if (engine !== undefined) process.kill(engine, signal);
  }
}

function killIfThere(processId: number): void {
  if (!isEngine(processId)) return;
  try {
    process.kill(processId, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
