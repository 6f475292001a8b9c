// `livesr send` while it runs: waits for the server, starts the stream when it is there, says how it goes,
// and waits again when the connection cannot be had back.
import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '../cli/failure.ts';
import { withoutSecrets } from '../cli/secrets.ts';
import type { BusMessage } from '../measure/pipeline-messages.ts';
import { warningOf } from '../measure/warning.ts';
import { Pipeline } from '../measure/pipeline.ts';
import { numberField, parseStructure, type StructureFields } from '../measure/structure.ts';
import { isLive, sendLaunch, type SendSettings } from './launch.ts';
import { isConnected, LinkWatch } from './link-watch.ts';
import { lineOf, linkLineOf, reportOf, type LinkReport, type SendReport } from './report.ts';
import type { Sound } from './sound.ts';

export interface SendRun {
  readonly settings: SendSettings;
  readonly sound: Sound;
  /** Ends after this time; undefined: with its source. */
  readonly seconds: number | undefined;
  readonly json: boolean;
}

/**
 * How long one attempt lasts (s). A server that comes meanwhile is found at once; one that refuses (a
 * passphrase, a stream id) is asked again with the next.
 */
const attemptSeconds = [3, 5, 10];
const lookMs = 200;
/** When a wait is long enough to say what may be wrong. */
const hintSeconds = 10;

const hint =
  'Is the server running there, does its port take UDP, and do passphrase and stream id fit?';

/** What ended a pipeline, as its first error says. */
interface Ending {
  source: string;
  text: string;
}

export class Sender {
  readonly #run: SendRun;
  readonly #to: string;
  readonly #startedMs = performance.now();
  readonly #warnings = new Set<string>();
  #pipeline: Pipeline | undefined;
  #isStopping = false;
  #wasConnected = false;
  #waitBeganMs = this.#startedMs;
  #waitSaidSeconds = 0;
  #hasHinted = false;

  constructor(run: SendRun) {
    this.#run = run;
    this.#to = withoutSecrets(run.settings.to);
  }

  /** Until the source has ended, the time is over or stop() was called. */
  async run(): Promise<void> {
    console.error(this.#run.sound.words);
    for (let attempt = 0; !this.#isOver(); attempt++) {
      if (await this.#attempt(attemptSeconds[Math.min(attempt, attemptSeconds.length - 1)] ?? 10)) {
        return;
      }
      if (this.#wasConnected && attempt > 0) attempt = 0;
    }
    if (this.#wasConnected || this.#isStopping) return;
    throw new Failure(`${this.#to} was not connected within ${this.#seconds()} s. ${hint}`);
  }

  stop(): void {
    this.#isStopping = true;
    void this.#pipeline?.stop();
  }

  #seconds(): number {
    return Math.round((performance.now() - this.#startedMs) / 1000);
  }

  #isOver(): boolean {
    const { seconds } = this.#run;
    return this.#isStopping || (seconds !== undefined && this.#seconds() >= seconds);
  }

  /** Whether the stream has come to its end. */
  async #attempt(longestSeconds: number): Promise<boolean> {
    const ending: Ending = { source: '', text: '' };
    const pipeline = new Pipeline({
      name: 'the sender',
      launch: sendLaunch(this.#run.settings, this.#run.sound),
      paused: true,
      onMessage: (message) => {
        this.#hear(message, ending);
      },
    });
    this.#pipeline = pipeline;
    const state = { ended: false };
    const done = pipeline.done.finally(() => {
      state.ended = true;
    });
    done.catch(() => undefined);
    const connected = await this.#waitFor(pipeline, state, longestSeconds);
    if (connected) {
      this.#sayConnected();
      pipeline.play();
      await this.#watch(pipeline, state, done);
    }
    if (!state.ended) await pipeline.stop();
    try {
      await done;
      return connected && !this.#isOver();
    } catch (error) {
      // Nobody there, or nobody any more: no fault of the sender's.
      if (ending.source !== 'uplink') throw error;
      this.#sayBroken(ending, connected);
      return false;
    }
  }

  async #waitFor(
    pipeline: Pipeline,
    state: { readonly ended: boolean },
    longestSeconds: number,
  ): Promise<boolean> {
    for (let waitedMs = 0; waitedMs < longestSeconds * 1000; waitedMs += lookMs) {
      await delay(lookMs);
      if (isConnected(parseStructure(await pipeline.get('uplink', 'stats')))) return true;
      if (state.ended || this.#isOver()) return false;
      this.#sayWaiting();
    }
    return false;
  }

  async #watch(
    pipeline: Pipeline,
    state: { readonly ended: boolean },
    done: Promise<void>,
  ): Promise<void> {
    const watch = new LinkWatch();
    let before: StructureFields = {};
    while (!state.ended) {
      await Promise.race([delay(1000), done.catch(() => undefined)]);
      const now = parseStructure(await pipeline.get('sender', 'stats'));
      if (!Number.isFinite(numberField(now, 'frames'))) continue;
      const stats = parseStructure(await pipeline.get('uplink', 'stats'));
      const link = watch.look(stats, 1);
      const seconds = this.#seconds();
      if (link.state === 'connected') this.#say(reportOf(seconds, before, now, stats));
      else this.#say({ link: link.state, seconds, forSeconds: link.seconds });
      before = now;
      if (this.#isOver()) return;
    }
  }

  #hear(message: BusMessage, ending: Ending): void {
    if (message.type === 'error' && ending.source === '') {
      ending.source = message.source;
      ending.text = message.text ?? '';
    }
    const warning = message.name === 'livesr-warning' ? warningOf(message) : undefined;
    if (warning === undefined || this.#warnings.has(warning)) return;
    this.#warnings.add(warning);
    console.error(`warning: ${warning}`);
  }

  #say(report: SendReport | LinkReport): void {
    if (this.#run.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else console.log(report.link === 'connected' ? lineOf(report) : linkLineOf(report, this.#to));
  }

  #sayWaiting(): void {
    const forSeconds = Math.floor((performance.now() - this.#waitBeganMs) / 1000);
    if (forSeconds <= this.#waitSaidSeconds) return;
    this.#waitSaidSeconds = forSeconds;
    const link = this.#wasConnected ? 'lost' : 'waiting';
    this.#say({ link, seconds: this.#seconds(), forSeconds });
    if (forSeconds < hintSeconds || this.#hasHinted) return;
    this.#hasHinted = true;
    console.error(hint);
  }

  #sayConnected(): void {
    this.#wasConnected = true;
    this.#hasHinted = false;
    console.error(`connected to ${this.#to}`);
  }

  #sayBroken({ text }: Ending, wasConnected: boolean): void {
    if (!wasConnected) return;
    this.#waitBeganMs = performance.now();
    this.#waitSaidSeconds = 0;
    const again = isLive(this.#run.settings.source)
      ? ''
      : '; the file will start from its beginning';
    console.error(`the connection to ${this.#to} has ended: ${text}${again}`);
  }
}
