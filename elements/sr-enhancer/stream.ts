// One stream's training through all changes of rung: a session for each, of which one is on. A
// rung that comes back finds its patches and weights as they were left; senders hear of whichever is on.
import type { Head } from '../channel/frame.ts';
import {
  enhancerTick,
  parseHead,
  type EnhancerStart,
  type EnhancerTick,
  type TrainingReport,
} from '../channel/messages.ts';
import type { Host, Session } from '../engine/contract.ts';
import { openPublisher, type Publisher } from '../feedback/publisher.ts';
import type { News } from '../feedback/server.ts';
import { TrainingEvents } from './events.ts';
import { memoryNews } from './memory-news.ts';
import { EnhancerSession } from './session.ts';

interface Kept {
  readonly start: EnhancerStart;
  readonly session: EnhancerSession;
}

export class EnhancerStream implements Session {
  readonly #host: Host;
  readonly #events: TrainingEvents;
  readonly #publisher: Publisher | undefined;
  readonly #kept = new Map<number, Kept>();
  #current: Kept;
  #ticked: EnhancerTick | undefined;
  #countsSent = '';

  constructor(start: EnhancerStart, blob: Uint8Array, host: Host) {
    const warn = (cause: string, remedy: string): void => {
      host.send({ type: 'engine.warning', cause, remedy });
    };
    this.#publisher = openPublisher(start, { ...host, warn }, (packet) => {
      host.send({ type: 'patch.packet' }, packet);
    });
    const events = new TrainingEvents(host.log);
    this.#events = events;
    this.#host = {
      ...host,
      send: (message, payload) => {
        events.sent(message);
        if (message.type === 'training.report') this.#publisher?.tell(trainingNews(message));
        host.send(message, payload);
      },
    };
    this.#current = this.#open(start, blob);
  }

  /** Whether a new start is of this stream too; then it goes on at that start's rung. */
  goesOn(start: EnhancerStart, blob: Uint8Array): boolean {
    if (!isSameStream(this.#current.start, start)) return false;
    const kept = this.#kept.get(start.rung);
    const isBack =
      kept !== undefined &&
      start.rung !== this.#current.start.rung &&
      kept.start.width === start.width &&
      kept.start.height === start.height;
    if (isBack) {
      this.#current = kept;
      kept.session.tellState();
    } else {
      // Before the new one reads what the old one keeps of the stream.
      kept?.session.close();
      this.#current = this.#open(start, blob);
    }
    if (this.#ticked !== undefined) this.#current.session.joinAt(this.#ticked.mediaTimeNs);
    return true;
  }

  handle(head: Head, blob: Uint8Array): Promise<void> {
    if (head.type === 'patch.pair') this.#events.first('patch');
    if (head.type === 'time.tick') {
      const tick = parseHead(enhancerTick, head);
      const news = memoryNews(this.#ticked, tick, blob, this.#current.start.rung);
      if (news) this.#publisher?.tell(news);
      this.#sendCounts(tick.mediaTimeNs);
      this.#ticked = tick;
    }
    return this.#current.session.handle(head, blob);
  }

  work(): Promise<boolean> {
    return this.#current.session.work();
  }

  close(): void {
    for (const { session } of this.#kept.values()) session.close();
    this.#publisher?.close();
  }

  /** With the first tick of each second, when something has come. */
  #sendCounts(mediaTimeNs: number): void {
    const counts = this.#publisher?.counts;
    const before = this.#ticked?.mediaTimeNs;
    const second = (timeNs: number): number => Math.floor(timeNs / 1e9);
    if (!counts || (before !== undefined && second(before) === second(mediaTimeNs))) return;
    const text = JSON.stringify(counts);
    if (text === this.#countsSent) return;
    this.#countsSent = text;
    this.#host.send({ type: 'feedback.counts', ...counts });
  }

  #open(start: EnhancerStart, blob: Uint8Array): Kept {
    const kept = { start, session: new EnhancerSession(start, blob, this.#host) };
    this.#kept.set(start.rung, kept);
    return kept;
  }
}

function trainingNews(report: TrainingReport): News {
  const { rung, mediaTimeNs, epoch, state, gainDb, genericGainDb, epochGainDb, pairs } = report;
  const { goodputBps, packetLoss } = report;
  return {
    type: 'training',
    rung,
    mediaTimeNs,
    epoch,
    state,
    gainDb,
    genericGainDb,
    epochGainDb,
    pairs,
    goodputBps,
    packetLoss,
  };
}

function isSameStream(a: EnhancerStart, b: EnhancerStart): boolean {
  return (
    a.streamKey === b.streamKey &&
    a.training === b.training &&
    a.modelStore === b.modelStore &&
    a.feedbackListen === b.feedbackListen &&
    a.feedbackCertificate === b.feedbackCertificate &&
    a.token === b.token &&
    a.tokensFile === b.tokensFile &&
    a.lockstep === b.lockstep &&
    a.stepsPerSecond === b.stepsPerSecond &&
    a.trainingThreads === b.trainingThreads &&
    a.seed === b.seed
  );
}
