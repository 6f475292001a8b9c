// `livesr eval` whole, on a made clip: schemes that are to have equal bits have them, and what it says
// twice is the same.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { evaluate, type SchemeName } from '../../elements/measure/evaluate.ts';
import { quoted, runPipeline } from '../../elements/measure/pipeline.ts';
import { openUplink } from '../../elements/measure/uplink.ts';

let folder = '';
let clip = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'livesr-e2e-'));
  clip = join(folder, 'clip.avi');
  // Bars that move, and noise: a size for every rate.
  await runPipeline({
    name: 'making a clip',
    launch:
      'videotestsrc num-buffers=100 pattern=smpte horizontal-speed=3 ' +
      '! video/x-raw,format=I420,width=480,height=272,framerate=25/1 ' +
      `! x264enc speed-preset=veryfast pass=quant quantizer=8 ! avimux ! filesink location=${quoted(clip)}`,
  });
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const evaluated = (schemes: readonly SchemeName[], patchesPerSecond = 0) =>
  evaluate({
    clips: [clip],
    switchSeconds: 30,
    scale: 2,
    uplink: openUplink('300', 4),
    seconds: 4,
    schemes,
    stepsPerSecond: 20,
    patchBitrateBps: 25_000,
    patchesPerSecond,
    residualStep: 0,
    seed: 1,
    onProgress: () => undefined,
  });

test('beside all the ladder has as many bits as that has sent, in whatever order they are named', async () => {
  const { schemes } = await evaluated(['ladder', 'all']);
  const { all, ladder } = schemes;
  const sent = (all?.videoKbps ?? NaN) + (all?.patchKbps ?? NaN);
  expect(ladder?.videoKbps).toBeLessThanOrEqual(sent * 1.001);
  expect(ladder?.videoKbps).toBeGreaterThan(sent * 0.97);
});

test('patches by number are compared beside the very same video, and the same again gives the same', async () => {
  const first = await evaluated(['raw', 'residual'], 10);
  const second = await evaluated(['raw', 'residual'], 10);
  expect(second).toEqual(first);
  const { raw, residual } = first.schemes;
  expect(raw?.videoKbps).toBe(residual?.videoKbps);
  expect(raw?.bytesPerPatch).toBeGreaterThan(2 * (residual?.bytesPerPatch ?? NaN));
});
