// The sender's end of the feedback channel: connects, says who it is, hands on what may be believed, and
// comes back when the connection is lost. Never in the stream's way.
import WebSocket from 'ws';
import { fullAllowance, spend, type Allowance } from './allowance.ts';
import { backoffMs } from './backoff.ts';
import { feedbackLimits, senderAllowance } from './limits.ts';
import {
  closeCodes,
  ignoredInAll,
  initialReader,
  mostMessageBytes,
  readFeedback,
  reconnected,
  type Hello,
  type Memory,
  type Reader,
  type Training,
} from './messages.ts';
import { withoutSecrets } from './shown-uri.ts';

export interface FeedbackClientOptions {
  readonly uri: string;
  /** Empty: none. */
  readonly token: string;
  readonly hello: Hello;
  readonly random: () => number;
  /** Milliseconds since any moment, never falling. */
  readonly nowMs: () => number;
  readonly log: (line: string) => void;
}

export interface FeedbackCounts {
  readonly connected: boolean;
  readonly received: number;
  readonly ignored: number;
  readonly connections: number;
  /** What the server said last of what arrives. */
  readonly goodputBps: number | null;
  readonly packetLoss: number | null;
}

/** The server pings each 5 s: three missing ones and nobody is there. */
const silenceMs = 16_000;
/** A connection that held so long was a good one. */
const steadyMs = 10_000;
const handshakeMs = 5000;
/** Of patch packets, on a way that carries less than they take. */
const mostWaitingBytes = 131_072;

export class FeedbackClient {
  /** Called with each message that may be acted upon. */
  onTraining: (training: Training) => void = () => undefined;
  onMemory: (memory: Memory) => void = () => undefined;
  readonly #options: FeedbackClientOptions;
  readonly #seen = new Map<string, number>();
  #reader: Reader = initialReader;
  #latest: Training | undefined;
  #socket: WebSocket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;
  #connected = false;
  #connections = 0;
  #failures = 0;
  #closed = false;
  /** Of what is sent: a server closes a connection that sends too much. */
  #toSend: Allowance;
  /** Of what comes: reading must not keep a sender from its work. */
  #toHear: Allowance;
  #lastTrouble = '';

  constructor(options: FeedbackClientOptions) {
    this.#options = options;
    const nowMs = options.nowMs();
    this.#toSend = fullAllowance(senderAllowance, nowMs);
    this.#toHear = fullAllowance(feedbackLimits, nowMs);
    if (options.token !== '' && goesInTheClear(options.uri)) {
      options.log(
        `feedback to ${withoutSecrets(options.uri)}: the token goes through the network in the ` +
          'clear: give srenhancer a feedback-certificate and use wss://',
      );
    }
    this.#connect();
  }

