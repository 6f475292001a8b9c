// The live run: a sender and a server pipeline, each in its own process, over SRT on loopback.
import { createSocket } from 'node:dgram';
import { mkdirSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '../cli/failure.ts';
import type { Clip } from '../measure/clip.ts';
import { Pipeline, quoted } from '../measure/pipeline.ts';
import { numberField, parseStructure, textField } from '../measure/structure.ts';
import type { Observation } from './report/figures.ts';
import { TrainingWatch } from './training-watch.ts';

export interface LiveRequest {
  readonly clip: Clip;
  readonly scale: number;
  readonly uplinkKbps: number;
  readonly seconds: number;
  /** Where the server records decoded and enhanced pictures. */
  readonly decodedFile: string;
  readonly enhancedFile: string;
  /** Where the logs of both pipelines and of their engines are kept. */
  readonly logFolder: string;
  readonly onObservation: (observation: Observation) => void;
  readonly signal: AbortSignal;
}

export interface LiveOutcome {
  readonly pipelines: { readonly sender: string; readonly server: string };
  readonly observations: readonly Observation[];
  readonly frames: { readonly shown: number; readonly late: number };
  readonly engineRestarts: number;
  /** From the first patch, to the second; null: not known. */
  readonly secondsToTraining: number | null;
}

/** Recorded moments a second: enough for curves, too few to disturb the run. */
const recordedPerSecond = 3;
const secondsToFirstFrame = 20;

export function freeUdpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.on('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => {
        resolve(port);
      });
    });
  });
}

/** Keeps a few pictures a second with their own times, and writes them. */
function recorder(file: string): string {
  return (
    `queue ! videorate drop-only=true max-rate=${recordedPerSecond} ` +
    `! videoconvert ! video/x-raw,format=NV12 ! gdppay ! filesink async=false location=${quoted(file)}`
  );
}

export function senderLaunch(clip: Clip, scale: number, uplinkKbps: number, uri: string): string {
  return (
    `srloopsrc is-live=true location=${quoted(clip.path)} ! queue ` +
    `! patchsender name=sender scale=${scale} max-bitrate=${Math.round(uplinkKbps * 1000)} ` +
    `! h264parse ! queue ! livesrmux ! srtsink uri=${quoted(uri)}`
  );
}

export function serverLaunch(scale: number, uri: string, recorded: LiveRequest): string {
  return (
    // keep-listening: a sender that comes back finds the same server, with all it has learned.
    `srtsrc uri=${quoted(uri)} keep-listening=true ! livesrdemux name=demux ` +
    'demux.video ! queue ! h264parse ! avdec_h264 ! tee name=decoded ' +
    `decoded. ! queue ! srenhancer name=enhancer scale=${scale} ! tee name=shown ` +
    'shown. ! queue ! fakesink name=screen sync=true ' +
    `decoded. ! ${recorder(recorded.decodedFile)} shown. ! ${recorder(recorded.enhancedFile)}`
  );
}

/** Of each side: what GStreamer warns of and our elements say, and what the engine did when. */
const logs = {
  server: { pipeline: 'server.log', engine: 'engine.log' },
  sender: { pipeline: 'sender.log', engine: 'sender-engine.log' },
};

/** Begins the logs of a side anew. */
function logEnvironment(side: keyof typeof logs, folder: string): Record<string, string> {
  const pipeline = resolve(folder, logs[side].pipeline);
  const engine = resolve(folder, logs[side].engine);
  for (const file of [pipeline, engine, `${engine}.1`]) rmSync(file, { force: true });
  return {
    GST_DEBUG: process.env.GST_DEBUG ?? '2,livesr*:4,srenhancer:4,patchsender:4,patchpicker:4',
    GST_DEBUG_NO_COLOR: '1',
    GST_DEBUG_FILE: process.env.GST_DEBUG_FILE ?? pipeline,
    LIVESR_ENGINE_LOG: engine,
  };
}

interface Counters {
  readonly atMs: number;
  readonly frames: number;
  readonly videoBytes: number;
  readonly patchBytes: number;
}

