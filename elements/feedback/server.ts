// The server's end of the feedback channel: tells every sender of a stream what its patches bring. One
// server for all streams of an engine that are to be told on the same address.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createPlainServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import {
  feedbackVersion,
  hello,
  mostMessageBytes,
  type Hello,
  type Memory,
  type Training,
} from './messages.ts';
import {
  fullAllowance,
  isPacket,
  mostPacketBytes,
  spend,
  type PacketAllowance,
} from './packets.ts';

export interface FeedbackServerOptions {
  readonly address: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Empty: everybody may come. */
  readonly token: string;
  /** A PEM file with certificate and key; empty: no TLS. */
  readonly certificate: string;
  readonly log: (line: string) => void;
  /** Where patch packets go; without it, and without a token, none are taken. */
  readonly packets?: PacketSink;
}

export interface PacketSink {
  readonly onPacket: (streamKey: string, packet: Uint8Array) => void;
  /** Milliseconds since any moment, never falling. */
  readonly nowMs: () => number;
}

/** What a stream has to say; the channel adds the rest. */
export type News = Told<Training> | Told<Memory>;
type Told<Message> = Omit<Message, 'version' | 'session' | 'sequence'>;

export interface ServerCounts {
  readonly clients: number;
  readonly wrongTokens: number;
  readonly wrongHellos: number;
  /** Patch packets that were none, or too many. */
  readonly packetsRefused: number;
}

interface Client {
  readonly socket: WebSocket;
  hello: Hello | undefined;
  answered: boolean;
  allowance: PacketAllowance | undefined;
}

const pingMs = 5000;
const helloMs = 5000;
const mostClients = 256;
/** A client that reads nothing any more. */
const mostWaitingBytes = 1 << 20;

export class FeedbackServer {
  readonly #options: FeedbackServerOptions;
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: mostPacketBytes,
    perMessageDeflate: false,
  });
  readonly #session = randomBytes(8).toString('hex');
  readonly #clients = new Set<Client>();
  /** For senders that come later: of each stream and type, in the order of their sequences. */
  readonly #latest = new Map<string, Map<News['type'], string>>();
  readonly #pings: NodeJS.Timeout;
  #sequence = 0;
  #wrongTokens = 0;
  #wrongHellos = 0;
  #packetsRefused = 0;

  private constructor(options: FeedbackServerOptions) {
    this.#options = options;
    if (options.certificate === '') {
      this.#http = createPlainServer();
    } else {
      const pem = readFileSync(options.certificate);
      this.#http = createTlsServer({ cert: pem, key: pem });
    }
    this.#http.on('request', (_request, response) => {
      response.writeHead(426).end();
    });
    this.#http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgrade(request, socket, head);
    });
    this.#pings = setInterval(() => {
      this.#pingAll();
    }, pingMs);
    this.#pings.unref();
  }

  /** Rejects when the address cannot be had or the certificate cannot be read. */
  static async open(options: FeedbackServerOptions): Promise<FeedbackServer> {
    const server = new FeedbackServer(options);
    try {
      server.#http.listen(options.port, options.address);
      await once(server.#http, 'listening');
    } catch (error) {
      server.close();
      throw error;
    }
    return server;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  get counts(): ServerCounts {
    return {
      clients: this.#clients.size,
      wrongTokens: this.#wrongTokens,
      wrongHellos: this.#wrongHellos,
      packetsRefused: this.#packetsRefused,
    };
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
    for (const { socket, hello } of this.#clients) {
      if (hello?.streamKey === streamKey && hears(hello, news.type)) send(socket, text);
    }
  }

  /** A stream has ended. */
  forget(streamKey: string): void {
    this.#latest.delete(streamKey);
  }

  close(): void {
    clearInterval(this.#pings);
    for (const { socket } of this.#clients) socket.terminate();
    this.#sockets.close();
    this.#http.close();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => undefined);
    if (!this.#isAllowed(request)) {
      this.#wrongTokens++;
      this.#options.log(`feedback: a sender with a wrong token (${this.#wrongTokens} so far)`);
      socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    if (this.#clients.size >= mostClients) {
      socket.end('HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (client) => {
      this.#welcome(client);
    });
  }

  #isAllowed({ headers }: IncomingMessage): boolean {
    const { token } = this.#options;
    if (token === '') return true;
    // Of equal length whatever was sent, so that the time says nothing.
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
    return timingSafeEqual(digest(headers.authorization ?? ''), digest(`Bearer ${token}`));
  }

  #welcome(socket: WebSocket): void {
    const client: Client = {
      socket,
      hello: undefined,
      answered: true,
      allowance: undefined,
    };
    this.#clients.add(client);
    const impatience = setTimeout(() => {
      if (client.hello === undefined) socket.close(4000, 'no hello');
    }, helloMs);
    impatience.unref();
    socket.on('pong', () => (client.answered = true));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(impatience);
      this.#clients.delete(client);
    });
    socket.on('message', (bytes: Buffer, isBinary: boolean) => {
      if (isBinary && client.hello !== undefined && this.#takesPatches) {
        this.#takePacket(client, client.hello.streamKey, bytes);
        return;
      }
      const isText = !isBinary && bytes.length <= mostMessageBytes;
      const said = isText ? parseHello(bytes.toString('utf8')) : undefined;
      if (said === undefined) {
        this.#wrongHellos++;
        socket.close(4001, `a hello of version ${feedbackVersion} is wanted`);
        return;
      }
      client.hello = said;
      send(
        socket,
        JSON.stringify({
          type: 'welcome',
          version: feedbackVersion,
          session: this.#session,
          patches: this.#takesPatches,
        }),
      );
      for (const [type, text] of this.#latest.get(said.streamKey) ?? []) {
        if (hears(said, type)) send(socket, text);
      }
    });
  }

  /** They become pixels that a network is trained on: strangers may not send them. */
  get #takesPatches(): boolean {
    return this.#options.packets !== undefined && this.#options.token !== '';
  }

  /** What does not go through is left out; the stream goes on, and so does the connection. */
  #takePacket(client: Client, streamKey: string, packet: Uint8Array): void {
    const { packets } = this.#options;
    if (!packets) return;
    const nowMs = packets.nowMs();
    const { isAllowed, allowance } = spend(
      client.allowance ?? fullAllowance(nowMs),
      packet.length,
      nowMs,
    );
    client.allowance = allowance;
    if (isAllowed && isPacket(packet)) packets.onPacket(streamKey, packet);
    else this.#packetsRefused++;
  }

  #pingAll(): void {
    for (const client of this.#clients) {
      if (client.answered) {
        client.answered = false;
        client.socket.ping();
      } else {
        client.socket.terminate();
      }
    }
  }
}

/** What a sender of before does not know it would count as malformed. */
function hears({ memory }: Hello, type: News['type']): boolean {
  return type === 'training' || memory;
}

/** undefined when it is no hello of ours. */
function parseHello(text: string): Hello | undefined {
  try {
    return hello.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function send(socket: WebSocket, text: string): void {
  if (socket.bufferedAmount > mostWaitingBytes) socket.terminate();
  else socket.send(text);
}
