// A UDP relay that makes a link of LinkShape between whoever sends to its port and one server: what
// goes to the server passes the bottleneck, what comes back only takes its time.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { Bottleneck, headerBytes, type LinkShape } from './bottleneck.ts';

export interface RelayOptions {
  readonly listenAddress: string;
  /** 0: any that is free. */
  readonly listenPort: number;
  readonly serverHost: string;
  readonly serverPort: number;
  readonly shape: LinkShape;
  readonly random: () => number;
  /** Seconds since the relay began; shape counts from there. */
  readonly now: () => number;
  /** Whether nothing passes at this time, either way; missing: never. */
  readonly isCut?: (seconds: number) => boolean;
}

export interface RelayCounts {
  readonly delivered: number;
  readonly deliveredBytes: number;
  readonly dropped: number;
  readonly lost: number;
  readonly returned: number;
  /** What the latest packet waited for its turn. */
  readonly queuedSeconds: number;
}

/** Socket buffers take a burst while the event loop is busy. */
const bufferBytes = 1 << 20;

export class Relay {
  readonly #options: RelayOptions;
  readonly #bottleneck: Bottleneck;
  readonly #listening: Socket;
  /** The server sees one port for each client, as behind a NAT. */
  readonly #clients = new Map<string, Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #counts = { delivered: 0, deliveredBytes: 0, dropped: 0, lost: 0, returned: 0, queuedSeconds: 0 };
  #delaysSeconds: number[] = [];
  #mostLateSeconds = 0;

  private constructor(options: RelayOptions) {
    this.#options = options;
    this.#bottleneck = new Bottleneck(options.shape, options.random);
    this.#listening = createSocket({ type: 'udp4', recvBufferSize: bufferBytes });
    this.#listening.on('message', (packet, { address, port }) => {
      this.#forward(packet, address, port);
    });
  }

  /** Rejects when the port cannot be had. */
  static async open(options: RelayOptions): Promise<Relay> {
    const relay = new Relay(options);
    relay.#listening.bind(options.listenPort, options.listenAddress);
    await once(relay.#listening, 'listening');
    return relay;
  }

  get port(): number {
    return this.#listening.address().port;
  }

  get counts(): RelayCounts {
    return { ...this.#counts };
  }

  /** One-way times of what was delivered since the last call. */
  takeDelaysSeconds(): number[] {
    return this.#delaysSeconds.splice(0);
  }

  /**
   * The most by which a packet since the last call was sent on later than it was due: a machine too busy
   * for it is another link than the one that was asked for.
   */
  takeMostLateSeconds(): number {
    const late = this.#mostLateSeconds;
    this.#mostLateSeconds = 0;
    return late;
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#listening.close();
    for (const socket of this.#clients.values()) socket.close();
    this.#clients.clear();
  }

  #forward(packet: Buffer, address: string, port: number): void {
    const nowSeconds = this.#options.now();
    if (this.#options.isCut?.(nowSeconds)) {
      this.#counts.lost++;
      return;
    }
    const passage = this.#bottleneck.pass(nowSeconds, packet.length + headerBytes);
    if (passage.kind !== 'delivered') {
      this.#counts[passage.kind]++;
      return;
    }
    this.#counts.queuedSeconds = passage.queuedSeconds;
    const server = this.#serverFor(address, port);
    this.#at(passage.atSeconds, () => {
      this.#counts.delivered++;
      this.#counts.deliveredBytes += packet.length + headerBytes;
      const sentSeconds = this.#options.now();
      this.#delaysSeconds.push(sentSeconds - nowSeconds);
      this.#mostLateSeconds = Math.max(this.#mostLateSeconds, sentSeconds - passage.atSeconds);
      server.send(packet, this.#options.serverPort, this.#options.serverHost);
    });
  }

  #serverFor(address: string, port: number): Socket {
    const key = `${address}:${port}`;
    const known = this.#clients.get(key);
    if (known) return known;
    const socket = createSocket({ type: 'udp4', recvBufferSize: bufferBytes });
    // The server may not be there yet, or not any more: the client finds out by itself.
    socket.on('error', () => undefined);
    socket.on('message', (packet) => {
      if (this.#options.isCut?.(this.#options.now())) return;
      this.#at(this.#options.now() + this.#options.shape.delaySeconds, () => {
        this.#counts.returned++;
        this.#listening.send(packet, port, address);
      });
    });
    this.#clients.set(key, socket);
    return socket;
  }

  #at(seconds: number, action: () => void): void {
    const waitMs = (seconds - this.#options.now()) * 1000;
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        action();
      },
      Math.max(0, Math.round(waitMs)),
    );
    this.#timers.add(timer);
  }
}
