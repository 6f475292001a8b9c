// Sound beside the picture from `livesr send` to what a server records: how far apart a flash and its beep
// come out, also after an outage of the link and a restart of either side. LIVESR_SOUND_SECONDS makes each
// stretch longer.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { openRate } from '../../elements/link/rates.ts';
import { Relay } from '../../elements/link/relay.ts';
import { commandLineScript } from '../../elements/measure/environment.ts';
import { Pipeline, quoted } from '../../elements/measure/pipeline.ts';
import { numberField, parseStructure } from '../../elements/measure/structure.ts';
import { seededRandom } from '../../elements/patch-sender/random.ts';
import { farthestStepBackMs, makeClip, offsetsIn } from './flash-and-beep.ts';

const stretch = Number(process.env.LIVESR_SOUND_SECONDS ?? 5);
const outageSeconds = 5;
const farthestMs = 20;

let folder = '';
const pipelines: Pipeline[] = [];
const senders: ChildProcess[] = [];
const relays: Relay[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'livesr-sound-'));
});

afterEach(async () => {
  for (const sender of senders.splice(0)) sender.kill('SIGKILL');
  for (const pipeline of pipelines.splice(0)) await pipeline.stop().catch(() => undefined);
  for (const relay of relays.splice(0)) relay.close();
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function startServer(port: number, recording: string): Pipeline {
  const pipeline = new Pipeline({
    name: 'the server',
    launch:
      `srtsrc uri="srt://127.0.0.1:${port}?mode=listener" latency=200 keep-listening=true ` +
      '! livesrdemux name=demux demux.video ! queue ! h264parse ! avdec_h264 ' +
      '! srenhancer name=enhancer training=off ! queue ' +
      '! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! h264parse ! queue ' +
      `! livesrmux name=mux ! filesink location=${quoted(recording)} ` +
      'demux.audio_0 ! queue ! aacparse ! mux.',
  });
  pipelines.push(pipeline);
  return pipeline;
}

function startSender(clip: string, port: number, more: readonly string[] = []): ChildProcess {
  const sender = spawn(
    process.execPath,
    [
      ...[commandLineScript, 'send', '--source', clip, '--to', `srt://127.0.0.1:${port}`],
      ...['--latency-ms', '200', '--max-bitrate', '1000', '--scale', '2', '--json', ...more],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  sender.stdout.setEncoding('utf8');
  sender.stderr.setEncoding('utf8').resume();
  senders.push(sender);
  return sender;
}

/** What a sender says of the link, second by second. */
function linksOf(sender: ChildProcess): string[] {
  const links: string[] = [];
  let rest = '';
  sender.stdout?.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) links.push((JSON.parse(line) as { link: string }).link);
  });
  return links;
}

async function until(server: Pipeline, frames: number): Promise<number> {
  for (let attempt = 0; attempt < 600; attempt++) {
    const shown = numberField(parseStructure(await server.get('enhancer', 'stats')), 'frames');
    if (shown >= frames) return shown;
    await delay(100);
  }
  throw new Error(`the server never showed ${frames} frames`);
}

async function endOf(pipeline: Pipeline): Promise<void> {
  pipeline.sendEndOfStream();
  await Promise.race([pipeline.done, delay(3000)]);
  await pipeline.stop();
}

async function stop(sender: ChildProcess): Promise<void> {
  sender.kill('SIGTERM');
  await once(sender, 'exit');
}

function expectTogether(offsetsMs: readonly number[], min: number): void {
  console.log(`flash to beep (ms): ${offsetsMs.map((offset) => offset.toFixed(1)).join(' ')}`);
  expect(offsetsMs.length).toBeGreaterThanOrEqual(min);
  expect(Math.max(...offsetsMs.map(Math.abs))).toBeLessThanOrEqual(farthestMs);
}

test('encoded sound stays with the picture, over an outage of the link and a restart of the sender', async () => {
  const clip = await makeClip(folder, 4 * stretch + outageSeconds + 30, 'pcm');
  const recording = join(folder, 'encoded.ts');
  const port = await freeUdpPort();
  const startMs = performance.now();
  const now = (): number => (performance.now() - startMs) / 1000;
  const outage = { from: Infinity };
  const relay = await Relay.open({
    ...{ listenAddress: '127.0.0.1', listenPort: 0, serverHost: '127.0.0.1', serverPort: port },
    shape: {
      ...{ carried: openRate('20000'), delaySeconds: 0.02, jitterSeconds: 0, lossShare: 0 },
      ...{ queueSeconds: 1, queueBytes: 1e6 },
    },
    random: seededRandom(1),
    now,
    isCut: (seconds) => seconds >= outage.from && seconds < outage.from + outageSeconds,
  });
  relays.push(relay);
  const server = startServer(port, recording);
  const first = startSender(clip, relay.port);
  await until(server, 1);
  await delay(stretch * 1000);
  outage.from = now();
  await delay(outageSeconds * 1000);
  const before = await until(server, 1);
  await until(server, before + 25);
  await delay(stretch * 1000);
  await stop(first);

  startSender(clip, relay.port);
  const shown = await until(server, 1);
  await until(server, shown + 25);
  await delay(stretch * 1000);
  await endOf(server);
  expectTogether(await offsetsIn(folder, recording, 'tsdemux'), 2 * stretch);
  expect(farthestStepBackMs(readFileSync(recording))).toBe(0);
});

test('a sender that finds nobody says so, and fails when its time is over', async () => {
  const sender = startSender('test', await freeUdpPort(), ['--seconds', '3']);
  const links = linksOf(sender);
  let said = '';
  sender.stderr?.on('data', (chunk: string) => {
    said += chunk;
  });
  const [code] = (await once(sender, 'exit')) as [number];
  expect(code).toBe(1);
  expect(said).toContain('was not connected within 3 s');
  expect(new Set(links)).toEqual(new Set(['waiting']));
});

test('AAC that passes stays with the picture; the sender waits for its server, and for the next', async () => {
  const clip = await makeClip(folder, 2 * stretch + 30, 'aac');
  const [ownMs = NaN] = await offsetsIn(folder, clip, 'matroskademux');
  const port = await freeUdpPort();
  const [first, second] = ['first.ts', 'second.ts'].map((name) => join(folder, name)) as [
    string,
    string,
  ];
  const sender = startSender(clip, port);
  const links = linksOf(sender);
  for (let attempt = 0; links.length < 2 && attempt < 300; attempt++) await delay(100);
  const server = startServer(port, first);
  await until(server, 25 * stretch);
  await endOf(server);
  // Between the two servers nobody is there, which the sender says.
  for (let attempt = 0; links.at(-1) === 'connected' && attempt < 100; attempt++) await delay(100);
  expect(links.at(-1)).toBe('lost');
  const again = startServer(port, second);
  await until(again, 25 * stretch);
  await endOf(again);
  await stop(sender);
  expect(links.slice(0, 2)).toEqual(['waiting', 'waiting']);
  expect(links.filter((link) => link === 'connected').length).toBeGreaterThanOrEqual(
    2 * stretch - 3,
  );
  for (const recording of [first, second]) {
    const offsets = await offsetsIn(folder, recording, 'tsdemux');
    expectTogether(
      offsets.map((offset) => offset - ownMs),
      stretch - 2,
    );
    expect(farthestStepBackMs(readFileSync(recording))).toBe(0);
  }
});
