// A sender that measures its uplink, over the link emulator, while the link changes. The figures are
// printed: docs/results.md has them from real footage ($LIVESR_E2E_CLIP, a Y4M file).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LinkShape } from '../../elements/link/bottleneck.ts';
import { parseRateSteps, steppedRate } from '../../elements/link/rates.ts';
import { quoted, runPipeline } from '../../elements/measure/pipeline.ts';
import { numberField } from '../../elements/measure/structure.ts';
import {
  frameSecondsIn,
  rtpReceiver,
  rtpSender,
  runOverLink,
  srtReceiver,
  srtSender,
  trainingReceiver,
  type LinkMoment,
} from './over-link.ts';

const srtLatencyMs = 800;
const properties = 'scale=2 max-bitrate=3500000 patch-bitrate=0';

let folder = '';
let clip = process.env.LIVESR_E2E_CLIP ?? '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'livesr-e2e-'));
  if (clip !== '') return;
  clip = join(folder, 'clip.y4m');
  // Noise fills whatever rate the encoder is given.
  await runPipeline({
    name: 'making a clip',
    launch:
      'videotestsrc num-buffers=50 pattern=snow ' +
      '! video/x-raw,format=I420,width=640,height=360,framerate=25/1 ' +
      `! y4menc ! filesink location=${quoted(clip)}`,
  });
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const shapeOf = (rate: string): LinkShape => ({
  carried: steppedRate(parseRateSteps(rate)),
  delaySeconds: 0.02,
  jitterSeconds: 0.003,
  lossShare: 0,
  queueSeconds: 0.3,
  queueBytes: 1e9,
});

/** Seconds from `from` until the estimate is first as asked for; Infinity if never. */
const reached = (
  moments: readonly LinkMoment[],
  from: number,
  isThere: (estimateBps: number) => boolean,
): number => {
  const found = moments.find((m) => m.seconds >= from && isThere(m.estimateBps));
  return (found?.seconds ?? Infinity) - from;
};

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(share * values.length)] ?? NaN;

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

test('over SRT the estimate follows steps of 3 -> 0.8 -> 2 Mbit/s', async () => {
  const framesFile = join(folder, 'frames.gdp');
  const [dropAt, riseAt, end] = [22, 42, 60];
  const { moments, engineShare } = await runOverLink({
    seconds: end,
    shape: shapeOf(`3000@0,800@${dropAt},2000@${riseAt}`),
    sender: srtSender(clip, properties, srtLatencyMs),
    receiver: srtReceiver(framesFile, srtLatencyMs),
  });
  const belowAfter = reached(moments, dropAt, (estimate) => estimate < 0.8e6);
  const aboveAfter = reached(moments, riseAt, (estimate) => estimate > 0.8 * 2e6);
  const delays = moments.flatMap(({ delaysSeconds }) => delaysSeconds);
  const settled = moments.filter(({ seconds }) => seconds > dropAt + 6 && seconds < riseAt);
  const frames = frameSecondsIn(framesFile);
  // The receiver's times begin with its first frame: what counts is how many are missing, and when.
  const step = percentile(
    frames.slice(1).map((time, i) => time - (frames[i] ?? 0)),
    0.5,
  );
  const missing = frames
    .slice(1)
    .map((time, i) => ({ time, frames: Math.round((time - (frames[i] ?? 0)) / step) - 1 }))
    .filter((gap) => gap.frames > 0);
  const running = moments.filter(({ seconds }) => seconds > 5);
  console.info(
    `below 0.8 Mbit/s after ${belowAfter.toFixed(1)} s, above 1.6 after ${aboveAfter.toFixed(1)} s; ` +
      `one-way delay p95 ${(percentile(delays, 0.95) * 1000).toFixed(0)} ms; estimate at 0.8 Mbit/s ` +
      `${(meanOf(settled.map((m) => m.estimateBps)) / 1000).toFixed(0)} kbit/s, sent ` +
      `${(meanOf(settled.map((m) => m.sentBps)) / 1000).toFixed(0)}; frames missing ` +
      `${missing.map((gap) => `${gap.frames} at ${gap.time.toFixed(1)} s`).join(', ') || 'none'}; ` +
      `the link itself late by ${(Math.max(...running.map((m) => m.lateSeconds)) * 1000).toFixed(0)} ms ` +
      `at most (more than 100 in ${running.filter((m) => m.lateSeconds > 0.1).length} fifths of a second); ` +
      `engine ${(engineShare * 100).toFixed(2)} % of a core`,
  );
  // Whether, not how soon: the machine that runs this may have other things to do.
  expect(belowAfter).toBeLessThan(riseAt - dropAt);
  expect(aboveAfter).toBeLessThan(Infinity);
  expect(moments.every((m) => m.plannedBps <= m.estimateBps * 1.001 + 1)).toBe(true);
});

test('over RTP with transport-wide feedback it rises on a free link and falls below a narrow one', async () => {
  const { moments } = await runOverLink({
    seconds: 35,
    shape: shapeOf('2000@0,400@22'),
    sender: rtpSender(clip, properties),
    receiver: rtpReceiver(),
  });
  const atDrop = moments.findLast(({ seconds }) => seconds < 22)?.estimateBps ?? NaN;
  const belowAfter = reached(moments, 22, (estimate) => estimate < 0.4e6);
  console.info(
    `from 0.5 Mbit/s to ${(atDrop / 1e6).toFixed(2)} in 22 s, below 0.4 after ${belowAfter.toFixed(1)} s`,
  );
  expect(atDrop).toBeGreaterThan(0.7e6);
  expect(belowAfter).toBeLessThan(Infinity);
});

test('the server tells the sender how training goes, and patches go out beside the video', async () => {
  const { stats } = await runOverLink({
    seconds: 22,
    shape: shapeOf('1000'),
    sender: srtSender(clip, properties, srtLatencyMs, 'secret'),
    receiver: trainingReceiver('secret', srtLatencyMs),
  });
  console.info(
    `${numberField(stats, 'patches')} patches, ${numberField(stats, 'packets-dropped-late')} packets ` +
      `too late, ${numberField(stats, 'feedback-received')} messages from the server`,
  );
  expect(stats['feedback-connected']).toBe(true);
  expect(numberField(stats, 'feedback-received')).toBeGreaterThanOrEqual(2);
  expect(numberField(stats, 'feedback-ignored')).toBe(0);
  expect(numberField(stats, 'patches')).toBeGreaterThan(3);
});
