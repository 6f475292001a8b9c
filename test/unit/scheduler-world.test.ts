// The scheduler in a world whose laws are known: video as the class's curve has it, training that gains
// with the patches sent and loses with time. There the best that could have been done can be searched
// for, as the paper's figure 5 does.
import { describe, expect, it } from 'vitest';
import { curveOf, type Curve } from '../../elements/patch-sender/curves.ts';
import {
  initialScheduler,
  newsCame,
  patchesSent,
  pictureSeen,
  schedule,
} from '../../elements/patch-sender/scheduler.ts';
import { schedules, type ScheduleName } from '../../elements/patch-sender/schedules.ts';

interface World {
  readonly uplinkBps: (second: number) => number;
  /** What training can gain at most, dB. */
  readonly mostGainDb: number;
  /** Patches that gain 63 % of it, bits. */
  readonly gainBits: number;
  /** The content changes: what was learned is worth 37 % after this. */
  readonly forgetsSeconds: number;
}

const seconds = 180;
const pixelsPerSecond = 640 * 360 * 25;
const curve = curveOf('default');
const bestPsnrDb = 44;
const leastVideoBps = 200_000;

function qualityAt(points: Curve, videoBps: number): number {
  const bitsPerPixel = Math.max(1e-4, videoBps / pixelsPerSecond);
  const found = points.findIndex((point) => point.bitsPerPixel > bitsPerPixel);
  const upper = Math.max(1, found < 0 ? points.length - 1 : found);
  const [a, b] = [points[upper - 1], points[upper]];
  if (!a || !b) return NaN;
  const share = Math.log(bitsPerPixel / a.bitsPerPixel) / Math.log(b.bitsPerPixel / a.bitsPerPixel);
  return Math.min(1, a.quality + share * (b.quality - a.quality));
}

const gainAfter = (world: World, gainDb: number, patchBits: number): number =>
  (gainDb + (world.mostGainDb - gainDb) * (1 - Math.exp(-patchBits / world.gainBits))) *
  Math.exp(-1 / world.forgetsSeconds);

/** Mean quality of what is shown when `patchBps` decides each second. */
function play(
  world: World,
  patchBps: (second: number, gainDb: number, psnrDb: number) => number,
): number {
  let gainDb = 0;
  let sum = 0;
  let psnrDb = 36;
  for (let second = 0; second < seconds; second++) {
    const uplinkBps = world.uplinkBps(second);
    const room = Math.max(0, uplinkBps - leastVideoBps);
    const patchesBps = Math.min(room, patchBps(second, gainDb, psnrDb));
    psnrDb = bestPsnrDb * qualityAt(curve, uplinkBps - patchesBps);
    gainDb = gainAfter(world, gainDb, patchesBps);
    sum += psnrDb + gainDb;
  }
  return sum / seconds;
}

function scheduled(world: World, name: ScheduleName): number {
  let state = initialScheduler;
  let lastGainDb = 0;
  return play(world, (second, gainDb, psnrDb) => {
    if (second > 0 && second % 5 === 0) {
      state = newsCame(
        state,
        { state: 'training', epochGainDb: gainDb - lastGainDb },
        second * 1e9,
      );
      lastGainDb = gainDb;
    }
    state = pictureSeen(state, 255 ** 2 / 10 ** (psnrDb / 10));
    const bytes = state.plan.videoBitrateBps / 8;
    state = schedule(
      state,
      {
        schedule: schedules[name],
        curve,
        patchesOn: true,
        patchBitrateBps: 0,
        minVideoBitrateBps: leastVideoBps,
        limitsFrames: false,
        expectsFeedback: true,
        pixelsPerSecond,
      },
      world.uplinkBps(second),
      { bytes },
      second * 1e9,
    );
    state = patchesSent(state, state.plan.patchBitrateBps / 8);
    return state.plan.patchBitrateBps;
  });
}

/** The best of one rate for each 5 s, in steps, improved window by window until nothing helps. */
function optimal(world: World, stepBps: number): number {
  const rates = Array.from({ length: seconds / 5 }, () => 0);
  const score = (): number => play(world, (second) => rates[Math.floor(second / 5)] ?? 0);
  let best = score();
  for (let pass = 0; pass < 6; pass++) {
    const before = best;
    for (const window of rates.keys()) {
      for (let rateBps = 0; rateBps <= 20 * stepBps; rateBps += stepBps) {
        const kept = rates[window] ?? 0;
        rates[window] = rateBps;
        const now = score();
        if (now > best) best = now;
        else rates[window] = kept;
      }
    }
    if (best - before < 1e-4) break;
  }
  return best;
}

const uplinks = {
  'a steady uplink': () => 600e3,
  'an uplink that swings': (second: number) => 700e3 + 350e3 * Math.sin(second / 12),
  'an uplink with steps': (second: number) => (Math.floor(second / 30) % 2 === 0 ? 1.2e6 : 450e3),
};

const contents = {
  'camera footage': { mostGainDb: 0.5, gainBits: 250e3, forgetsSeconds: 90 },
  graphics: { mostGainDb: 2.5, gainBits: 500e3, forgetsSeconds: 120 },
};

describe('residual patches', () => {
  const cases = Object.entries(uplinks).flatMap(([uplink, uplinkBps]) =>
    Object.entries(contents).map(([content, laws]) => ({ uplink, content, uplinkBps, ...laws })),
  );

  const results = cases.map((world) => {
    const fixed = [10e3, 25e3, 50e3, 100e3].map((rateBps) => play(world, () => rateBps));
    const byScheduler = scheduled(world, 'residual');
    return {
      name: `${world.content} over ${world.uplink}`,
      belowOptimumDb: optimal(world, 5000) - byScheduler,
      aboveFixedDb: fixed.map((quality) => byScheduler - quality),
    };
  });
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;

  it.each(results)('are scheduled nearly as well as can be: $name', ({ belowOptimumDb }) => {
    expect(belowOptimumDb).toBeLessThan(0.2);
    // The search is no better than its steps.
    expect(belowOptimumDb).toBeGreaterThan(-0.02);
  });

  it('are within 0.1 dB of the optimum and above every fixed rate on average', () => {
    expect(mean(results.map(({ belowOptimumDb }) => belowOptimumDb))).toBeLessThan(0.1);
    for (const rate of [0, 1, 2, 3]) {
      expect(mean(results.map(({ aboveFixedDb }) => aboveFixedDb[rate] ?? NaN))).toBeGreaterThan(
        -0.01,
      );
    }
  });
});

describe("the paper's constants", () => {
  it('suit patches that are dear: better than any small rate, near the best', () => {
    const world = {
      uplinkBps: () => 900e3,
      mostGainDb: 3,
      gainBits: 5e6,
      forgetsSeconds: 300,
    };
    const byScheduler = scheduled(world, 'livenas');
    expect(byScheduler).toBeGreaterThan(play(world, () => 25e3));
    expect(byScheduler).toBeGreaterThan(optimal(world, 25_000) - 0.35);
  });
});
