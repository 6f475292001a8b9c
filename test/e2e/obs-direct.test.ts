// A real OBS that streams straight to a server pipeline, without the relay: patches go beside the stream,
// and the server finds out which decoded frame each is of. A way into its engine shows what was paired.
import { spawn, spawnSync, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { marginOf, type Architecture } from '../../elements/bridge/index.ts';
import { FrameDecoder } from '../../elements/channel/frame.ts';
import { enhancerStart, patchPair } from '../../elements/channel/messages.ts';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { serve } from '../../elements/engine/connection.ts';
import { Pipeline, quoted } from '../../elements/measure/pipeline.ts';
import { numberField, parseStructure } from '../../elements/measure/structure.ts';
import { splitPair } from '../../elements/sr-enhancer/contents.ts';
import { ObsClient } from '../../obs-script/controller/obs-client.ts';
import { ControllerProcess, until } from './controller-process.ts';
import { freeTcpPort, type HeadlessObs } from './headless-obs.ts';
import { numberIn } from './numbered-clip.ts';
import { missing, password, startNumberedObs, streamersKbps } from './numbered-obs.ts';

const scale = 2;

/** An engine, and the numbers that stand in both parts of each pair that it is sent. */
class WatchedEngine {
  readonly pairs: { readonly high: number; readonly low: number }[] = [];
  readonly #server: Server;

  constructor(path: string) {
    this.#server = createServer((socket) => {
      void serve(socket, {
        log: (line) => {
          console.info(`engine: ${line}`);
        },
      });
      const decoder = new FrameDecoder();
      let architecture: Architecture | undefined;
      socket.on('data', (chunk: Buffer) => {
        decoder.push(chunk, ({ head, blob }) => {
          if (head.type === 'enhancer.start') architecture = enhancerStart.parse(head);
          if (head.type === 'patch.pair' && architecture) this.#look(architecture, head, blob);
        });
      });
    }).listen(path);
  }

  close(): void {
    this.#server.close();
  }

  #look(architecture: Architecture, head: unknown, blob: Uint8Array): void {
    const { high, low, width } = splitPair(architecture, patchPair.parse(head), blob);
    const margin = marginOf(architecture);
    const inHigh = numberIn(high, width, 0, 0, 1);
    const inLow = numberIn(low, width / scale + 2 * margin, margin, margin, scale);
    if (inHigh !== undefined && inLow !== undefined) this.pairs.push({ high: inHigh, low: inLow });
  }
}

interface Transport {
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

const transports: readonly Transport[] = [
  {
    name: 'SRT',
    missing,
    address: (port) => `srt://127.0.0.1:${port}`,
    freePort: freeUdpPort,
    source: (port) =>
      `srtsrc uri="srt://127.0.0.1:${port}?mode=listener" latency=200 ! tsdemux name=demux ignore-pcr=true demux. ! video/x-h264`,
  },
  {
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
  },
];

/** Without a connection, which would be the one that is waited for. */
function isListening(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .some((line) => line.includes(`:${hex} 00000000:0000 0A`));
}

/** The server: what takes the stream, and the pipeline behind it. */
class StreamServer {
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

for (const transport of transports) {
  const { name, missing: reason } = transport;
  if (reason !== undefined) console.warn(`OBS over ${name} is skipped: ${reason}`);
  describe.skipIf(reason !== undefined)(`a real OBS without the relay, over ${name}`, () => {
    let obs: HeadlessObs | undefined;
    let client: ObsClient | undefined;
    let controller: ControllerProcess | undefined;
    let server: StreamServer | undefined;
    let engine: WatchedEngine | undefined;
    let folder = '';
    let serverPort = 0;
    let feedbackPort = 0;

    const startServer = (): StreamServer =>
      new StreamServer(transport, serverPort, feedbackPort, join(folder, 'engine'));

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'livesr-direct-'));
      serverPort = await transport.freePort();
      feedbackPort = await freeTcpPort();
      engine = new WatchedEngine(join(folder, 'engine'));
      server = startServer();
      ({ obs, client } = await startNumberedObs(folder, {
        server: transport.address(serverPort),
        streamKey: 'key',
        script: { mode: 'direct', feedback: `ws://127.0.0.1:${feedbackPort}` },
      }));
      controller = new ControllerProcess(
        obs.webSocketPort,
        await freeUdpPort(),
        await freeTcpPort(),
        password,
      );
    });

    afterAll(async () => {
      await controller?.end('SIGTERM');
      await client?.close();
      await obs?.stop();
      await server?.stop();
      engine?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    const enhancer = async () => parseStructure(await server?.pipeline.get('enhancer', 'stats'));

    test('patches beside the stream bring a gain within 30 s', async () => {
      await server?.untilReady();
      await until('the script answers', 20, () => controller?.latest?.script.status !== undefined);
      await client?.call('StartStream');
      await until(
        'the stream arrives',
        20,
        async () => numberField(await enhancer(), 'frames') > 0,
      );
      await until('a gain', 30, async () => numberField(await enhancer(), 'gain-db') > 0);
      const stats = await enhancer();
      console.info(
        `gain ${numberField(stats, 'gain-db').toFixed(2)} dB with ${numberField(stats, 'patches-beside-placed')} of ` +
          `${numberField(stats, 'patches-beside')} patches`,
      );
      expect(numberField(stats, 'patches-beside-placed')).toBeGreaterThan(0);
    });

    test('each is of the frame that it was paired with', async () => {
      await until('twenty pairs', 60, () => (engine?.pairs.length ?? 0) >= 20);
      const pairs = engine?.pairs ?? [];
      const off = pairs.filter(({ high, low }) => high !== low);
      console.info(`${pairs.length} pairs read, ${off.length} of two frames`);
      expect(off).toEqual([]);
      expect(numberField(await enhancer(), 'patches-aligned-to-neighbour')).toBe(0);
    });

    test('the encoder keeps to its share of the cap, and nothing listens as a relay', () => {
      const { script, relay } = controller?.latest ?? {};
      expect(script?.status?.bitrateKbps).toBeLessThan(1500);
      expect(script?.status?.bitrateKbps).toBeGreaterThanOrEqual(200);
      expect(relay).toMatchObject({ isCarrying: true, isCalibrated: true, problem: '' });
      expect(relay?.capacityBps).toBe(1.5e6);
      expect(controller?.latest?.warnings).toEqual([]);
    });

    test('a stream that begins again has times of its own, and patches again', async () => {
      await client?.call('StopStream');
      await until('the stream has ended', 15, () => controller?.latest?.relay.isRunning === false);
      await until(
        'the bit rate is back',
        10,
        () => controller?.latest?.script.status?.bitrateKbps === streamersKbps,
      );
      await server?.stop();
      server = startServer();
      await server.untilReady();
      await client?.call('StartStream');
      await until(
        'patches find their frames again',
        60,
        async () => numberField(await enhancer(), 'patches-beside-placed') > 0,
      );
      expect(engine?.pairs.filter(({ high, low }) => high !== low)).toEqual([]);
    });

    test('when OBS is closed, nothing is said to be carried', async () => {
      obs?.kill('SIGTERM');
      await until('it is said', 20, () => controller?.latest?.obs.connected === false);
      await until('the way is free', 10, () => controller?.latest?.relay.isCarrying === false);
    });
  });
}
