// The engine's half for one patchsender: answers its offers and ticks with plans and selections. The
// decisions are link/, scheduler.ts, plan.ts and sampler.ts; here are the messages between them.
import { ChannelError, wordsOfBlob, type Head } from '../channel/frame.ts';
import {
  parseHead,
  senderMessage,
  type FrameOffer,
  type SenderMessage,
  type SenderStart,
} from '../channel/messages.ts';
import type { Host, Log, Send, Session } from '../engine/contract.ts';
import { FeedbackClient, type FeedbackCounts } from '../feedback/client.ts';
import { feedbackVersion } from '../feedback/messages.ts';
import { AwaitedNews } from './awaited-news.ts';
import { curveOf } from './curves.ts';
import type { LinkEstimator } from './link/estimator.ts';
import { recorded } from './link/given.ts';
import { openEstimator } from './link/open.ts';
import {
  advance,
  allowance,
  emptyBudget,
  patchesDue,
  selected,
  sent,
  type PatchBudget,
} from './plan.ts';
import { seededRandom } from './random.ts';
import { Sampler } from './sampler.ts';
import {
  encoderTargetBps,
  encoderTrouble,
  gradients,
  initialScheduler,
  newsCame,
  patchesSent,
  pictureSeen,
  schedule,
  schedules,
  type SchedulerSettings,
  type SchedulerState,
} from './scheduler.ts';
import { constantUplink, UplinkError } from './uplink.ts';

/** When the caps do not say. */
const usualFramesPerSecond = 25;

const leastChange = 0.05;

export class SenderSession implements Session {
  readonly #start: SenderStart;
  readonly #send: Send;
  readonly #link: LinkEstimator;
  readonly #settings: SchedulerSettings;
  readonly #sampler: Sampler;
  #budget: PatchBudget;
  #patchesChosen = 0;
  #scheduler: SchedulerState = initialScheduler;
  #feedback: FeedbackClient | undefined;
  #feedbackTold: FeedbackCounts | undefined;
  /** In lockstep: what the server said takes effect at a media time of its own. */
  readonly #awaited: AwaitedNews | undefined;
  /** Patches since the last tick. */
  #patchBytes = 0;
  #mediaTimeNs = 0;
  #hasWarned: boolean;
  /** What the encoder was told last. */
  #toldBps = 0;

  /** `before`: the session that a new start on the same connection takes the place of. */
  constructor(start: SenderStart, host: Host, before?: SenderSession) {
    this.#start = start;
    this.#send = host.send;
    this.#hasWarned = before !== undefined && before.#hasWarned;
    this.#sampler = new Sampler(seededRandom(start.seed));
    this.#settings = settingsOf(start);
    // What was learned of the way holds on; a trace goes on by media time anyway.
    const isSameLink =
      before !== undefined &&
      before.#start.uplink === start.uplink &&
      before.#start.maxBitrateBps === start.maxBitrateBps;
    this.#link = isSameLink ? before.#link : openLink(start, host.log);
    this.#budget = emptyBudget(start.patches === 'jpeg' ? 'jpeg' : 'residual');
    this.#feedback = before?.handOverFeedback(start) ?? openFeedback(start, host);
    if (this.#feedback) {
      this.#awaited = start.lockstep ? new AwaitedNews(host.log) : undefined;
      this.#feedback.onTraining = (news) => {
        if (this.#awaited) this.#awaited.came(news);
        else this.#scheduler = newsCame(this.#scheduler, news, this.#mediaTimeNs);
      };
    }
    this.#plan(0, 0);
  }

  async handle(head: Head, blob: Uint8Array): Promise<void> {
    const message = parseHead(senderMessage, head);
    if (this.#awaited && message.type === 'time.tick') {
      for (const news of await this.#awaited.dueAt(message.mediaTimeNs)) {
        this.#scheduler = newsCame(this.#scheduler, news, message.mediaTimeNs);
      }
    }
    this.#take(message, blob);
  }

  work(): Promise<boolean> {
    return Promise.resolve(false);
  }

  close(): void {
    this.#awaited?.close();
    this.#feedback?.close();
  }

  /** The connection, when the next session's start asks for the same. */
  handOverFeedback(start: SenderStart): FeedbackClient | undefined {
    const feedback = this.#feedback;
    if (!feedback?.serves(feedbackOf(start))) return undefined;
    this.#feedback = undefined;
    return feedback;
  }

