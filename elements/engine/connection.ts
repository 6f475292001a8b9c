// Serves one element: its messages within the inbox's budget, and the session's own work (training)
// whenever none waits. Pings are answered here, by the event loop: they say whether the engine is alive,
// and how far its session has come.
import type { Duplex } from 'node:stream';
import { Channel, type Reply } from '../channel/channel.ts';
import { ChannelError } from '../channel/frame.ts';
import { pingType, startMessage } from '../channel/messages.ts';
import type { MayUse } from './access.ts';
import type { Log, Session } from './contract.ts';
import { Inbox, isPair, type Waiting } from './inbox.ts';
import { startSession } from './session.ts';

export interface ConnectionOptions {
  readonly log: Log;
  /** Which files the element may name; all where it is left out. */
  readonly mayUse?: MayUse;
  /** Called before a session that trains begins. */
  readonly beforeTraining?: () => void;
}

/** Time that pairs may take ahead of training, ms: a flood of them leaves it half of the time. */
const maxPairDebtMs = 200;

const startTypes: ReadonlySet<string> = new Set(
  startMessage.options.flatMap((option) => [...option.shape.type.values]),
);

/** Resolves when the element is gone: to undefined, or to what broke the connection. */
export function serve(
  stream: Duplex,
  options: ConnectionOptions,
): Promise<ChannelError | undefined> {
  return new Promise((resolve) => {
    new Connection(stream, options, resolve);
  });
}

class Connection {
  readonly #channel: Channel;
  readonly #options: ConnectionOptions;
  readonly #inbox = new Inbox();
  #session: Session | undefined;
  #wake: (() => void) | undefined;
  #handled = 0;
  #isHandling = false;
  #pairDebtMs = 0;
  #fieldsDropped = 0;
  readonly #fieldsNamed = new Set<string>();

  constructor(
    stream: Duplex,
    options: ConnectionOptions,
    closed: (error: ChannelError | undefined) => void,
  ) {
    this.#options = options;
    this.#channel = new Channel(stream, {
      notification: (head, blob) => {
        this.#enqueue({ head, blob, done: () => undefined });
      },
      request: (head, blob) => {
        if (head.type === pingType) return Promise.resolve({ fields: this.#progress() });
        return new Promise<Reply>((resolve) => {
          this.#enqueue({
            head,
            blob,
            done: () => {
              resolve({});
            },
          });
        });
      },
      closed: (error) => {
        this.#wake?.();
        this.#session?.close();
        closed(error);
      },
    });
    void this.#run();
  }

  #progress(): Record<string, number> {
    return {
      handled: this.#handled,
      waiting: this.#inbox.size + (this.#isHandling ? 1 : 0),
      pairsDropped: this.#inbox.pairsDropped,
      fieldsDropped: this.#fieldsDropped,
    };
  }

  #enqueue(waiting: Waiting): void {
    try {
      this.#inbox.push(waiting);
    } catch (error) {
      this.#channel.fail(error);
    }
    this.#wake?.();
  }

  async #run(): Promise<void> {
    try {
      while (this.#channel.open) await this.#turn();
    } catch (error) {
      this.#channel.fail(error);
    }
  }

  async #turn(): Promise<void> {
    const beganMs = performance.now();
    const waiting = this.#inbox.take(this.#pairDebtMs < maxPairDebtMs);
    if (waiting) {
      this.#isHandling = true;
      await this.#handle(waiting);
      this.#isHandling = false;
      this.#handled++;
      if (isPair(waiting)) this.#pairDebtMs += performance.now() - beganMs;
    } else if (await this.#session?.work()) {
      this.#pairDebtMs = Math.max(0, this.#pairDebtMs - (performance.now() - beganMs));
    } else {
      // No training is due: pairs may have all the time.
      this.#pairDebtMs = 0;
      await this.#messageOrClose();
    }
  }

  async #handle(waiting: Waiting): Promise<void> {
    const { head, blob, done } = waiting;
    // A second start on the same connection begins afresh (docs/protocol.md).
    if (startTypes.has(head.type)) {
      this.#inbox.begin(head.lockstep === true, waiting);
      if (head.type === 'enhancer.start') this.#options.beforeTraining?.();
      this.#session = startSession(
        head,
        blob,
        {
          send: (message, payload) => {
            this.#channel.notify(message, payload);
          },
          log: this.#options.log,
          nowMs: () => performance.now(),
          fieldsDropped: (type, fields) => {
            this.#countFields(type, fields);
          },
          ...(this.#options.mayUse ? { mayUse: this.#options.mayUse } : {}),
        },
        this.#session,
      );
    } else if (this.#session) {
      await this.#session.handle(head, blob);
    } else {
      throw new ChannelError(`message ${head.type} before a start`);
    }
    done();
  }

  #countFields(type: string, fields: readonly string[]): void {
    this.#fieldsDropped += fields.length;
    for (const field of fields) {
      const name = `${type}.${field}`;
      if (this.#fieldsNamed.has(name)) continue;
      this.#fieldsNamed.add(name);
      this.#options.log(`${name} is not as agreed: it is left out (said once)`);
    }
  }

  async #messageOrClose(): Promise<void> {
    if (this.#inbox.size > 0 || !this.#channel.open) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}
