// What the training of a stream did, for the engine's log: a line for each first, for each swap and each
// change of state.
import type { EngineMessage } from '../channel/messages.ts';
import type { Log } from '../engine/contract.ts';

const inDb = (value: number | null): string =>
  value === null ? 'unknown' : `${value.toFixed(2)} dB`;

export class TrainingEvents {
  readonly #log: Log;
  readonly #seen = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Said the first time only. */
  first(what: string, details = ''): void {
    if (this.#seen.has(what)) return;
    this.#seen.add(what);
    this.#log(`first ${what}${details}`);
  }

  sent(message: EngineMessage): void {
    if (message.type === 'model.swap') {
      const { rung, source, version, gainDb } = message;
      this.#log(`weights ${version} of scale ${rung}: ${source}, gain ${inDb(gainDb)}`);
    } else if (message.type === 'training.state') {
      this.#log(`state ${message.state} at scale ${message.rung}`);
    } else if (message.type === 'training.report') {
      const { pairs, steps, gainDb } = message;
      this.first('report', `: ${pairs} patches, ${steps} steps, gain ${inDb(gainDb)}`);
    } else if (message.type === 'engine.warning') {
      this.#log(`warning: ${message.cause}`);
    }
  }
}
