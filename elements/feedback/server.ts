// The server's end of the feedback channel: says to every sender of a stream what its patches bring. One
// server for all streams of an engine that speak on the same address. Who comes in, and what each may
// send, is limited (limits.ts), whatever comes.
import { randomBytes } from 'node:crypto';
import type { WebSocket } from 'ws';
import { fullAllowance, spend, type Allowance } from './allowance.ts';
import { feedbackLimits, type FeedbackLimits } from './limits.ts';
import { Listener, type Connection, type Refusal } from './listener.ts';
import {
  closeCodes,
  feedbackVersion,
  hello,
  mostMessageBytes,
  type Hello,
  type Memory,
  type Training,
} from './messages.ts';
import { isPacket } from './packets.ts';
import type { Authority } from './tokens.ts';

export interface FeedbackServerOptions {
  readonly address: string;
  /** 0: any that is free. */
  readonly port: number;
  /** A PEM file with certificate and key; empty: no TLS. */
  readonly certificate: string;
  readonly authority: Authority;
  /** Never holds a token or a stream key. */
  readonly log: (line: string) => void;
  /** Milliseconds since any moment, never falling. */
  readonly nowMs: () => number;
  /** Where patch packets go; without it none are taken. */
  readonly onPacket?: (streamKey: string, packet: Uint8Array) => void;
  readonly limits?: Partial<FeedbackLimits>;
}

/** What a stream has to say; the channel adds the rest. */
export type News = Told<Training> | Told<Memory>;
type Told<Message> = Omit<Message, 'version' | 'session' | 'sequence'>;

/** Of now: `connections`, `clients`; of the others how many since the start. */
export interface ServerCounts {
  /** Of whomever. */
  readonly connections: number;
  /** That have said whose stream they are of, and may be. */
  readonly clients: number;
  /** With a token of no stream, or of another one. */
  readonly wrongTokens: number;
  /** First messages that are no hello, further hellos, texts that are nothing, requests for something else. */
  readonly wrongHellos: number;
  /** No request, no hello or no pong in time. */
  readonly late: number;
  /** Closed because others needed the room, or because there was none. */
  readonly evicted: number;
  /** Closed because of more messages or bytes than a connection may send. */
  readonly tooMuch: number;
  readonly packets: number;
  /** Patch packets that were none, or more than a stream may have. */
  readonly packetsRefused: number;
}

interface Client {
  readonly connection: Connection;
  readonly socket: WebSocket;
  /** Once it is one of a stream's. */
  hello: Hello | undefined;
  isAlive: boolean;
  /** It has been sent away, and is heard no more. */
  isLeaving: boolean;
  /** Its connection has been ended. */
  isGone: boolean;
  allowance: Allowance;
}

interface StreamClients {
  readonly clients: Set<Client>;
  /** Of the patch packets of all of them. */
  packets: Allowance;
}

const noCounts = {
  wrongTokens: 0,
  wrongHellos: 0,
  late: 0,
  evicted: 0,
  tooMuch: 0,
  packets: 0,
  packetsRefused: 0,
};

type Counter = keyof typeof noCounts;

/** Of what people should know; those with a reason to go on are said again at twice the number. */
const sayings: Partial<Record<Counter, string>> = {
  wrongTokens: 'senders with a wrong token',
  wrongHellos: 'connections that are no sender',
  late: 'connections that said nothing in time',
  evicted: 'connections ended to make room',
  tooMuch: 'connections ended because they sent too much',
};

export class FeedbackServer {
  readonly #options: FeedbackServerOptions;
  readonly #limits: FeedbackLimits;
  readonly #session = randomBytes(8).toString('hex');
  readonly #clients = new Set<Client>();
  readonly #byStream = new Map<string, StreamClients>();
  /** For senders that come later: of each stream and type, in the order of their sequences. */
  readonly #latest = new Map<string, Map<News['type'], string>>();
  readonly #counts = { ...noCounts };
  #listener: Listener | undefined;
  #pings: NodeJS.Timeout | undefined;
  #sequence = 0;
  #lastTrouble = '';

  private constructor(options: FeedbackServerOptions) {
    this.#options = options;
    this.#limits = { ...feedbackLimits, ...options.limits };
  }

