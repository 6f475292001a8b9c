// Whether somebody is at the other end of an SRT connection, out of srtsink's counters. No clock: how
// many seconds it is from one look to the next is handed in.
import { numberField, type StructureFields } from '../measure/structure.ts';

export type Link =
  /** Not connected since the start. */
  | { readonly state: 'waiting'; readonly seconds: number }
  | { readonly state: 'connected'; readonly seconds: number }
  /** Connected as far as SRT knows, which takes five seconds to notice; but nothing is acknowledged. */
  | { readonly state: 'silent'; readonly seconds: number }
  | { readonly state: 'lost'; readonly seconds: number };

/** A receiver acknowledges a hundred times a second. */
const patienceSeconds = 2;

/** Counters of a connection are there only while there is one. */
export const isConnected = (stats: StructureFields): boolean =>
  Number.isFinite(numberField(stats, 'rtt-ms'));

export class LinkWatch {
  #wasConnected = false;
  #secondsInState = 0;
  #secondsUnanswered = 0;
  #last: StructureFields = {};
  #state: Link['state'] = 'waiting';

  look(stats: StructureFields, seconds: number): Link {
    const state = this.#judge(stats, seconds);
    if (state === this.#state) this.#secondsInState += seconds;
    // When it turns out that nobody answers that has been so for a while.
    else this.#secondsInState = state === 'silent' ? this.#secondsUnanswered : 0;
    this.#state = state;
    this.#last = stats;
    return { state, seconds: this.#secondsInState };
  }

  #judge(stats: StructureFields, seconds: number): Link['state'] {
    if (!isConnected(stats)) {
      this.#secondsUnanswered = 0;
      return this.#wasConnected ? 'lost' : 'waiting';
    }
    this.#wasConnected = true;
    const rose = (name: string): boolean =>
      numberField(stats, name) !== (numberField(this.#last, name) || 0);
    const isAnswered = rose('packet-ack-received') || !rose('packets-sent');
    this.#secondsUnanswered = isAnswered ? 0 : this.#secondsUnanswered + seconds;
    return this.#secondsUnanswered >= patienceSeconds ? 'silent' : 'connected';
  }
}
