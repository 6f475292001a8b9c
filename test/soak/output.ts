// The server's output as a packager would get it: an MPEG-TS over TCP, whose time stamps are read.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

const packetBytes = 188;
const timeModulus = 2 ** 33;
const ticksPerSecond = 90_000;

export interface OutputFrame {
  readonly atMs: number;
  readonly seconds: number;
}

export interface StepBack {
  readonly atMs: number;
  readonly bySeconds: number;
}

/** Of a launch line: a small picture of each frame, encoded. */
export function outputBranch(port: number): string {
  return (
    'queue ! videoscale method=nearest-neighbour ! video/x-raw,width=64,height=36 ' +
    '! x264enc tune=zerolatency speed-preset=ultrafast bitrate=100 ! h264parse ! mpegtsmux ' +
    `! tcpclientsink host=127.0.0.1 port=${port} sync=false async=false`
  );
}

export class Output {
  readonly stepsBack: StepBack[] = [];
  frames = 0;
  latest: OutputFrame | undefined;
  /** The longest time between two frames since the last call of takeLongestGap. */
  #longestGapMs = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((socket) => {
      this.#read(socket);
    }).listen(0, '127.0.0.1');
  }

  static async open(): Promise<Output> {
    const output = new Output();
    if (!output.#server.listening) await once(output.#server, 'listening');
    return output;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  takeLongestGapMs(): number {
    const gap = this.#longestGapMs;
    this.#longestGapMs = 0;
    return gap;
  }

  close(): void {
    this.#server.close();
  }

  #read(socket: Socket): void {
    let rest = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      let at = 0;
      for (; at + packetBytes <= rest.length; at += packetBytes) {
        const ticks = timeOf(rest.subarray(at, at + packetBytes));
        if (ticks !== undefined) this.#frame(ticks);
      }
      rest = rest.subarray(at);
    });
  }

  #frame(ticks: number): void {
    const atMs = performance.now();
    const seconds = ticks / ticksPerSecond;
    const { latest } = this;
    if (latest !== undefined) {
      this.#longestGapMs = Math.max(this.#longestGapMs, atMs - latest.atMs);
      // Around the 33 bits it is no step back.
      const ahead = (seconds - latest.seconds) % (timeModulus / ticksPerSecond);
      if (ahead < 0 && ahead > -timeModulus / ticksPerSecond / 2) {
        this.stepsBack.push({ atMs, bySeconds: -ahead });
      }
    }
    this.frames++;
    this.latest = { atMs, seconds };
  }
}

/** PTS of the PES packet that begins in this packet. */
function timeOf(packet: Buffer): number | undefined {
  if (((packet[1] ?? 0) & 0x40) === 0) return undefined;
  const control = (packet[3] ?? 0) >> 4;
  const at = control & 2 ? 5 + (packet[4] ?? 0) : 4;
  if (at + 14 > packetBytes || packet.readUIntBE(at, 3) !== 1) return undefined;
  const isVideo = ((packet[at + 3] ?? 0) & 0xf0) === 0xe0;
  if (!isVideo || ((packet[at + 7] ?? 0) & 0x80) === 0) return undefined;
  const high = ((packet[at + 9] ?? 0) >> 1) & 7;
  return (
    high * 2 ** 30 +
    (packet.readUInt16BE(at + 10) >> 1) * 2 ** 15 +
    (packet.readUInt16BE(at + 12) >> 1)
  );
}