  get counts(): FeedbackCounts {
    return {
      connected: this.#connected,
      received: this.#reader.received,
      ignored: ignoredInAll(this.#reader),
      connections: this.#connections,
      goodputBps: this.#latest?.goodputBps ?? null,
      packetLoss: this.#latest?.packetLoss ?? null,
    };
  }

  /** Whether `options` ask for the same server in the same words. */
  serves(options: Pick<FeedbackClientOptions, 'uri' | 'token' | 'hello'>): boolean {
    return (
      options.uri === this.#options.uri &&
      options.token === this.#options.token &&
      JSON.stringify(options.hello) === JSON.stringify(this.#options.hello)
    );
  }

  /** Whether patch packets would reach the server now. */
  get takesPatches(): boolean {
    return this.#connected && this.#reader.takesPatches;
  }

  /** False when it cannot go now: patches are of use at once or never. */
  sendPacket(packet: Uint8Array): boolean {
    const socket = this.#socket;
    if (!socket || !this.takesPatches || socket.bufferedAmount > mostWaitingBytes) return false;
    const left = spend(this.#toSend, senderAllowance, packet.length, this.#options.nowMs());
    if (!left) return false;
    this.#toSend = left;
    socket.send(packet);
    return true;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#socket?.terminate();
  }

  #connect(): void {
    const { uri, token, hello } = this.#options;
    const shown = withoutSecrets(uri);
    let socket: WebSocket;
    try {
      socket = new WebSocket(uri, {
        headers: token === '' ? {} : { authorization: `Bearer ${token}` },
        handshakeTimeout: handshakeMs,
        maxPayload: mostMessageBytes,
        perMessageDeflate: false,
      });
    } catch (error) {
      // Not a URI: no later attempt will do better.
      this.#tell(`feedback-uri "${shown}" cannot be used: ${messageOf(error)}`);
      return;
    }
    this.#socket = socket;
    let openedMs: number | undefined;
    let isRefused = false;
    let isOpen = false; // the server has said welcome
    socket.on('open', () => {
      openedMs = this.#options.nowMs();
      this.#connected = true;
      this.#connections++;
      this.#reader = reconnected(this.#reader);
      socket.send(JSON.stringify(hello));
      this.#heard();
    });
    socket.on('ping', (bytes: Buffer) => {
      this.#hears(bytes.length);
    });
    socket.on('pong', (bytes: Buffer) => {
      this.#hears(bytes.length);
    });
    socket.on('message', (bytes: Buffer, isBinary: boolean) => {
      if (!this.#hears(bytes.length)) return;
      // Binary is none of ours; as text it is malformed.
      const text = isBinary ? '' : bytes.toString('utf8');
      const { reader, training, memory } = readFeedback(this.#reader, text, this.#seen);
      this.#reader = reader;
      if (reader.session !== undefined) {
        if (!isOpen) this.#options.log(`feedback from ${shown}: connected`);
        isOpen = true;
        this.#lastTrouble = '';
      }
      if (memory) this.onMemory(memory);
      if (!training) return;
      this.#latest = training;
      this.onTraining(training);
    });
    socket.on('unexpected-response', (_request, response) => {
      const refused = response.statusCode === 401 ? ': it does not take the token' : '';
      this.#tell(`feedback from ${shown}: refused with ${response.statusCode ?? '?'}${refused}`);
      isRefused = true;
      response.destroy();
      socket.terminate();
    });
    socket.on('error', (error) => {
      // What follows from a refusal is no news.
      if (!isRefused) this.#tell(`feedback from ${shown}: ${messageOf(error)}`);
    });
    socket.on('close', (code, reason) => {
      clearTimeout(this.#silence);
      if (isOpen) this.#options.log(`feedback from ${shown}: the connection has ended`);
      this.#connected = false;
      if (this.#closed) return;
      if (reason.length > 0) this.#tell(`feedback from ${shown}: ${closedBecause(code, reason)}`);
      const heldMs = openedMs === undefined ? 0 : this.#options.nowMs() - openedMs;
      this.#failures = heldMs >= steadyMs ? 1 : this.#failures + 1;
      this.#timer = setTimeout(
        () => {
          this.#connect();
        },
        backoffMs(this.#failures, this.#options.random()),
      );
      // A stream that ends must not be held by this.
      this.#timer.unref();
    });
  }

  #heard(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#socket?.terminate();
    }, silenceMs);
    this.#silence.unref();
  }

  /** False when the server sends more than any server has to say. */
  #hears(bytes: number): boolean {
    const left = spend(this.#toHear, feedbackLimits, bytes, this.#options.nowMs());
    if (left) {
      this.#toHear = left;
      this.#heard();
      return true;
    }
    const shown = withoutSecrets(this.#options.uri);
    this.#tell(`feedback from ${shown}: the server sends too much, the connection is ended`);
    this.#socket?.terminate();
    return false;
  }

  /** Each reason once, until a server has said welcome. */
  #tell(line: string): void {
    if (line === this.#lastTrouble || this.#closed) return;
    this.#lastTrouble = line;
    this.#options.log(line);
  }
}

/** Without TLS, to another machine. */
function goesInTheClear(uri: string): boolean {
  const [, host] = /^ws:\/\/(?:[^@/]*@)?(\[[^\]]*\]|[^:/]*)/i.exec(uri) ?? [];
  return host !== undefined && !/^(localhost|127\.[\d.]*|\[::1\])$/i.test(host);
}

function closedBecause(code: number, reason: Buffer): string {
  const remedy =
    code === closeCodes.wrongToken ? ': set token and stream-key as the server has them' : '';
  // Of the server's making: a line of a log, not more.
  const words = reason.toString().replaceAll(/[^\x20-\x7e]/g, '?');
  return `closed, ${words}${remedy}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
