// The engine's half for one patchsender: answers its offers and ticks with plans and selections. The
// decisions are plan.ts and sampler.ts; here are the messages and the trace file.
import { readFileSync } from 'node:fs';
import { ChannelError, wordsOfBlob, type Head } from '../channel/frame.ts';
import {
  parseHead,
  senderMessage,
  type FrameOffer,
  type SenderStart,
} from '../channel/messages.ts';
import type { Log, Send, Session } from '../engine/session.ts';
import {
  advance,
  allowance,
  emptyBudget,
  patchesDue,
  selected,
  sent,
  splitUplink,
  type PatchBudget,
} from './plan.ts';
import { seededRandom } from './random.ts';
import { Sampler } from './sampler.ts';
import {
  constantUplink,
  parseTrace,
  parseUplink,
  UplinkError,
  type CumulativeBits,
} from './uplink.ts';

/** A plan holds for one second of media time (LiveNAS 5.1 updates every second). */
const planNs = 1e9;

export class SenderSession implements Session {
  readonly #start: SenderStart;
  readonly #send: Send;
  readonly #uplink: CumulativeBits;
  readonly #sampler: Sampler;
  #budget: PatchBudget;
  #patchesChosen = 0;
  #plannedSecond: number | undefined;

  constructor(start: SenderStart, send: Send, log: Log) {
    this.#start = start;
    this.#send = send;
    this.#sampler = new Sampler(seededRandom(start.seed));
    this.#uplink = openUplink(start, log);
    this.#budget = emptyBudget(start.patches === 'jpeg' ? 'jpeg' : 'residual');
    this.#plan(0);
  }

  handle(head: Head, blob: Uint8Array): Promise<void> {
    const message = parseHead(senderMessage, head);
    if (message.type === 'frame.offer') {
      this.#budget = advance(this.#budget, message.mediaTimeNs);
      this.#offer(message, blob);
    } else if (message.type === 'patch.sent') {
      this.#budget = sent(this.#budget, message.bytes, message.patches);
    } else {
      this.#budget = advance(this.#budget, message.mediaTimeNs);
      this.#plan(message.mediaTimeNs);
    }
    return Promise.resolve();
  }

  work(): Promise<boolean> {
    return Promise.resolve(false);
  }

  #plan(mediaTimeNs: number): void {
    const second = Math.floor(mediaTimeNs / planNs);
    if (second === this.#plannedSecond) return;
    this.#plannedSecond = second;
    const carriedBps = this.#uplink(second + 1) - this.#uplink(second);
    const limitBps = this.#start.maxBitrateBps;
    const uplinkBps = limitBps > 0 ? Math.min(carriedBps, limitBps) : carriedBps;
    const split = splitUplink(uplinkBps, {
      patchesOn: this.#start.patches !== 'off',
      patchBitrateBps: this.#start.patchBitrateBps,
      minVideoBitrateBps: this.#start.minVideoBitrateBps,
    });
    this.#budget = { ...this.#budget, patchBitrateBps: split.patchBitrateBps };
    this.#send({ type: 'plan.set', ...split, estimatedUplinkBps: carriedBps });
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
    const chosen = this.#sampler.select(offer, errors, most);
    this.#patchesChosen += chosen.length;
    this.#budget = selected(this.#budget, chosen.length);
    this.#send({ type: 'patch.select', offer: offer.offer, cells: chosen });
  }
}

/** A bad uplink must not stop the stream: it is said, and the limit of the element holds alone. */
function openUplink(start: SenderStart, log: Log): CumulativeBits {
  try {
    const choice = parseUplink(start.uplink);
    if (choice.kind === 'fixed') return constantUplink(choice.rateBps);
    if (choice.kind === 'trace') {
      return parseTrace(readFileSync(choice.path, 'utf8'), choice.path);
    }
  } catch (error) {
    const reason = error instanceof UplinkError ? error.message : String(error);
    log(`${reason}; the uplink is taken to carry the maximum bit rate`);
  }
  return constantUplink(start.maxBitrateBps);
}
