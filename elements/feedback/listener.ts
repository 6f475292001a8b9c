// The feedback port's way in: takes connections, knows how long each may take to say what it wants, and
// ends those that are refused, late or in the way of others. What comes through is a WebSocket whose
// bearer's token is known.
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { once } from 'node:events';
import { WebSocketServer, type WebSocket } from 'ws';
import { Admission } from './admission.ts';
import type { FeedbackLimits } from './limits.ts';
import { closeCodes } from './messages.ts';
import { mostPacketBytes } from './packets.ts';

export interface ListenerOptions {
  readonly address: string;
  /** 0: any that is free. */
  readonly port: number;
  /** A PEM file with certificate and key; empty: no TLS. */
  readonly certificate: string;
  readonly limits: FeedbackLimits;
  readonly knows: (token: string) => boolean;
  readonly onWebSocket: (socket: WebSocket, connection: Connection) => void;
  readonly onRefusal: (why: Refusal) => void;
  /** The port goes on. */
  readonly onTrouble: (reason: string) => void;
}

/** wrongToken: of no stream; noUpgrade: HTTP that asks for something else; late: no request or hello in time; evicted: others needed the room. */
export type Refusal = 'wrongToken' | 'noUpgrade' | 'late' | 'evicted';

export interface Connection {
  readonly id: number;
  readonly socket: Socket;
  /** Once it is one. */
  webSocket: WebSocket | undefined;
  /** As its request had it. */
  token: string;
  /** Whatever it waits for, not longer. */
  deadline: NodeJS.Timeout | undefined;
}

export class Listener {
  readonly admission: Admission;
  readonly #options: ListenerOptions;
  readonly #tcp: TcpServer;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #connections = new Map<number, Connection>();
  /** By the address of the other end: TLS hides the socket that it came by. */
  readonly #byPeer = new Map<string, Connection>();
  #lastId = 0;

  private constructor(options: ListenerOptions) {
    const { limits, certificate } = options;
    this.#options = options;
    this.admission = new Admission(limits);
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: mostPacketBytes,
      maxFragments: limits.maxFragments,
      perMessageDeflate: false,
    });
    const settings = { maxHeaderSize: limits.maxRequestBytes };
    if (certificate === '') {
      this.#http = createHttpServer(settings);
    } else {
      const pem = readFileSync(certificate);
      this.#http = createHttpsServer({ ...settings, cert: pem, key: pem });
    }
    this.#http.on('request', (request) => {
      this.#refuse(request.socket, '426 Upgrade Required\r\nUpgrade: websocket', 'noUpgrade');
    });
    this.#http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#upgrade(request, socket, head);
    });
    // The connections are ours, so that none costs more than its descriptor before it is let in.
    this.#tcp = createServer((socket) => {
      this.#enter(socket);
    });
  }

  /** Rejects when the address cannot be had or the certificate cannot be read. */
  static async open(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options);
    try {
      listener.#tcp.listen(options.port, options.address);
      await once(listener.#tcp, 'listening');
    } catch (error) {
      listener.close();
      throw error;
    }
    listener.#tcp.on('error', (error) => {
      options.onTrouble(error.message);
    });
    return listener;
  }

  get port(): number {
    return (this.#tcp.address() as AddressInfo).port;
  }

  close(): void {
    this.#tcp.close();
    for (const connection of [...this.#connections.values()]) this.#end(connection);
    this.#sockets.close();
  }

  /** It has `ms` from now. */
  giveTime(connection: Connection, ms: number, onLate: () => void): void {
    clearTimeout(connection.deadline);
    connection.deadline = setTimeout(onLate, ms).unref();
  }

  takeAllTime(connection: Connection): void {
    clearTimeout(connection.deadline);
    connection.deadline = undefined;
  }

  /** Says why, waits for the other end to agree, though not long. */
  dismiss(connection: Connection, code: number, reason: string): void {
    this.admission.refused(connection.id);
    connection.webSocket?.close(code, reason);
    this.giveTime(connection, this.#options.limits.refusalMs, () => {
      this.#end(connection);
    });
  }

  /** Says why and ends at once: nothing more is read from it, and its descriptor is free. */
  expel(connection: Connection, code: number, reason: string): void {
    connection.webSocket?.close(code, reason);
    this.#end(connection);
  }

  /** Those that had to make room. */
  evict(ids: readonly number[]): void {
    for (const id of ids) {
      const connection = this.#connections.get(id);
      if (!connection) continue;
      this.#options.onRefusal('evicted');
      this.expel(connection, closeCodes.noRoom, 'others needed its room');
    }
  }

  #enter(socket: Socket): void {
    socket.on('error', () => undefined);
    const { remoteAddress, remotePort } = socket;
    // Gone before we came to it.
    if (remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    const id = ++this.#lastId;
    const connection: Connection = {
      id,
      socket,
      webSocket: undefined,
      token: '',
      deadline: undefined,
    };
    const peer = `${remoteAddress} ${remotePort ?? 0}`;
    this.#connections.set(id, connection);
    this.#byPeer.set(peer, connection);
    socket.on('close', () => {
      this.#left(connection);
      if (this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer);
    });
    this.evict(this.admission.enter(id, remoteAddress));
    this.giveTime(connection, this.#options.limits.requestMs, () => {
      this.#options.onRefusal('late');
      this.#end(connection);
    });
    this.#http.emit('connection', socket);
  }

  #connectionOf({ remoteAddress, remotePort }: Socket): Connection | undefined {
    return this.#byPeer.get(`${remoteAddress ?? ''} ${remotePort ?? 0}`);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => undefined);
    const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!this.#options.knows(token)) {
      this.#refuse(request.socket, '401 Unauthorized', 'wrongToken');
      return;
    }
    const connection = this.#connectionOf(request.socket);
    if (!connection) {
      socket.destroy();
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      connection.token = token;
      connection.webSocket = webSocket;
      this.admission.showedToken(connection.id);
      this.#options.onWebSocket(webSocket, connection);
    });
  }

  /** In HTTP. The socket goes when that is written, or when it takes too long. */
  #refuse(socket: Socket, status: string, why: Refusal): void {
    this.#options.onRefusal(why);
    const connection = this.#connectionOf(socket);
    if (!connection) {
      socket.destroy();
      return;
    }
    this.admission.refused(connection.id);
    this.giveTime(connection, this.#options.limits.refusalMs, () => {
      this.#end(connection);
    });
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => {
      this.#end(connection);
    });
  }

  #end(connection: Connection): void {
    connection.webSocket?.terminate();
    connection.socket.destroy();
    this.#left(connection);
  }

  #left(connection: Connection): void {
    clearTimeout(connection.deadline);
    this.admission.leave(connection.id);
    this.#connections.delete(connection.id);
  }
}
