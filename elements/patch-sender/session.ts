// The engine's half for one patchsender: answers its offers and ticks with plans and selections. The
// decisions are link/, scheduler.ts, plan.ts and sampler.ts; here are the messages between them.
import { ChannelError, wordsOfBlob, type Head } from '../channel/frame.ts';
import {
  parseHead,
  senderMessage,
  type FrameOffer,
  type SenderMessage,
  type SenderStart,
  type TrialResult,
} from '../channel/messages.ts';
import type { Host, Log, Send, Session } from '../engine/contract.ts';
import { FeedbackClient, type FeedbackCounts } from '../feedback/client.ts';
import { feedbackVersion, type Memory, type Training } from '../feedback/messages.ts';
import { epochNs } from '../sr-enhancer/schedule.ts';
import { AwaitedNews } from './awaited-news.ts';
import {
  cellsChosen,
  coverAt,
  forgotten,
  memoryTold,
  memoryWorth,
  noCoverage,
  type Coverage,
} from './coverage.ts';
import { slopeDbPerBps } from './curves.ts';
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
import {
  errorsSeen,
  initialRung,
  measureNsAt,
  memoryAdds,
  nextTrial,
  trainingTold,
  leadDb,
  trialCame,
  trialFailed,
  warmUpNs,
  type Conditions,
  type Rung,
  type RungSettings,
  type RungState,
} from './rung.ts';
import { framesPerSecondOf, patchBps, settingsOf, trialBps } from './rung-settings.ts';
import { Sampler, worseShare } from './sampler.ts';
import {
  encoderTargetBps,
  encoderTrouble,
  gradients,
  initialScheduler,
  patchRoomBits,
  newsCame,
  patchesSent,
  pictureSeen,
  memorySeen,
  rungChanged,
  schedule,
  type SchedulerSettings,
  type SchedulerState,
  type VideoGiven,
} from './scheduler.ts';
import { newsOf } from './training-news.ts';
import { constantUplink, UplinkError } from './uplink.ts';

/** Between two plans: a new rate costs an encoder something, but for one that is steered finely. */
const leastChange = 0.05;
const leastFineChange = 0.02;

export class SenderSession implements Session {
  readonly #start: SenderStart;
  readonly #send: Send;
  readonly #link: LinkEstimator;
  #settings: SchedulerSettings;
  readonly #rungSettings: RungSettings;
  #rung: RungState;
  readonly #sampler: Sampler;
  #budget: PatchBudget;
  #patchesChosen = 0;
  #scheduler: SchedulerState = initialScheduler;
  #feedback: FeedbackClient | undefined;
  #feedbackTold: FeedbackCounts | undefined;
  /** In lockstep: what the server said takes effect at a media time of its own. */
  readonly #awaited: Awaited | undefined;
  #coverage: Coverage = noCoverage;
  /** Of the latest offer. */
  #grid = { columns: 0, rows: 0, cell: 0 };
  /** Patches since the last tick. */
  #patchBytes = 0;
  #mediaTimeNs = 0;
  #hasWarned: boolean;
  #uplinkBps = 0;
  readonly #log: Log;
  readonly #fieldsDropped: Host['fieldsDropped'];
  /** What the encoder was told last. */
  #toldBps = 0;