  /** Rejects when the address cannot be had or the certificate cannot be read. */
  static async open(options: FeedbackServerOptions): Promise<FeedbackServer> {
    const server = new FeedbackServer(options);
    server.#listener = await Listener.open({
      address: options.address,
      port: options.port,
      certificate: options.certificate,
      limits: server.#limits,
      knows: (token) => options.authority.knows(token),
      onWebSocket: (socket, connection) => {
        server.#meet(socket, connection);
      },
      onRefusal: (why) => {
        server.#count(counterOf[why]);
      },
      onTrouble: (reason) => {
        if (reason !== server.#lastTrouble) options.log(`feedback: ${reason}`);
        server.#lastTrouble = reason;
      },
    });
    server.#pings = setInterval(() => {
      server.#pingAll();
    }, server.#limits.pingMs).unref();
    return server;
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  get counts(): ServerCounts {
    const { connections = 0, clients = 0 } = this.#listener?.admission ?? {};
    return { connections, clients, ...this.#counts };
  }

  publish(streamKey: string, news: News): void {
    const message: Training | Memory = {
      version: feedbackVersion,
      session: this.#session,
      sequence: this.#sequence++,
      ...news,
    };
    const text = JSON.stringify(message);
    const latest = this.#latest.get(streamKey) ?? new Map<News['type'], string>();
    latest.delete(news.type);
    this.#latest.set(streamKey, latest.set(news.type, text));
    for (const client of this.#byStream.get(streamKey)?.clients ?? []) {
      if (hears(client.hello, news.type)) this.#send(client, text);
    }
  }

  /** A stream has ended. */
  forget(streamKey: string): void {
    this.#latest.delete(streamKey);
  }

  close(): void {
    clearInterval(this.#pings);
    this.#listener?.close();
  }

  #count(counter: Counter): void {
    const count = ++this.#counts[counter];
    const saying = sayings[counter];
    // Whoever comes again and again must not fill the log.
    if (saying !== undefined && Number.isInteger(Math.log2(count))) {
      this.#options.log(`feedback: ${saying} (${count} so far)`);
    }
  }

  #meet(socket: WebSocket, connection: Connection): void {
    const client: Client = {
      connection,
      socket,
      hello: undefined,
      isAlive: true,
      isLeaving: false,
      isGone: false,
      allowance: fullAllowance(this.#limits, this.#options.nowMs()),
    };
    this.#clients.add(client);
    this.#listener?.giveTime(connection, this.#limits.helloMs, () => {
      this.#dismiss(client, 'late', closeCodes.late, 'no hello in time');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#part(client);
    });
    socket.on('ping', (bytes: Buffer) => {
      this.#pays(client, bytes.length);
    });
    socket.on('pong', (bytes: Buffer) => {
      client.isAlive = true;
      this.#pays(client, bytes.length);
    });
    socket.on('message', (bytes: Buffer, isBinary: boolean) => {
      if (!this.#pays(client, bytes.length) || client.isLeaving) return;
      if (isBinary && client.hello) this.#takePacket(client.hello.streamKey, bytes, client);
      else this.#takeText(client, isBinary ? undefined : bytes);
    });
  }

  #part(client: Client): void {
    this.#clients.delete(client);
    const streamKey = client.hello?.streamKey;
    if (streamKey === undefined) return;
    const ofStream = this.#byStream.get(streamKey)?.clients;
    ofStream?.delete(client);
    if (ofStream?.size === 0) this.#byStream.delete(streamKey);
  }

  /** False when it was one message too many: nothing more is heard from that connection. */
  #pays(client: Client, bytes: number): boolean {
    if (client.isGone) return false;
    const left = spend(client.allowance, this.#limits, bytes, this.#options.nowMs());
    if (left) {
      client.allowance = left;
      return true;
    }
    this.#expel(client, 'tooMuch', closeCodes.tooMuch, 'more than a connection may send');
    return false;
  }

  #expel(client: Client, counter: Counter, code: number, reason: string): void {
    this.#count(counter);
    client.isLeaving = true;
    client.isGone = true;
    this.#part(client);
    this.#listener?.expel(client.connection, code, reason);
  }

  #dismiss(client: Client, counter: Counter, code: number, reason: string): void {
    this.#count(counter);
    client.isLeaving = true;
    this.#part(client);
    this.#listener?.dismiss(client.connection, code, reason);
  }

  /** The only text that a client has to say is its hello, once. */
  #takeText(client: Client, bytes: Buffer | undefined): void {
    const isShort = bytes !== undefined && bytes.length <= mostMessageBytes;
    const said = isShort ? parseHello(bytes.toString('utf8')) : undefined;
    if (said === undefined) {
      const reason = `a hello of version ${feedbackVersion} is wanted`;
      this.#dismiss(client, 'wrongHellos', closeCodes.noHello, reason);
    } else if (client.hello) {
      this.#dismiss(client, 'wrongHellos', closeCodes.secondHello, 'one hello a connection');
    } else if (!this.#options.authority.allows(said.streamKey, client.connection.token)) {
      const reason = 'the token does not open this stream key';
      this.#dismiss(client, 'wrongTokens', closeCodes.wrongToken, reason);
    } else {
      this.#admit(client, said);
    }
  }

  #admit(client: Client, said: Hello): void {
    const listener = this.#listener;
    if (!listener) return;
    const { connection } = client;
    const { isAdmitted, gone } = listener.admission.admit(connection.id, said.streamKey);
    listener.evict(gone);
    if (!isAdmitted) {
      this.#dismiss(client, 'evicted', closeCodes.noRoom, 'too many senders, try again later');
      return;
    }
    listener.takeAllTime(connection);
    client.hello = said;
    const ofStream = this.#byStream.get(said.streamKey) ?? {
      clients: new Set(),
      packets: fullAllowance(this.#limits, this.#options.nowMs()),
    };
    ofStream.clients.add(client);
    this.#byStream.set(said.streamKey, ofStream);
    const welcome = {
      type: 'welcome',
      version: feedbackVersion,
      session: this.#session,
      patches: this.#takesPatches(said.streamKey),
    };
    this.#send(client, JSON.stringify(welcome));
    for (const [type, text] of this.#latest.get(said.streamKey) ?? []) {
      if (hears(said, type)) this.#send(client, text);
    }
  }

  /** They become pixels that a network is trained on: strangers may not send them. */
  #takesPatches(streamKey: string): boolean {
    return this.#options.onPacket !== undefined && this.#options.authority.isGuarded(streamKey);
  }

  #takePacket(streamKey: string, packet: Uint8Array, client: Client): void {
    if (!this.#takesPatches(streamKey)) {
      const reason = 'patches are taken only with a token';
      this.#dismiss(client, 'packetsRefused', closeCodes.noHello, reason);
      return;
    }
    const ofStream = this.#byStream.get(streamKey);
    const left =
      ofStream && isPacket(packet)
        ? spend(ofStream.packets, this.#limits, packet.length, this.#options.nowMs())
        : undefined;
    this.#count(left ? 'packets' : 'packetsRefused');
    if (!ofStream || !left) return;
    ofStream.packets = left;
    this.#options.onPacket?.(streamKey, packet);
  }

  #send(client: Client, text: string): void {
    const isHanging = client.socket.bufferedAmount > this.#limits.maxWaitingBytes;
    if (isHanging) this.#expel(client, 'late', closeCodes.late, 'it reads nothing');
    else client.socket.send(text);
  }

  #pingAll(): void {
    for (const client of this.#clients) {
      const { hello: said, connection, socket } = client;
      if (client.isLeaving) continue;
      if (!client.isAlive) {
        this.#expel(client, 'late', closeCodes.late, 'no pong');
      } else if (said && !this.#options.authority.allows(said.streamKey, connection.token)) {
        // The token was taken back, or the stream is no more.
        const reason = 'the token does not open this stream key any more';
        this.#dismiss(client, 'wrongTokens', closeCodes.wrongToken, reason);
      } else {
        client.isAlive = false;
        socket.ping();
      }
    }
  }
}

const counterOf: Record<Refusal, Counter> = {
  wrongToken: 'wrongTokens',
  noUpgrade: 'wrongHellos',
  late: 'late',
  evicted: 'evicted',
};

/** What a sender of before does not know it would count as malformed. */
function hears(said: Hello | undefined, type: News['type']): boolean {
  return said !== undefined && (type === 'training' || said.memory);
}

/** undefined when it is no hello of ours. */
function parseHello(text: string): Hello | undefined {
  try {
    return hello.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
