// One end of the channel: frames over a stream socket, requests matched with their responses.
// Any broken rule closes it; then every pending request is rejected and `closed` is called once.
import type { Duplex } from 'node:stream';
import { ChannelError, encodeFrame, FrameDecoder, type Frame, type Head } from './frame.ts';

export interface ChannelHandlers {
  notification: (head: Head, blob: Uint8Array) => void;
  /** What it resolves to is the response; a rejection closes the channel. */
  request: (head: Head, blob: Uint8Array) => Promise<Reply>;
  /** No error: the other side closed between two frames, or close() was called. */
  closed: (error: ChannelError | undefined) => void;
}

export interface Reply {
  readonly fields?: Record<string, unknown>;
  readonly blob?: Uint8Array;
}

export interface Response {
  readonly head: Head;
  readonly blob: Uint8Array;
}

interface Pending {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: ChannelError) => void;
  readonly deadline: NodeJS.Timeout;
}

// An element that reads nothing any more must not make the engine grow without bound: as much as the
// element's own end allows to wait.
const maxWaitingBytes = 8 * 1024 * 1024;

export class Channel {
  readonly #stream: Duplex;
  readonly #handlers: ChannelHandlers;
  readonly #decoder = new FrameDecoder();
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #open = true;

  constructor(stream: Duplex, handlers: ChannelHandlers) {
    this.#stream = stream;
    this.#handlers = handlers;
    stream.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    stream.on('error', (error) => {
      this.#close(new ChannelError(`socket: ${error.message}`));
    });
    stream.on('end', () => {
      this.#close(this.#decoder.idle ? undefined : new ChannelError('closed inside a frame'));
    });
    stream.on('close', () => {
      this.#close(undefined);
    });
  }

  get open(): boolean {
    return this.#open;
  }

  notify(head: Head, blob?: Uint8Array): void {
    this.#send('notification', head, blob);
  }

  /** Resolves to the response; rejects when the channel closes or the deadline passes. */
  request(head: Head, blob: Uint8Array | undefined, deadlineMs: number): Promise<Response> {
    return new Promise((resolve, reject) => {
      if (!this.#open) {
        reject(new ChannelError(`request ${head.type} on a closed channel`));
        return;
      }
      const id = this.#nextId++;
      const deadline = setTimeout(() => {
        this.#pending.delete(id);
        reject(new ChannelError(`no response to ${head.type} within ${deadlineMs} ms`));
      }, deadlineMs);
      this.#pending.set(id, { resolve, reject, deadline });
      this.#send('request', { ...head, id }, blob);
    });
  }

  close(): void {
    this.#close(undefined);
  }

  /** Closes because of `error`, which `closed` is told. */
  fail(error: unknown): void {
    this.#close(asChannelError(error));
  }

  #send(kind: Frame['kind'], head: Head, blob?: Uint8Array): void {
    if (!this.#open) return;
    try {
      this.#stream.write(encodeFrame(kind, head, blob));
    } catch (error) {
      this.#close(asChannelError(error));
      return;
    }
    if (this.#stream.writableLength > maxWaitingBytes) {
      this.#close(new ChannelError(`${this.#stream.writableLength} bytes wait unread`));
    }
  }

  #receive(chunk: Buffer): void {
    try {
      this.#decoder.push(chunk, (frame) => {
        if (this.#open) this.#dispatch(frame);
      });
    } catch (error) {
      this.#close(asChannelError(error));
    }
  }

  #dispatch({ kind, head, blob }: Frame): void {
    if (kind === 'notification') {
      this.#handlers.notification(head, blob);
    } else if (kind === 'request') {
      this.#handlers.request(head, blob).then(
        (reply) => {
          const echo = { ...reply.fields, type: head.type, id: head.id };
          this.#send('response', echo, reply.blob);
        },
        (error: unknown) => {
          this.#close(asChannelError(error));
        },
      );
    } else {
      const id = Number(head.id);
      const pending = this.#pending.get(id);
      // Its deadline has passed: the answer is of no more use.
      if (!pending) return;
      this.#pending.delete(id);
      clearTimeout(pending.deadline);
      pending.resolve({ head, blob });
    }
  }

  #close(error: ChannelError | undefined): void {
    if (!this.#open) return;
    this.#open = false;
    if (error) this.#stream.destroy();
    else this.#stream.end();
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.deadline);
      pending.reject(error ?? new ChannelError('the channel was closed'));
    }
    this.#pending.clear();
    this.#handlers.closed(error);
  }
}

function asChannelError(error: unknown): ChannelError {
  if (error instanceof ChannelError) return error;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new ChannelError(text);
}
