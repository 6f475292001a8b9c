// obs-websocket with what a long session needs beyond it: a time-out on every call, and a way back when
// the connection is lost. A call() of obs-websocket-js that is under way then never settles by itself.
import { OBSWebSocket, type OBSRequestTypes, type OBSResponseTypes } from 'obs-websocket-js';

/** OBS said no, did not answer, or is not there. */
export class ObsError extends Error {
  /** obs-websocket's close code (4009: wrong password) or request status; undefined: no answer. */
  readonly code: number | undefined;

  constructor(message: string, code?: number) {
    super(message);
    this.code = code;
  }
}

export const wrongPassword = 4009;

export interface ObsClientOptions {
  readonly url: string;
  readonly password: string;
  readonly callTimeoutMs?: number;
}

const usualTimeoutMs = 3000;

/** One connection. When it is lost `onClosed` is called once, and the client is of no more use. */
export class ObsClient {
  readonly #socket = new OBSWebSocket();
  readonly #timeoutMs: number;
  readonly #closed = new AbortController();

  private constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#socket.on('ConnectionClosed', (error) => {
      this.#closed.abort(new ObsError(`OBS closed the connection (${error.message})`, error.code));
    });
    // Told by the promise of connect(), or followed by ConnectionClosed.
    this.#socket.on('ConnectionError', () => undefined);
  }

  static async connect(options: ObsClientOptions): Promise<ObsClient> {
    const client = new ObsClient(options.callTimeoutMs ?? usualTimeoutMs);
    // Of all events only OBS's state of the outputs and of the scene collection matter: 1 << 1 and 1 << 6.
    const eventSubscriptions = (1 << 1) | (1 << 6);
    const identified = client.#socket.connect(options.url, options.password || undefined, {
      eventSubscriptions,
    });
    try {
      await client.#withinTime(identified, 'the connection');
    } catch (error) {
      void client.close();
      throw error;
    }
    return client;
  }

  get isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  onClosed(listener: (reason: ObsError) => void): void {
    const { signal } = this.#closed;
    const tell = (): void => {
      listener(signal.reason as ObsError);
    };
    if (signal.aborted) tell();
    else signal.addEventListener('abort', tell, { once: true });
  }

  /** True before the scene collection changes, false after. */
  onCollectionChanging(listener: (isChanging: boolean) => void): void {
    this.#socket.on('CurrentSceneCollectionChanging', () => {
      listener(true);
    });
    this.#socket.on('CurrentSceneCollectionChanged', () => {
      listener(false);
    });
  }

  onStreamState(listener: (state: string) => void): void {
    this.#socket.on('StreamStateChanged', ({ outputState }) => {
      listener(outputState);
    });
  }

  call<Type extends keyof OBSRequestTypes>(
    request: Type,
    data?: OBSRequestTypes[Type],
  ): Promise<OBSResponseTypes[Type]> {
    if (this.isClosed) return Promise.reject(this.#closed.signal.reason as ObsError);
    return this.#withinTime(this.#socket.call(request, data), request);
  }

  async close(): Promise<void> {
    this.#closed.abort(new ObsError('closed'));
    await this.#socket.disconnect().catch(() => undefined);
  }

  #withinTime<Result>(result: Promise<Result>, what: string): Promise<Result> {
    const { signal } = this.#closed;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onClosed);
      };
      const onClosed = (): void => {
        end();
        reject(signal.reason as ObsError);
      };
      const timer = setTimeout(() => {
        end();
        reject(new ObsError(`OBS did not answer to ${what} within ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
      signal.addEventListener('abort', onClosed);
      result.then(
        (value) => {
          end();
          resolve(value);
        },
        (error: unknown) => {
          end();
          reject(obsErrorOf(error, what));
        },
      );
    });
  }
}

function obsErrorOf(error: unknown, what: string): ObsError {
  if (error instanceof ObsError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code: unknown = (error as { code?: unknown } | null)?.code;
  return new ObsError(
    `${what}: ${message || 'no connection'}`,
    typeof code === 'number' ? code : undefined,
  );
}