/** Runs for `seconds` after the first picture has come out, then stops both processes. */
export async function runLive(request: LiveRequest): Promise<LiveOutcome> {
  const { clip, scale, uplinkKbps, signal } = request;
  const port = await freeUdpPort();
  const address = `srt://127.0.0.1:${port}`;
  const launches = {
    server: serverLaunch(scale, `${address}?mode=listener`, request),
    sender: senderLaunch(clip, scale, uplinkKbps, `${address}?mode=caller`),
  };
  mkdirSync(request.logFolder, { recursive: true });
  const start = (side: keyof typeof logs): Pipeline =>
    new Pipeline({
      name: `the ${side}`,
      launch: launches[side],
      environment: logEnvironment(side, request.logFolder),
    });
  const server = start('server');
  const sender = start('sender');
  // Neither ends by itself: whatever ends one of them is a failure of the run.
  const broken = Promise.race([server.done, sender.done]).then(() => {
    throw new Failure('a pipeline ended before its time');
  });
  broken.catch(() => undefined);
  try {
    return await Promise.race([observe(request, sender, server, launches), broken]);
  } finally {
    // The server first: srtsrc does not let go while it waits for a sender.
    await server.stop();
    await sender.stop();
    signal.throwIfAborted();
  }
}

async function observe(
  request: LiveRequest,
  sender: Pipeline,
  server: Pipeline,
  pipelines: LiveOutcome['pipelines'],
): Promise<LiveOutcome> {
  const observations: Observation[] = [];
  const readServer = async () => parseStructure(await server.get('enhancer', 'stats'));
  const readSender = async () => parseStructure(await sender.get('sender', 'stats'));

  const startedMs = performance.now();
  let serverStats = await readServer();
  while (!(numberField(serverStats, 'frames') > 0)) {
    if (performance.now() - startedMs > secondsToFirstFrame * 1000) {
      throw new Failure(
        `no picture came through within ${secondsToFirstFrame} s.\n` +
          'Is SRT allowed on loopback? `livesr doctor` says what is missing.',
      );
    }
    await delay(100, undefined, { signal: request.signal });
    serverStats = await readServer();
  }

  const firstMs = performance.now();
  let before: Counters | undefined;
  const watch = new TrainingWatch();
  // A run that is too short to tell goes on until it is told.
  for (let second = 0; second <= request.seconds || !watch.hasBegun; second++) {
    await delay(Math.max(0, firstMs + second * 1000 - performance.now()), undefined, {
      signal: request.signal,
    });
    serverStats = await readServer();
    const senderStats = await readSender();
    const problem = watch.look(second, senderStats, serverStats);
    if (problem) {
      throw new Failure(
        `training has not begun. ${problem.cause}\n${problem.remedy}\n` +
          `What the two sides did is in ${resolve(request.logFolder)}: ` +
          `${Object.values(logs)
            .flatMap(({ pipeline, engine }) => [pipeline, engine])
            .join(', ')}.`,
      );
    }
    const now: Counters = {
      atMs: performance.now(),
      frames: numberField(serverStats, 'frames'),
      videoBytes: numberField(senderStats, 'video-bytes'),
      patchBytes: numberField(senderStats, 'patch-bytes'),
    };
    if (before !== undefined) {
      const elapsed = (now.atMs - before.atMs) / 1000;
      const gainDb = numberField(serverStats, 'gain-db');
      const observation: Observation = {
        timeSeconds: second,
        framesPerSecond: (now.frames - before.frames) / elapsed,
        videoKbps: ((now.videoBytes - before.videoBytes) * 8) / 1000 / elapsed,
        patchKbps: ((now.patchBytes - before.patchBytes) * 8) / 1000 / elapsed,
        addedLatencyMs: numberField(serverStats, 'latency-ms'),
        addedLatencyP99Ms: numberField(serverStats, 'latency-p99-ms'),
        trainingState: textField(serverStats, 'training-state'),
        modelInUse: textField(serverStats, 'model-in-use'),
        heldOutGainDb: Number.isFinite(gainDb) ? gainDb : null,
      };
      observations.push(observation);
      request.onObservation(observation);
    }
    before = now;
  }
  return {
    pipelines,
    observations,
    frames: {
      shown: numberField(serverStats, 'frames'),
      late: numberField(serverStats, 'frames-late'),
    },
    engineRestarts: numberField(serverStats, 'engine-restarts'),
    secondsToTraining: watch.secondsToTraining,
  };
}