  /** `before`: the session that a new start on the same connection takes the place of. */
  constructor(start: SenderStart, host: Host, before?: SenderSession) {
    this.#start = start;
    this.#send = host.send;
    this.#hasWarned = before !== undefined && before.#hasWarned;
    this.#log = host.log;
    this.#fieldsDropped = host.fieldsDropped;
    this.#sampler = new Sampler(seededRandom(start.seed));
    this.#settings = settingsOf(start, start.scale);
    this.#rungSettings = {
      rungs: start.rungs,
      trains: start.patches !== 'off',
      expectsFeedback: start.feedbackUri !== '',
    };
    this.#rung = initialRung(start.scale);
    // What was learned of the way holds on; a trace goes on by media time anyway.
    const isSameLink =
      before !== undefined &&
      before.#start.uplink === start.uplink &&
      before.#start.maxBitrateBps === start.maxBitrateBps;
    this.#link = isSameLink ? before.#link : openLink(start, host.log);
    this.#budget = emptyBudget(start.patches === 'jpeg' ? 'jpeg' : 'residual');
    this.#feedback = before?.handOverFeedback(start) ?? openFeedback(start, host);
    if (this.#feedback) {
      this.#awaited = start.lockstep ? awaitAll(host.log) : undefined;
      this.#feedback.onTraining = (news) => {
        if (this.#awaited) this.#awaited.training.came(news);
        else this.#hear(news);
      };
      this.#feedback.onMemory = (news) => {
        if (this.#awaited) this.#awaited.memory.came(news);
        else this.#hearMemory(news);
      };
    }
    this.#plan(0);
    const [only, ...others] = start.rungs;
    if (only !== undefined && others.length === 0) this.#change(initialRung(only), 0);
  }

  async handle(head: Head, blob: Uint8Array): Promise<void> {
    const message = parseHead(senderMessage, head, this.#fieldsDropped);
    if (this.#awaited && message.type === 'time.tick') {
      const { training, memory } = this.#awaited;
      const { mediaTimeNs } = message;
      for (const news of await training.dueAt(mediaTimeNs)) {
        this.#mediaTimeNs = mediaTimeNs;
        this.#hear(news);
      }
      for (const news of await memory.dueAt(mediaTimeNs)) {
        this.#mediaTimeNs = mediaTimeNs;
        this.#hearMemory(news);
      }
    }
    this.#take(message, blob);
  }

  work(): Promise<boolean> {
    return Promise.resolve(false);
  }

  close(): void {
    this.#awaited?.training.close();
    this.#awaited?.memory.close();
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
    if (!this.#feedback) return;
    const heard = this.#feedback.counts;
    const counts = { ...heard, ignored: heard.ignored + this.#coverage.ignored };
    const told = this.#feedbackTold;
    const isSame =
      counts.connected === told?.connected &&
      counts.received === told.received &&
      counts.ignored === told.ignored &&
      counts.connections === told.connections &&
      counts.goodputBps === told.goodputBps &&
      counts.packetLoss === told.packetLoss;
    if (isSame) return;
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
        // By number they are not billed: whatever a codec makes of them, the video is the same.
        if (this.#start.patchesPerSecond > 0) break;
        this.#budget = sent(this.#budget, message.bytes, message.patches);
        this.#scheduler = patchesSent(this.#scheduler, message.bytes);
        this.#patchBytes += message.bytes;
        break;
      case 'time.tick':
        this.#mediaTimeNs = message.mediaTimeNs;
        this.#budget = advance(this.#budget, message.mediaTimeNs);
        this.#link.handle({ kind: 'media', bytes: message.videoBytes + this.#patchBytes });
        this.#patchBytes = 0;
        this.#plan(message.mediaTimeNs, {
          bytes: message.videoBytes,
          keyFrameBytes: message.keyFrameBytes ?? 0,
        });
        this.#tryRung();
        this.#tellFeedback();
        break;
      case 'trial.result':
        this.#compare(message);
        break;
      case 'trial.failed':
        this.#rung = trialFailed(this.#rung, message.trial, this.#mediaTimeNs);
        this.#log(`a trial of another size came to nothing: ${message.reason}`);
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

  #hear(news: Training): void {
    // Of the rung that was left, which is still on its way.
    if (news.rung !== null && news.rung !== this.#rung.rung) return;
    const isFullSize = this.#rung.rung === 1;
    const telling = newsOf(news, isFullSize, this.#scheduler.begunNs, this.#mediaTimeNs);
    this.#scheduler = newsCame(this.#scheduler, telling, this.#mediaTimeNs);
    this.#rung = trainingTold(this.#rung, news.gainDb, news.genericGainDb, this.#mediaTimeNs);
  }

  #hearMemory(news: Memory): void {
    if (news.rung !== null && news.rung !== this.#rung.rung) return;
    this.#coverage = memoryTold(this.#coverage, news, this.#grid, this.#mediaTimeNs);
  }

  #conditions(): Conditions {
    return {
      uplinkBps: this.#uplinkBps,
      psnrDb: this.#scheduler.videoPsnrDb,
      mediaTimeNs: this.#mediaTimeNs,
    };
  }

  #tryRung(): void {
    const { state, order } = nextTrial(this.#rung, this.#rungSettings, this.#conditions());
    this.#rung = state;
    if (!order) return;
    this.#send({
      type: 'trial.run',
      trial: order.trial,
      scale: order.rung,
      videoBitrateBps: Math.round(
        trialBps(order.rung, this.#uplinkBps, this.#start, this.#settings),
      ),
      warmUpNs,
      measureNs: measureNsAt(framesPerSecondOf(this.#start)),
    });
  }

  #compare(result: TrialResult): void {
    const { trial, psnrDb, livePsnrDb, videoBytes, liveVideoBytes, durationNs } = result;
    const rung = this.#rung.trial?.rung;
    if (rung === undefined) return;
    // Either side may have had more bits than its share; they are worth what the curve says.
    const seconds = durationNs / 1e9;
    const total = (bytes: number, scale: number): number =>
      (bytes * 8) / seconds + patchBps(scale, this.#uplinkBps, this.#start, this.#settings);
    const liveBps = total(liveVideoBytes, this.#rung.rung);
    const moreBps = total(videoBytes, rung) - liveBps;
    const mostBps = mostCorrection * this.#uplinkBps;
    const { curve, pixelsPerSecond } = this.#settings;
    const slope = slopeDbPerBps(curve, livePsnrDb, liveBps, pixelsPerSecond);
    const gainDb = psnrDb - livePsnrDb - slope * Math.min(mostBps, Math.max(-mostBps, moreBps));
    const now = this.#conditions();
    const lead = (of: Rung): string =>
      leadDb(this.#rung, this.#rungSettings, of, now.mediaTimeNs).toFixed(2);
    this.#log(
      `scale ${rung} is ${gainDb.toFixed(2)} dB above scale ${this.#rung.rung}, to which training ` +
        `adds ${lead(rung)} and ${lead(this.#rung.rung)}`,
    );
    this.#change(trialCame(this.#rung, this.#rungSettings, trial, gainDb, now), now.mediaTimeNs);
  }

  #change(rung: RungState, mediaTimeNs: number): void {
    const before = this.#rung.rung;
    this.#rung = rung;
    if (rung.rung === before) return;
    this.#settings = settingsOf(this.#start, rung.rung);
    this.#scheduler = rungChanged(this.#scheduler);
    this.#coverage = forgotten(this.#coverage);
    this.#send({ type: 'rung.set', scale: rung.rung });
    this.#plan(mediaTimeNs);
  }

  #plan(mediaTimeNs: number, given: VideoGiven = { bytes: 0 }): void {
    const carriedBps = this.#link.estimateBps(mediaTimeNs);
    const limitBps = this.#start.maxBitrateBps;
    const uplinkBps = limitBps > 0 ? Math.min(carriedBps, limitBps) : carriedBps;
    this.#uplinkBps = uplinkBps;
    const before = this.#scheduler;
    this.#scheduler = schedule(before, this.#settings, uplinkBps, given, mediaTimeNs);
    this.#warnOfEncoder();
    const { plan, plannedNs } = this.#scheduler;
    const targetBps = encoderTargetBps(this.#scheduler);
    const isSame = plan === before.plan && plannedNs === before.plannedNs;
    const least = this.#settings.limitsFrames ? leastFineChange : leastChange;
    if (isSame && Math.abs(targetBps - this.#toldBps) <= least * this.#toldBps) return;
    this.#toldBps = targetBps;
    this.#budget = { ...this.#budget, patchBitrateBps: plan.patchBitrateBps };
    const { byPatchesDb, byVideoDb } = gradients(this.#scheduler, this.#settings);
    const paceBps = this.#link.paceBps?.();
    this.#send({
      type: 'plan.set',
      mediaTimeNs,
      videoBitrateBps: Math.min(targetBps, plan.videoBitrateBps),
      ...(this.#settings.limitsFrames && { encoderBitrateBps: targetBps }),
      patchBitrateBps: plan.patchBitrateBps,
      estimatedUplinkBps: carriedBps,
      ...(paceBps !== undefined && { paceBps }),
      gainByPatchesDb: byPatchesDb,
      gainByVideoDb: byVideoDb,
    });
  }

  /** `roomBits`: beside the last frame; the plan's room is that of the second to come. */
  #patchesWithRoom(roomBits = Infinity): number {
    const { underway, meanPatchBits } = this.#budget;
    const bits = patchRoomBits(this.#scheduler, this.#settings) - underway * meanPatchBits;
    return Math.max(0, Math.floor(Math.min(bits, roomBits) / meanPatchBits));
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
    const most = !this.#settings.patchesOn
      ? 0
      : patchesPerSecond > 0
        ? patchesDue(offer.mediaTimeNs, patchesPerSecond, this.#patchesChosen)
        : Math.min(allowance(this.#budget), this.#patchesWithRoom(offer.roomBits));
    if (cells > 0) {
      const sum = errors.reduce((total, error) => total + error, 0);
      this.#scheduler = pictureSeen(this.#scheduler, sum / (cells * offer.cell ** 2));
    }
    const { columns, rows, cell, mediaTimeNs } = offer;
    this.#grid = { columns, rows, cell };
    const cover = coverAt(this.#coverage, offer, mediaTimeNs);
    this.#rung = errorsSeen(this.#rung, worseShare(errors) ?? this.#rung.worseShare);
    const worth = memoryWorth(this.#coverage, errors, cover);
    this.#scheduler = memorySeen(this.#scheduler, worth?.byPatchDb, this.#budget.meanPatchBits);
    if (worth) this.#rung = memoryAdds(this.#rung, worth.leadDb);
    const chosen = this.#sampler.select(offer, errors, most, cover);
    this.#coverage = cellsChosen(this.#coverage, chosen, mediaTimeNs);
    this.#patchesChosen += chosen.length;
    this.#budget = selected(this.#budget, chosen.length);
    this.#send({ type: 'patch.select', offer: offer.offer, cells: chosen });
  }
}

interface Awaited {
  readonly training: AwaitedNews<Training>;
  readonly memory: AwaitedNews<Memory>;
}

function awaitAll(log: Log): Awaited {
  return {
    training: new AwaitedNews({
      what: 'epoch',
      periodNs: epochNs,
      periodOf: ({ epoch }) => epoch,
      log,
    }),
    // Told at the second's end.
    memory: new AwaitedNews({
      what: 'memory in second',
      periodNs: 1e9,
      periodOf: ({ mediaTimeNs }) => Math.floor(mediaTimeNs / 1e9) - 1,
      log,
    }),
  };
}

/** Of bits that one side of a comparison had more, in the whole: further apart, the curve is a guess. */
const mostCorrection = 0.15;

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
      memory: true,
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
