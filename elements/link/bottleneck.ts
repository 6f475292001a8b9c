// A link with a bottleneck: packets wait in one queue for their turn, then travel. Time and randomness
// are handed in; when a packet comes out is known when it goes in.
import type { CumulativeBits } from '../patch-sender/uplink.ts';

export interface LinkShape {
  /** Bits that the bottleneck lets through from time 0 on (seconds). */
  readonly carried: CumulativeBits;
  /** What the way takes without any queue. */
  readonly delaySeconds: number;
  /** Up to this much more, drawn for each packet; the order is kept. */
  readonly jitterSeconds: number;
  /** Share of packets lost beside those that the queue has no room for. */
  readonly lossShare: number;
  /** A packet that would wait longer than this for its turn is dropped. */
  readonly queueSeconds: number;
  /** So is one that would make the queue longer than this. */
  readonly queueBytes: number;
}

export type Passage =
  | { readonly kind: 'delivered'; readonly atSeconds: number; readonly queuedSeconds: number }
  | { readonly kind: 'dropped' }
  | { readonly kind: 'lost' };

/** IP and UDP headers, which a shaper counts and an application does not see. */
export const headerBytes = 28;

/** Beyond it a bottleneck that carries nothing is taken to be dead. */
const mostWaitSeconds = 60;

export class Bottleneck {
  readonly #shape: LinkShape;
  readonly #random: () => number;
  /** When the last packet has left the queue, and how much had been carried by then. */
  #freeSeconds = 0;
  #usedBits = 0;
  #lastDeliverySeconds = 0;
  #queue: { readonly leavesSeconds: number; readonly bytes: number }[] = [];
  #queuedBytes = 0;

  constructor(shape: LinkShape, random: () => number) {
    this.#shape = shape;
    this.#random = random;
  }

  /** A packet of `bytes` (with headers) comes at `seconds`, which never falls. */
  pass(seconds: number, bytes: number): Passage {
    while (this.#queue[0] && this.#queue[0].leavesSeconds <= seconds) {
      this.#queuedBytes -= this.#queue.shift()?.bytes ?? 0;
    }
    const startsSeconds = Math.max(seconds, this.#freeSeconds);
    const { carried, queueSeconds, queueBytes, lossShare, jitterSeconds } = this.#shape;
    // Both are drawn always, so that a packet dropped changes nothing for those behind it.
    const isLost = this.#random() < lossShare;
    const jitter = this.#random() * jitterSeconds;
    if (startsSeconds - seconds > queueSeconds || this.#queuedBytes + bytes > queueBytes) {
      return { kind: 'dropped' };
    }
    // What an idle link could have carried is gone.
    const usedBits = Math.max(this.#usedBits, carried(seconds)) + bytes * 8;
    const leavesSeconds = timeCarried(carried, startsSeconds, usedBits);
    if (leavesSeconds === undefined) return { kind: 'dropped' };
    this.#freeSeconds = leavesSeconds;
    this.#usedBits = usedBits;
    this.#queue.push({ leavesSeconds, bytes });
    this.#queuedBytes += bytes;
    if (isLost) return { kind: 'lost' };
    this.#lastDeliverySeconds = Math.max(
      this.#lastDeliverySeconds,
      leavesSeconds + this.#shape.delaySeconds + jitter,
    );
    return {
      kind: 'delivered',
      atSeconds: this.#lastDeliverySeconds,
      queuedSeconds: leavesSeconds - seconds,
    };
  }
}

/** When `bits` have been carried in all, to a microsecond; not before `fromSeconds`. */
function timeCarried(
  carried: CumulativeBits,
  fromSeconds: number,
  bits: number,
): number | undefined {
  if (carried(fromSeconds) >= bits) return fromSeconds;
  let step = 0.001;
  while (carried(fromSeconds + step) < bits) {
    step *= 2;
    if (step > mostWaitSeconds) return undefined;
  }
  let low = fromSeconds;
  let high = fromSeconds + step;
  while (high - low > 1e-6) {
    const middle = (low + high) / 2;
    if (carried(middle) < bits) low = middle;
    else high = middle;
  }
  return high;
}
