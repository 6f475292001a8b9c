// Senders that mean well, while others attack the feedback port: one that was there before, and one that
// comes anew every two seconds.
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import { helloOf } from './feedback-attacks.ts';

const everyMs = 2000;
const patienceMs = 2000;

export interface HonestCounts {
  /** Of those that came later. */
  readonly attempts: number;
  readonly welcomed: number;
  /** Of the one that was there before. */
  readonly news: number;
  readonly lost: number;
}

export class HonestSenders {
  #attempts = 0;
  #welcomed = 0;
  #news = 0;
  #lost = 0;
  #closed = false;
  #standing: WebSocket | undefined;
  readonly #options: { readonly port: number; readonly token: string; readonly streamKey: string };

  constructor(options: {
    readonly port: number;
    readonly token: string;
    readonly streamKey: string;
  }) {
    this.#options = options;
    void this.#stand();
  }

  get counts(): HonestCounts {
    const [attempts, welcomed, news, lost] = [
      this.#attempts,
      this.#welcomed,
      this.#news,
      this.#lost,
    ];
    return { attempts, welcomed, news, lost };
  }

  async comeAndGo(): Promise<void> {
    while (!this.#closed) {
      this.#attempts++;
      if (await this.#isWelcomed()) this.#welcomed++;
      await delay(everyMs);
    }
  }

  close(): void {
    this.#closed = true;
    this.#standing?.terminate();
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  #connect(): WebSocket {
    const { port, token, streamKey } = this.#options;
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, {
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: patienceMs,
    });
    socket.on('error', () => undefined);
    socket.on('open', () => {
      socket.send(helloOf(streamKey));
    });
    return socket;
  }

  async #stand(): Promise<void> {
    while (!this.#closed) {
      const socket = this.#connect();
      this.#standing = socket;
      const newsBefore = this.#news;
      socket.on('message', () => this.#news++);
      await new Promise((resolve) => socket.once('close', resolve));
      if (this.#news > newsBefore && !this.#isClosed()) this.#lost++;
      await delay(500);
    }
  }

  async #isWelcomed(): Promise<boolean> {
    const socket = this.#connect();
    const welcomed = await Promise.race([
      new Promise<boolean>((resolve) => {
        socket.once('message', () => {
          resolve(true);
        });
        socket.once('close', () => {
          resolve(false);
        });
      }),
      delay(patienceMs, false),
    ]);
    socket.terminate();
    return welcomed;
  }
}
