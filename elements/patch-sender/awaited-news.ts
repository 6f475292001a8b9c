// In lockstep a run must give the same numbers whenever messages happen to travel: the server's word on
// an epoch takes effect one second of media after the epoch's end, and the sender waits for it there.
import { epochNs } from '../sr-enhancer/schedule.ts';
import type { Training } from '../feedback/messages.ts';
import type { Log } from '../engine/contract.ts';

/** The way, the receiver's buffers and the server's own work, of media time. */
const travelNs = 1e9;
/** Below the 30 s that the element waits for an answer. */
const patienceMs = 25_000;

export class AwaitedNews {
  readonly #log: Log;
  #waiting: Training[] = [];
  #epochsTold = 0;
  #wake: (() => void) | undefined;
  #hasGivenUp = false;

  constructor(log: Log) {
    this.#log = log;
  }

  came(news: Training): void {
    this.#waiting.push(news);
    this.#epochsTold = Math.max(this.#epochsTold, news.epoch + 1);
    this.#wake?.();
  }

  /** What takes effect now; resolves when all of it has come. */
  async dueAt(mediaTimeNs: number): Promise<readonly Training[]> {
    const epochsDue = Math.max(0, Math.floor((mediaTimeNs - travelNs) / epochNs));
    await this.#until(epochsDue);
    const isDue = ({ epoch }: Training): boolean => epoch < epochsDue;
    const due = this.#waiting.filter(isDue);
    this.#waiting = this.#waiting.filter((news) => !isDue(news));
    return due;
  }

  close(): void {
    this.#hasGivenUp = true;
    this.#wake?.();
  }

  #isMissing(epochsDue: number): boolean {
    return this.#epochsTold < epochsDue && !this.#hasGivenUp;
  }

  async #until(epochsDue: number): Promise<void> {
    if (!this.#isMissing(epochsDue)) return;
    const timer = setTimeout(() => {
      this.#log(
        `feedback of epoch ${epochsDue - 1} did not come within ${patienceMs / 1000} s: the sender ` +
          'goes on without waiting for it, and this run cannot be repeated',
      );
      this.close();
    }, patienceMs);
    for (let isMissing = true; isMissing; isMissing = this.#isMissing(epochsDue)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    clearTimeout(timer);
  }
}
