// Server pipelines that OBS, or its relay, streams to: by SRT and by RTMP.
import { spawn, spawnSync, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { Pipeline, quoted } from '../../elements/measure/pipeline.ts';
import { until } from './controller-process.ts';
import { freeTcpPort } from './headless-obs.ts';
import { missing } from './numbered-obs.ts';

export interface Transport {
  readonly name: string;
  readonly missing: string | undefined;
  /** For OBS. */
  readonly address: (port: number) => string;
  readonly freePort: () => Promise<number>;
  /** From the stream to H.264. */
  readonly source: (port: number) => string;
  /** What listens for the stream where GStreamer cannot, and writes it to standard output. */
  readonly listener?: (port: number) => ChildProcessByStdio<null, Readable, null>;
}

const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0;

export const srt: Transport = {
  name: 'SRT',
  missing,
  address: (port) => `srt://127.0.0.1:${port}`,
  freePort: freeUdpPort,
  source: (port) =>
    `srtsrc uri="srt://127.0.0.1:${port}?mode=listener" latency=200 ! tsdemux name=demux ignore-pcr=true demux. ! video/x-h264`,
};

export const rtmp: Transport = {
  // GStreamer has no element that an RTMP sender could connect to.
  name: 'RTMP',
  missing: missing ?? (hasFfmpeg ? undefined : 'ffmpeg not installed'),
  address: (port) => `rtmp://127.0.0.1:${port}/live`,
  freePort: freeTcpPort,
  source: () => 'fdsrc fd=0 ! flvdemux',
  listener: (port) =>
    spawn(
      'ffmpeg',
      [
        ...['-loglevel', 'error', '-fflags', 'nobuffer', '-listen', '1'],
        ...[
          '-i',
          `rtmp://127.0.0.1:${port}/live/key`,
          '-c:v',
          'copy',
          '-an',
          '-f',
          'flv',
          'pipe:1',
        ],
      ],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    ),
};

/** Without a connection, which would be the one that is waited for. */
function isListening(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .some((line) => line.includes(`:${hex} 00000000:0000 0A`));
}

/** The server: what takes the stream, and the pipeline behind it. */
export class StreamServer {
  readonly pipeline: Pipeline;
  readonly #listener: ChildProcess | undefined;
  readonly #port: number;

  constructor({ source, listener }: Transport, port: number, feedbackPort: number, engine: string) {
    this.pipeline = new Pipeline({
      name: 'the server',
      pipes: listener !== undefined,
      launch:
        `${source(port)} ! queue ! h264parse ! avdec_h264 ! queue ` +
        `! srenhancer name=enhancer scale=2 stream-key=key feedback-listen=127.0.0.1:${feedbackPort} ` +
        `token=token engine=${quoted(`unix:${engine}`)} ! fakesink sync=false async=false`,
    });
    const started = listener?.(port);
    if (started && this.pipeline.input) started.stdout.pipe(this.pipeline.input);
    this.#listener = started;
    this.#port = port;
  }

  /** OBS does not try again when nobody takes its first connection. */
  async untilReady(): Promise<void> {
    if (this.#listener) await until('the server listens', 15, () => isListening(this.#port));
  }

  async stop(): Promise<void> {
    this.#listener?.kill('SIGKILL');
    await this.pipeline.stop();
  }
}
