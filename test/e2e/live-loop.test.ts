// The live loop over SRT on loopback, each side in a process of its own, while what can die dies:
// the engine, the sender, the server.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { readGdp } from '../../elements/measure/gdp.ts';
import { Pipeline, quoted, runPipeline } from '../../elements/measure/pipeline.ts';
import {
  numberField,
  parseStructure,
  textField,
  type StructureFields,
} from '../../elements/measure/structure.ts';

/** 25 frames a second. */
const frameTimeNs = 40e6;

let folder = '';
let clip = '';
const running: Pipeline[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'livesr-e2e-'));
  clip = join(folder, 'clip.y4m');
  await runPipeline({
    name: 'making a clip',
    launch:
      'videotestsrc num-buffers=50 pattern=zone-plate kx2=12 ky2=12 kt=2 ' +
      '! video/x-raw,format=I420,width=480,height=272,framerate=25/1 ' +
      `! y4menc ! filesink location=${quoted(clip)}`,
  });
});

afterEach(async () => {
  for (const pipeline of running.splice(0)) {
    if (pipeline.processId !== undefined) kill(pipeline.processId);
    await pipeline.done.catch(() => undefined);
  }
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function kill(processId: number): void {
  try {
    process.kill(processId, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

function start(name: string, launch: string): Pipeline {
  const pipeline = new Pipeline({ name, launch });
  running.push(pipeline);
  return pipeline;
}

const shownFile = (port: number): string => join(folder, `shown-${port}.gdp`);

function startServer(port: number, scale = '2'): Pipeline {
  return start(
    'the server',
    `srtsrc uri="srt://127.0.0.1:${port}?mode=listener" keep-listening=true ! livesrdemux name=demux ` +
      'demux.video ! queue ! h264parse ! avdec_h264 ' +
      `! srenhancer name=enhancer scale=${scale} ! tee name=shown shown. ! queue ! fakesink sync=true ` +
      // Thumbnails of all that was shown: their times tell whether a frame is missing.
      'shown. ! queue ! videoscale ! video/x-raw,width=16,height=16 ! gdppay ' +
      `! filesink location=${quoted(shownFile(port))}`,
  );
}

/** One after the other, as far as the server has shown any. */
function expectEveryFrame(port: number): void {
  const times = readGdp(readFileSync(shownFile(port))).buffers.map(({ timeNs }) => timeNs);
  const steps = times.slice(1).map((time, index) => (time - (times[index] ?? 0)) / frameTimeNs);
  expect(steps.length).toBeGreaterThan(50);
  expect(Math.max(...steps.map(Math.round))).toBe(1);
}

function startSender(port: number, sending = 'scale=2 max-bitrate=500000'): Pipeline {
  return start(
    'the sender',
    `srloopsrc location=${quoted(clip)} is-live=true ` +
      `! patchsender name=sender ${sending} ` +
      `! h264parse ! queue ! livesrmux ! srtsink uri="srt://127.0.0.1:${port}?mode=caller"`,
  );
}

async function statsOf(server: Pipeline): Promise<StructureFields> {
  return parseStructure(await server.get('enhancer', 'stats'));
}

/** Polls until the server's figures satisfy the condition; a condition never met ends the test. */
async function until(
  server: Pipeline,
  what: string,
  condition: (stats: StructureFields) => boolean,
): Promise<StructureFields> {
  const attempts = 600;
  let stats: StructureFields = {};
  for (let attempt = 0; attempt < attempts; attempt++) {
    stats = await statsOf(server);
    if (condition(stats)) return stats;
    await delay(100);
  }
  throw new Error(`never came to: ${what}; last figures: ${JSON.stringify(stats)}`);
}

const isTraining = (stats: StructureFields): boolean =>
  textField(stats, 'training-state') === 'training';

/** The engine is the child of the pipeline's process that runs engine.mjs. */
function engineOf(pipeline: Pipeline): number | undefined {
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const parent = /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${entry}/status`, 'utf8'))?.[1];
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8');
      if (Number(parent) === pipeline.processId && command.includes('engine.mjs')) {
        return Number(entry);
      }
    } catch {
      // The process ended while we looked.
    }
  }
  return undefined;
}

test('a killed engine costs no frame and training goes on where it was', async () => {
  const port = await freeUdpPort();
  const server = startServer(port, '2');
  startSender(port);
  const before = await until(
    server,
    'training',
    (s) => isTraining(s) && numberField(s, 'pairs-sent') > 5,
  );

  const engine = engineOf(server);
  expect(engine).toBeDefined();
  if (engine !== undefined) kill(engine);

  const after = await until(
    server,
    'training again',
    (s) =>
      numberField(s, 'engine-restarts') === 1 &&
      isTraining(s) &&
      numberField(s, 'pairs-sent') > numberField(before, 'pairs-sent') + 5,
  );
  expect(engineOf(server)).not.toBe(engine);
  // What it had learned is still in the picture.
  if (textField(before, 'model-in-use') === 'online') {
    expect(textField(after, 'model-in-use')).toBe('online');
  }

  await server.stop();
  expectEveryFrame(port);
});

test('a sender that changes to full size in mid-stream is followed without a frame lost', async () => {
  const port = await freeUdpPort();
  const server = startServer(port, 'auto');
  // Fine rings: at half the size they are another picture, and there are bits enough for them.
  startSender(port, 'scale=auto max-bitrate=3000000');
  await until(server, 'training', (s) => isTraining(s) && numberField(s, 'scale') === 2);
  const changed = await until(server, 'full size', (s) => numberField(s, 'scale') === 1);
  expect(textField(changed, 'model-in-use')).toBe('native');
  const after = await until(
    server,
    'frames of full size',
    (s) => numberField(s, 'frames') > numberField(changed, 'frames') + 25,
  );
  expect(numberField(after, 'rung-changes')).toBe(1);
  expect(numberField(after, 'patches-dropped-other-frame')).toBe(0);

  await server.stop();
  expectEveryFrame(port);
});

test('a sender that is killed and comes back finds the server as it was', async () => {
  const port = await freeUdpPort();
  const server = startServer(port);
  const first = startSender(port);
  const before = await until(
    server,
    'training',
    (s) => isTraining(s) && numberField(s, 'pairs-sent') > 5,
  );
  const engine = engineOf(server);

  if (first.processId !== undefined) kill(first.processId);
  startSender(port);
  const after = await until(
    server,
    'frames and patches of the second sender',
    (s) =>
      numberField(s, 'frames') > numberField(before, 'frames') + 75 &&
      numberField(s, 'pairs-sent') > numberField(before, 'pairs-sent') + 10,
  );
  expect(numberField(after, 'engine-restarts')).toBe(0);
  expect(engineOf(server)).toBe(engine);
});

test('a server that is killed and comes back is found by the sender', async () => {
  const port = await freeUdpPort();
  const first = startServer(port);
  startSender(port);
  await until(first, 'frames', (s) => numberField(s, 'frames') > 25);

  if (first.processId !== undefined) kill(first.processId);
  const second = startServer(port);
  const after = await until(
    second,
    'frames and patches at the second server',
    (s) => numberField(s, 'frames') > 50 && numberField(s, 'pairs-sent') > 2,
  );
  expect(numberField(after, 'frames')).toBeGreaterThan(50);
});
