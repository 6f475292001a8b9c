// In lockstep a run must give the same numbers whenever messages happen to travel: the server's word on
// a period (an epoch of training, a second of its memory) takes effect one second of media after the
// period's end, and the sender waits for it there.
import type { Log } from '../engine/contract.ts';

/** The way, the receiver's buffers and the server's own work, of media time. */
const travelNs = 1e9;
/** Below the 30 s that the element waits for an answer. */
const patienceMs = 25_000;

export interface AwaitedOptions<News> {
  /** For people. */
  readonly what: string;
  readonly periodNs: number;
  /** Which period it is of, from 0. */
  readonly periodOf: (news: News) => number;
  readonly log: Log;
}

export class AwaitedNews<News> {
  readonly #options: AwaitedOptions<News>;
  #waiting: News[] = [];
  #periodsTold = 0;
  #wake: (() => void) | undefined;
  #hasGivenUp = false;

  constructor(options: AwaitedOptions<News>) {
    this.#options = options;
  }

  came(news: News): void {
    this.#waiting.push(news);
    this.#periodsTold = Math.max(this.#periodsTold, this.#options.periodOf(news) + 1);
    this.#wake?.();
  }

  /** What takes effect now; resolves when all of it has come. */
  async dueAt(mediaTimeNs: number): Promise<readonly News[]> {
    const { periodNs, periodOf } = this.#options;
    const periodsDue = Math.max(0, Math.floor((mediaTimeNs - travelNs) / periodNs));
    await this.#until(periodsDue);
    const isDue = (news: News): boolean => periodOf(news) < periodsDue;
    const due = this.#waiting.filter(isDue);
    this.#waiting = this.#waiting.filter((news) => !isDue(news));
    return due;
  }

  close(): void {
    this.#hasGivenUp = true;
    this.#wake?.();
  }

  #isMissing(periodsDue: number): boolean {
    return this.#periodsTold < periodsDue && !this.#hasGivenUp;
  }

  async #until(periodsDue: number): Promise<void> {
    if (!this.#isMissing(periodsDue)) return;
    const { what, log } = this.#options;
    const timer = setTimeout(() => {
      log(
        `feedback of ${what} ${periodsDue - 1} did not come within ${patienceMs / 1000} s: the sender ` +
          'goes on without waiting for it, and this run cannot be repeated',
      );
      this.close();
    }, patienceMs);
    for (let isMissing = true; isMissing; isMissing = this.#isMissing(periodsDue)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    clearTimeout(timer);
  }
}
