import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { means, pairs, type ContestEvaluation } from '../../elements/measure/contest.ts';
import type { MeasuredScheme } from '../../elements/measure/evaluate.ts';
import {
  bestWindows,
  longestQueueSeconds,
  mostInSpan,
  mostPatchKbps,
  searched,
  sharingScheme,
} from '../../elements/measure/sharing.ts';
import { sharingPage, steps } from '../../elements/measure/sharing-plot.ts';
import type { SchemeRun } from '../../elements/measure/summary.ts';
import { scaledTrace } from '../../elements/measure/uplink.ts';

const folder = mkdtempSync(join(tmpdir(), 'livesr-sharing-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const steady =
  (bps: number) =>
  (seconds: number): number =>
    bps * seconds;

/** Ten buffers a second of `bytes` each. */
const sending = (seconds: number, bytes: (timeSeconds: number) => number) =>
  Array.from({ length: seconds * 10 }, (_, i) => ({
    timeSeconds: i / 10,
    bytes: bytes(i / 10),
  }));

describe('the names of the schemes', () => {
  it.each([
    ['fixed:25', 'fixed:25'],
    ['fixed:025', 'fixed:25'],
    ['fixed:0', 'fixed:0'],
    ['scheduled', 'scheduled'],
    ['optimal', 'optimal'],
  ])('%s is %s', (word, name) => {
    expect(sharingScheme(word)).toBe(name);
  });

  it.each(['fixed:', 'fixed:-5', 'fixed:x', 'fixed', 'fixed:1e9', 'fixed:200000'])(
    'do not include %s',
    (word) => {
      expect(sharingScheme(word)).toBeUndefined();
    },
  );
});

describe('what was sent within any 2 s', () => {
  it('is all that the uplink carries when the stream fills it', () => {
    expect(
      mostInSpan(
        sending(10, () => 1250),
        steady(100e3),
        10,
      ),
    ).toBeCloseTo(1);
  });

  it('has as many frames as go into 2 s, whatever their times are rounded to', () => {
    const film = Array.from({ length: 240 }, (_, i) => ({ timeSeconds: i / 24, bytes: 1000 }));
    expect(mostInSpan(film, steady(192e3), 10)).toBeCloseTo(1, 9);
  });

  it('is found where the burst is', () => {
    const burst = sending(10, (time) => (time === 5 ? 1250 + 5000 : 1250));
    expect(mostInSpan(burst, steady(100e3), 10)).toBeCloseTo(1.2);
  });

  it('is compared with what the uplink carries in those very seconds', () => {
    const falling = (seconds: number): number =>
      seconds < 5 ? 100e3 * seconds : 500e3 + 50e3 * (seconds - 5);
    expect(
      mostInSpan(
        sending(10, () => 1250),
        falling,
        10,
      ),
    ).toBeCloseTo(2);
  });
});

describe('the queue before a link of just the rate', () => {
  it('is as long as a burst takes', () => {
    const burst = sending(4, (time) => (time === 1 ? 12_500 : 0));
    expect(longestQueueSeconds(burst, steady(100e3))).toBeCloseTo(1, 1);
  });

  it('does not use what the link carried before', () => {
    const twice = sending(4, (time) => (time === 0 || time === 3 ? 12_500 : 0));
    expect(longestQueueSeconds(twice, steady(100e3))).toBeCloseTo(1, 1);
  });
});

function run(psnrDb: (timeSeconds: number) => number, bytes: number): SchemeRun {
  const times = Array.from({ length: 12 }, (_, second) => second);
  return {
    frames: times.map((timeSeconds) => ({
      timeSeconds,
      psnrDb: psnrDb(timeSeconds),
      ssim: null,
      bicubicPsnrDb: 30,
    })),
    video: times.map((timeSeconds) => ({ timeSeconds, bytes })),
    packets: [],
    seconds: 12,
  };
}

describe('the offline optimum', () => {
  const early = { kbps: 100, run: run((second) => (second < 5 ? 33 : 31), 100) };
  const late = { kbps: 0, run: run((second) => (second < 5 ? 30 : 32), 1) };
  const best = bestWindows([late, early]);

  it('takes of each 5 s the better run, its bits included', () => {
    expect(best.windowsKbps).toEqual([100, 0, 0]);
    expect(best.run.frames.map(({ psnrDb }) => psnrDb)).toEqual([
      ...new Array<number>(5).fill(33),
      ...new Array<number>(7).fill(32),
    ]);
    expect(best.run.video.map(({ bytes }) => bytes)).toEqual([
      ...new Array<number>(5).fill(100),
      ...new Array<number>(7).fill(1),
    ]);
  });
});

describe('the rates that the optimum is searched among', () => {
  /** PSNR of the windows of 12 s at each step of 25 kbit/s; beyond the last step no run is expected. */
  const ratesTried = async (steps: readonly (readonly number[])[], mostKbps = Infinity) => {
    const candidates = await searched(mostKbps, (kbps) => {
      const windows = steps[kbps / 25] ?? [];
      return Promise.resolve(run((second) => windows[Math.floor(second / 5)] ?? NaN, 100));
    });
    return candidates.map(({ kbps }) => kbps);
  };

  it('go on while any window gains by the last step', async () => {
    const steps = [
      [30, 30, 30],
      [29, 31, 30.5],
      [28, 30.5, 30.6],
      [27, 30, 30.4],
    ];
    expect(await ratesTried(steps)).toEqual([0, 25, 50, 75]);
  });

  it('go on from one that is best nowhere but not worse everywhere', async () => {
    const steps = [
      [33, 33, 33],
      [30, 30, 30.5],
      [29, 29, 30.6],
      [28, 28, 34],
      [27, 27, 33],
    ];
    expect(await ratesTried(steps.slice(1))).toEqual([0, 25, 50, 75]);
    expect(await ratesTried(steps)).toEqual([0, 25]);
  });

  it('end where only the least video is left', async () => {
    const rising = Array.from({ length: 20 }, (_, i) => [30 + i, 30 + i, 30 + i]);
    const carried = (seconds: number): number => 250e3 * seconds + (seconds > 3 ? 60e3 : 0);
    expect(mostPatchKbps(carried, 12)).toBeCloseTo(110);
    expect(await ratesTried(rising, 110)).toEqual([0, 25, 50, 75, 100, 125]);
  });

  it('are none but 0 on an uplink that has no room for patches', async () => {
    expect(mostPatchKbps(steady(150e3), 12)).toBe(0);
    expect(await ratesTried([[30, 30, 30]], 0)).toEqual([0]);
  });
});

describe('a scaled trace', () => {
  const trace = join(folder, 'steps.trace');
  writeFileSync(trace, '0 1\n1 2\n2 0.01\n3 30\n4 1\n');
  const range = { lowKbps: 400, highKbps: 3000 };

  it('keeps each second within the range', () => {
    const { carried } = scaledTrace(trace, 4, range);
    const seconds = [0, 1, 2, 3].map((second) => carried(second + 1) - carried(second));
    expect(Math.min(...seconds)).toBeCloseTo(400e3);
    expect(Math.max(...seconds)).toBeCloseTo(3000e3);
  });

  it('has the geometric mean of the range where nothing is cut off', () => {
    const even = join(folder, 'even.trace');
    writeFileSync(even, '0 7\n1 8\n2 9\n3 7\n');
    const { kbps } = scaledTrace(even, 3, range);
    expect(kbps).toBeCloseTo(Math.sqrt(400 * 3000));
  });
});

describe('clips and traces', () => {
  it('meet all, or as many as each clip is given in turn', () => {
    expect(pairs(['a', 'b'], ['x', 'y', 'z'], 0)).toHaveLength(6);
    expect(pairs(['a', 'b', 'c'], ['x', 'y', 'z'], 2).map((p) => p.clip + p.trace)).toEqual([
      'ax',
      'ay',
      'by',
      'bz',
      'cz',
      'cx',
    ]);
  });

  it('are averaged scheme by scheme, the worst 2 s of all kept', () => {
    const scheme = (psnrYDb: number, most: number): MeasuredScheme => {
      const span = {
        psnrYDb,
        ssim: 1,
        gainOverBilinearDb: 0,
        gainOverBicubicDb: 0,
        worstSecondOverBicubicDb: 0,
        videoKbps: 1,
        patchKbps: 1,
        patchesPerSecond: 1,
        bytesPerPatch: 1,
      };
      const sharing = { filled: 0.9, mostInSpan: most, longestQueueSeconds: 0.1, plans: [] };
      return { ...span, first10s: span, perSecond: [], sharing };
    };
    const one = (scheduled: number, optimal: number, most: number): ContestEvaluation => ({
      clip: 'c',
      trace: 't',
      scale: 2,
      uplinkKbps: 600,
      seconds: 30,
      schemes: { scheduled: scheme(scheduled, most), optimal: scheme(optimal, 0.5) },
    });
    const { scheduled } = means([one(30, 30.2, 0.9), one(40, 40.1, 0.99)]);
    expect(scheduled?.psnrYDb).toBeCloseTo(35);
    expect(scheduled?.overOptimalDb).toBeCloseTo(-0.15);
    expect(scheduled?.mostInSpan).toBe(0.99);
  });
});

describe('the page of the scheduler', () => {
  it('holds a rate until the next one', () => {
    expect(
      steps(
        [
          [0, 5],
          [2, 7],
        ],
        3,
      ),
    ).toEqual([
      [0, 5],
      [2, 5],
      [2, 7],
      [3, 7],
    ]);
  });

  it('shows uplink, patches and gradients of each evaluation that was scheduled', () => {
    const plan = (timeSeconds: number, gainByPatchesDb: number | null) => ({
      timeSeconds,
      uplinkBps: 600e3,
      patchBps: 30e3,
      gainByPatchesDb,
      gainByVideoDb: 0.1,
    });
    const sharing = {
      filled: 0.9,
      mostInSpan: 0.9,
      longestQueueSeconds: 0.1,
      plans: [plan(0, null), plan(1, 7)],
    };
    const span = {
      psnrYDb: 30,
      ssim: 1,
      gainOverBilinearDb: 0,
      gainOverBicubicDb: 0,
      worstSecondOverBicubicDb: 0,
      videoKbps: 500,
      patchKbps: 30,
      patchesPerSecond: 1,
      bytesPerPatch: 1,
    };
    const second = { second: 0, psnrYDb: 30, overBicubicDb: 1, videoKbps: 500, patchKbps: 30 };
    const scheduled = { ...span, first10s: span, perSecond: [{ ...second, patches: 1 }], sharing };
    const evaluation = { clip: 'a/x<y.mp4', trace: 't', scale: 2, uplinkKbps: 600, seconds: 2 };
    const page = sharingPage([
      { ...evaluation, schemes: { scheduled } },
      { ...evaluation, schemes: {} },
    ]);
    expect(page.match(/<svg class="chart"/g)).toHaveLength(3);
    expect(page).toContain('x&lt;y.mp4 over t, 600 kbit/s');
    expect(page).not.toContain('NaN');
  });
});
