// When each frame goes into srenhancer and when it comes out: two branches of the server's pipeline send
// thumbnails over TCP.
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

const headerBytes = 62;
const bufferType = 1;

export type Side = 'in' | 'out';

export interface Passage {
  readonly timeNs: number;
  readonly atMs: number;
}

/** Of a launch line: the branch of a tee that reports to the probe. */
export function probeBranch(port: number): string {
  return (
    'queue max-size-buffers=60 ! videoscale method=nearest-neighbour add-borders=false ' +
    `! video/x-raw,width=16,height=16 ! gdppay ! tcpclientsink host=127.0.0.1 port=${port} sync=false async=false`
  );
}

export class Probe {
  readonly #servers: Record<Side, Server>;
  readonly #passages: Record<Side, Passage[]> = { in: [], out: [] };

  private constructor() {
    const listen = (side: Side): Server =>
      createServer((socket) => {
        this.#read(side, socket);
      }).listen(0, '127.0.0.1');
    this.#servers = { in: listen('in'), out: listen('out') };
  }

  static async open(): Promise<Probe> {
    const probe = new Probe();
    for (const server of Object.values(probe.#servers)) {
      if (!server.listening) await once(server, 'listening');
    }
    return probe;
  }

  port(side: Side): number {
    return (this.#servers[side].address() as AddressInfo).port;
  }

  passages(side: Side): readonly Passage[] {
    return this.#passages[side];
  }

  close(): void {
    for (const server of Object.values(this.#servers)) server.close();
  }

  #read(side: Side, socket: Socket): void {
    let rest = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      const atMs = performance.now();
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= headerBytes) {
        const end = headerBytes + rest.readUInt32BE(6);
        if (rest.length < end) break;
        if (rest.readUInt16BE(4) === bufferType) {
          this.#passages[side].push({ timeNs: Number(rest.readBigUInt64BE(10)), atMs });
        }
        rest = rest.subarray(end);
      }
    });
  }
}

/** Milliseconds from in to out of the frames that went in within the span. */
export function delaysMs(probe: Probe, fromMs: number, toMs: number): number[] {
  const inside = probe.passages('in').filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
  const outs = probe.passages('out');
  const delays: number[] = [];
  let next = 0;
  for (const { timeNs, atMs } of inside) {
    // Times may step back or repeat: the next one with this time that came later.
    let at = next;
    while (at < outs.length && outs[at]?.timeNs !== timeNs) at++;
    const out = outs[at];
    if (out === undefined) continue;
    delays.push(Math.max(0, out.atMs - atMs));
    next = at + 1;
  }
  return delays;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