  #tellFeedback(): void {
    const counts = this.#feedback?.counts;
    const told = this.#feedbackTold;
    const isSame =
      counts?.connected === told?.connected &&
      counts?.received === told?.received &&
      counts?.ignored === told?.ignored &&
      counts?.connections === told?.connections;
    if (!counts || isSame) return;
    this.#feedbackTold = counts;
    this.#send({ type: 'feedback.state', ...counts });
  }

  #take(message: SenderMessage, blob: Uint8Array): void {
    switch (message.type) {
      case 'frame.offer':
        this.#budget = advance(this.#budget, message.mediaTimeNs);
        this.#offer(message, blob);
        break;
      case 'patch.sent':
        this.#budget = sent(this.#budget, message.bytes, message.patches);
        this.#scheduler = patchesSent(this.#scheduler, message.bytes);
        this.#patchBytes += message.bytes;
        break;
      case 'time.tick':
        this.#mediaTimeNs = message.mediaTimeNs;
        this.#budget = advance(this.#budget, message.mediaTimeNs);
        this.#link.handle({ kind: 'media', bytes: message.videoBytes + this.#patchBytes });
        this.#patchBytes = 0;
        this.#plan(message.mediaTimeNs, message.videoBytes);
        this.#tellFeedback();
        break;
      case 'link.srt':
        this.#link.handle({ ...message, kind: 'srt' });
        break;
      case 'link.twcc':
        this.#link.handle({ ...message, kind: 'twcc' });
        break;
      case 'link.rate':
        this.#link.handle({ kind: 'rate', rateBps: message.rateBps });
        break;
    }
  }

  #plan(mediaTimeNs: number, videoBytes: number): void {
    const carriedBps = this.#link.estimateBps(mediaTimeNs);
    const limitBps = this.#start.maxBitrateBps;
    const uplinkBps = limitBps > 0 ? Math.min(carriedBps, limitBps) : carriedBps;
    const before = this.#scheduler;
    this.#scheduler = schedule(before, this.#settings, uplinkBps, videoBytes, mediaTimeNs);
    this.#warnOfEncoder();
    const { plan, plannedNs } = this.#scheduler;
    const targetBps = encoderTargetBps(this.#scheduler);
    const isSame = plan === before.plan && plannedNs === before.plannedNs;
    if (isSame && !isWorthTelling(this.#toldBps, targetBps)) return;
    this.#toldBps = targetBps;
    this.#budget = { ...this.#budget, patchBitrateBps: plan.patchBitrateBps };
    const { byPatchesDb, byVideoDb } = gradients(this.#scheduler, this.#settings);
    this.#send({
      type: 'plan.set',
      mediaTimeNs,
      videoBitrateBps: targetBps,
      patchBitrateBps: plan.patchBitrateBps,
      estimatedUplinkBps: carriedBps,
      gainByPatchesDb: byPatchesDb,
      gainByVideoDb: byVideoDb,
    });
  }

  #warnOfEncoder(): void {
    const trouble = encoderTrouble(this.#scheduler);
    if (!trouble || this.#hasWarned) return;
    this.#hasWarned = true;
    this.#send({ type: 'engine.warning', ...trouble });
  }

  #offer(offer: FrameOffer, blob: Uint8Array): void {
    const cells = offer.columns * offer.rows;
    if (blob.length !== cells * 4) {
      throw new ChannelError(
        `frame.offer of ${offer.columns} x ${offer.rows} cells carries ${blob.length} bytes, ` +
          `must carry ${cells * 4}`,
      );
    }
    const errors = wordsOfBlob(blob);
    const { patchesPerSecond } = this.#start;
    const most =
      patchesPerSecond > 0
        ? patchesDue(offer.mediaTimeNs, patchesPerSecond, this.#patchesChosen)
        : allowance(this.#budget);
    if (cells > 0) {
      const sum = errors.reduce((total, error) => total + error, 0);
      this.#scheduler = pictureSeen(this.#scheduler, sum / (cells * offer.cell ** 2));
    }
    const chosen = this.#sampler.select(offer, errors, most);
    this.#patchesChosen += chosen.length;
    this.#budget = selected(this.#budget, chosen.length);
    this.#send({ type: 'patch.select', offer: offer.offer, cells: chosen });
  }
}

/** Between two plans: a new rate costs an encoder something. */
function isWorthTelling(toldBps: number, targetBps: number): boolean {
  return Math.abs(targetBps - toldBps) > leastChange * toldBps;
}

function settingsOf(start: SenderStart): SchedulerSettings {
  const framesPerSecond = start.framesPerSecond > 0 ? start.framesPerSecond : usualFramesPerSecond;
  const framePixels = (start.frameWidth * start.frameHeight) / start.scale ** 2;
  return {
    schedule: schedules[start.schedule],
    curve: curveOf(start.streamClass),
    patchesOn: start.patches !== 'off',
    patchBitrateBps: start.patchBitrateBps,
    minVideoBitrateBps: start.minVideoBitrateBps,
    expectsFeedback: start.feedbackUri !== '',
    pixelsPerSecond: framePixels * framesPerSecond,
  };
}

function feedbackOf(start: SenderStart) {
  return {
    uri: start.feedbackUri,
    token: start.token,
    hello: {
      type: 'hello',
      version: feedbackVersion,
      streamKey: start.streamKey,
      streamClass: start.streamClass,
      scale: start.scale,
      frameWidth: start.frameWidth,
      frameHeight: start.frameHeight,
    },
  } as const;
}

function openFeedback(start: SenderStart, host: Host): FeedbackClient | undefined {
  if (start.feedbackUri === '') return undefined;
  // Only spreads senders over time: nothing that is sent depends on it.
  const random = seededRandom(start.seed);
  return new FeedbackClient({ ...feedbackOf(start), random, log: host.log, nowMs: host.nowMs });
}

/** A bad uplink must not stop the stream: it is said, and the limit of the element holds alone. */
function openLink(start: SenderStart, log: Log): LinkEstimator {
  try {
    return openEstimator(start.uplink, start.maxBitrateBps, start.uplinkBitrateBps);
  } catch (error) {
    const reason = error instanceof UplinkError ? error.message : String(error);
    log(`${reason}; the uplink is taken to carry the maximum bit rate`);
    return recorded(constantUplink(start.maxBitrateBps));
  }
}
