// Serves one element: its messages one after the other in the order they came, and the session's own
// work (training) whenever none waits.
import type { Duplex } from 'node:stream';
import { Channel, type Reply } from '../channel/channel.ts';
import { ChannelError, type Head } from '../channel/frame.ts';
import { startMessage } from '../channel/messages.ts';
import type { Log, Session } from './contract.ts';
import { startSession } from './session.ts';

interface Waiting {
  readonly head: Head;
  readonly blob: Uint8Array;
  readonly done: () => void;
}

const startTypes: ReadonlySet<string> = new Set(
  startMessage.options.flatMap((option) => [...option.shape.type.values]),
);

/** Resolves when the element is gone: to undefined, or to what broke the connection. */
export function serve(stream: Duplex, log: Log): Promise<ChannelError | undefined> {
  return new Promise((resolve) => {
    new Connection(stream, log, resolve);
  });
}

class Connection {
  readonly #channel: Channel;
  readonly #log: Log;
  readonly #inbox: Waiting[] = [];
  #session: Session | undefined;
  #wake: (() => void) | undefined;

  constructor(stream: Duplex, log: Log, closed: (error: ChannelError | undefined) => void) {
    this.#log = log;
    this.#channel = new Channel(stream, {
      notification: (head, blob) => {
        this.#enqueue({ head, blob, done: () => undefined });
      },
      request: (head, blob) =>
        new Promise<Reply>((resolve) => {
          this.#enqueue({
            head,
            blob,
            done: () => {
              resolve({});
            },
          });
        }),
      closed: (error) => {
        this.#wake?.();
        this.#session?.close();
        closed(error);
      },
    });
    void this.#run();
  }

  #enqueue(waiting: Waiting): void {
    this.#inbox.push(waiting);
    this.#wake?.();
  }

  async #run(): Promise<void> {
    try {
      while (this.#channel.open) {
        const waiting = this.#inbox.shift();
        if (waiting) {
          await this.#handle(waiting);
        } else if (!(await this.#session?.work())) {
          await this.#messageOrClose();
        }
      }
    } catch (error) {
      this.#channel.fail(error);
    }
  }

  async #handle({ head, blob, done }: Waiting): Promise<void> {
    // A second start on the same connection begins afresh (docs/protocol.md).
    if (startTypes.has(head.type)) {
      this.#session = startSession(
        head,
        blob,
        {
          send: (message, payload) => {
            this.#channel.notify(message, payload);
          },
          log: this.#log,
          nowMs: () => performance.now(),
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

  async #messageOrClose(): Promise<void> {
    if (this.#inbox.length > 0 || !this.#channel.open) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}
