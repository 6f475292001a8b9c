// What has arrived for a session and was not handled yet, within a budget. Live, ticks, starts and cuts
// go before patch pairs, and where there is no room for a pair the oldest one goes: it teaches least. In
// lockstep the element waits for the engine, so all is kept, in its order.
import { ChannelError, type Head } from '../channel/frame.ts';

export interface Waiting {
  readonly head: Head;
  readonly blob: Uint8Array;
  readonly done: () => void;
}

export interface InboxBudget {
  readonly maxPairs: number;
  readonly maxPairBytes: number;
  /** Of all others; more means that the session has stopped. */
  readonly maxOthers: number;
}

export const inboxBudget: InboxBudget = {
  maxPairs: 128,
  maxPairBytes: 8 * 2 ** 20,
  maxOthers: 4096,
};

interface Numbered extends Waiting {
  readonly number: number;
}

export const isPair = ({ head }: Waiting): boolean => head.type === 'patch.pair';

export class Inbox {
  readonly #budget: InboxBudget;
  #isOrdered = false;
  #pairs: Numbered[] = [];
  readonly #others: Numbered[] = [];
  #pairBytes = 0;
  #pairsDropped = 0;
  #number = 0;

  constructor(budget = inboxBudget) {
    this.#budget = budget;
  }

  get size(): number {
    return this.#pairs.length + this.#others.length;
  }

  get pairsDropped(): number {
    return this.#pairsDropped;
  }

  push(waiting: Waiting): void {
    const numbered = { ...waiting, number: this.#number++ };
    if (isPair(waiting)) {
      this.#pairs.push(numbered);
      this.#pairBytes += waiting.blob.length;
      if (!this.#isOrdered) this.#keepPairsWithinBudget();
      return;
    }
    if (this.#others.length >= this.#budget.maxOthers) {
      throw new ChannelError(`${this.#others.length} messages wait for a session that has stopped`);
    }
    this.#others.push(numbered);
  }

  /** The next one; undefined when there is none, or only pairs and no pair is wanted. */
  take(isPairWanted: boolean): Waiting | undefined {
    const [pair] = this.#pairs;
    const [other] = this.#others;
    const isPairNext =
      this.#isOrdered && pair !== undefined && pair.number < (other?.number ?? Infinity);
    if (other !== undefined && !isPairNext) return this.#others.shift();
    if (pair === undefined || !(isPairWanted || this.#isOrdered)) return undefined;
    this.#pairBytes -= pair.blob.length;
    return this.#pairs.shift();
  }

  /** A session begins. Live, pairs that came before its start have none that they would fit. */
  begin(isOrdered: boolean, start: Waiting): void {
    this.#isOrdered = isOrdered;
    const { number } = start as Numbered;
    const kept = this.#pairs.filter((pair) => pair.number > number);
    this.#pairsDropped += this.#pairs.length - kept.length;
    this.#pairs = kept;
    this.#pairBytes = kept.reduce((sum, { blob }) => sum + blob.length, 0);
  }

  #keepPairsWithinBudget(): void {
    const { maxPairs, maxPairBytes } = this.#budget;
    while (this.#pairs.length > maxPairs || this.#pairBytes > maxPairBytes) {
      this.#pairBytes -= this.#pairs.shift()?.blob.length ?? 0;
      this.#pairsDropped++;
    }
  }
}
