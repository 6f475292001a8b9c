// The stage of an attack: an engine, two servers, a player for each, and senders that mean well.
import { setTimeout as delay } from 'node:timers/promises';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { numberField } from '../../elements/measure/structure.ts';
import { feedbackAttacks, type FeedbackTarget } from './feedback-attacks.ts';
import { HonestSenders } from './honest-sender.ts';
import { isEngine, processTree } from './memory.ts';
import { RoleProcess } from './roles.ts';
import { ServedStream, SharedEngine } from './servers.ts';
import { streamAttacks } from './stream-attacks.ts';

const sampleMs = 250;
const warmUpSeconds = 25;
const tokens = { victim: 'token-of-the-victim', neighbour: 'token-of-the-neighbour' };

/** What happens at the same time. */
export interface Attacks {
  /** Names; missing: none. */
  readonly stream?: string;
  readonly feedback?: string;
  /** The engine is the victim's own, and stopped. */
  readonly stopsEngine?: boolean;
}

export interface StageOptions {
  readonly ownEngine: boolean;
  readonly feedback: boolean;
  /** What is to be played, from the start on where its times begin there. */
  readonly streamAttacks: readonly string[];
}

export class Stage {
  readonly victim: ServedStream;
  readonly neighbour: ServedStream;
  readonly players: { readonly victim: RoleProcess; readonly neighbour: RoleProcess };
  /** Of the feedback port; undefined where there is none. */
  readonly senders: HonestSenders | undefined;
  readonly #engine: SharedEngine | undefined;
  readonly #target: FeedbackTarget | undefined;

  private constructor(
    servers: { victim: ServedStream; neighbour: ServedStream; engine: SharedEngine | undefined },
    options: StageOptions,
    target: FeedbackTarget | undefined,
  ) {
    this.victim = servers.victim;
    this.neighbour = servers.neighbour;
    this.#engine = servers.engine;
    this.#target = target;
    const [attack = 'none'] = options.streamAttacks;
    const materials = options.streamAttacks.flatMap((name) => streamAttacks[name]?.materials ?? []);
    const player = { kind: 'player', materials } as const;
    this.players = {
      victim: new RoleProcess({ ...player, uri: this.victim.uri, material: 'victim', attack }),
      neighbour: new RoleProcess({
        ...player,
        uri: this.neighbour.uri,
        material: 'neighbour',
        materials: [],
        attack: 'none',
      }),
    };
    this.senders = target === undefined ? undefined : new HonestSenders(target);
  }

  static async set(options: StageOptions): Promise<Stage> {
    const engine = options.ownEngine ? undefined : new SharedEngine();
    await engine?.ready();
    const port = await freeUdpPort();
    const stream = (name: 'victim' | 'neighbour'): Promise<ServedStream> =>
      ServedStream.start({
        name,
        properties: options.feedback
          ? `feedback-listen=127.0.0.1:${port} token=${tokens[name]}`
          : '',
        engineSocket: engine?.socket,
      });
    const servers = {
      victim: await stream('victim'),
      neighbour: await stream('neighbour'),
      engine,
    };
    await delay(1000);
    const target = {
      port,
      streamKey: 'victim',
      token: tokens.victim,
      other: { streamKey: 'neighbour', token: tokens.neighbour },
    };
    return new Stage(servers, options, options.feedback ? target : undefined);
  }

  /** Until both streams train, or nobody waits any longer. */
  async warmUp(): Promise<void> {
    const startMs = performance.now();
    while (performance.now() - startMs < warmUpSeconds * 1000) {
      await delay(sampleMs);
      const all = [await this.victim.stats(), await this.neighbour.stats()];
      const trains = all.every(
        (stats) => numberField(stats, 'pairs-sent') > 3 && numberField(stats, 'frames') > 60,
      );
      if (trains || this.victim.ended !== undefined) return;
    }
  }

  /** Processes whose memory counts: the victim's server and the engine. */
  get processIds(): readonly number[] {
    return [this.victim.pipeline.processId ?? 0, this.#engine?.processId ?? 0];
  }

  /** What the engine said last. */
  get engineLog(): readonly string[] {
    return this.#engine?.log ?? [];
  }

  begin({ stream, feedback, stopsEngine }: Attacks): RoleProcess | undefined {
    this.players.victim.attack(stream ?? 'none');
    if (stopsEngine) {
      const engine = this.processIds.flatMap(processTree).find(isEngine);
      if (engine !== undefined) process.kill(engine, 'SIGSTOP');
    }
    if (feedback === undefined || this.#target === undefined) return undefined;
    if (!(feedback in feedbackAttacks)) throw new Error(`no attack ${feedback}`);
    const flooder = new RoleProcess({ kind: 'flooder', target: this.#target, attack: feedback });
    flooder.attack(feedback);
    return flooder;
  }

  async clear(): Promise<void> {
    this.senders?.close();
    await this.players.victim.stop();
    await this.players.neighbour.stop();
    // One that is stopped hears of nothing.
    const engines = this.processIds.flatMap(processTree).filter(isEngine);
    await this.victim.stop();
    await this.neighbour.stop();
    await this.#engine?.stop();
    for (const engine of engines.filter(isEngine)) process.kill(engine, 'SIGKILL');
  }
}
