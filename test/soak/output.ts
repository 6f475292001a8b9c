// The server's output as a packager would get it: an MPEG-TS over TCP, whose time stamps are read.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { packetBytes, presentationTime, ticksBetween, ticksPerSecond } from '../attack/pes-time.ts';

export interface OutputFrame {
  readonly atMs: number;
  readonly ticks: number;
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
        const time = presentationTime(rest.subarray(at, at + packetBytes));
        if (time?.isVideo) this.#frame(time.ticks);
      }
      rest = rest.subarray(at);
    });
  }

  #frame(ticks: number): void {
    const atMs = performance.now();
    const { latest } = this;
    if (latest !== undefined) {
      this.#longestGapMs = Math.max(this.#longestGapMs, atMs - latest.atMs);
      const ahead = ticksBetween(latest.ticks, ticks);
      if (ahead < 0) this.stepsBack.push({ atMs, bySeconds: -ahead / ticksPerSecond });
    }
    this.frames++;
    this.latest = { atMs, ticks };
  }
}
