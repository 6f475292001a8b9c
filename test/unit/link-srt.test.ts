import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LinkShape } from '../../elements/link/bottleneck.ts';
import { scaledTo, steppedRate } from '../../elements/link/rates.ts';
import type { SrtSample } from '../../elements/patch-sender/link/estimator.ts';
import { initialSrt, srtEstimator, srtSample } from '../../elements/patch-sender/link/srt.ts';
import { seededRandom } from '../../elements/patch-sender/random.ts';
import { parseTrace } from '../../elements/patch-sender/uplink.ts';
import {
  percentile,
  simulateSrt,
  usualSender,
  type Observation,
  type SimulatedRun,
} from './srt-link.ts';

const steps = [
  { fromSeconds: 0, rateBps: 3e6 },
  { fromSeconds: 20, rateBps: 0.8e6 },
  { fromSeconds: 40, rateBps: 2e6 },
];

const shape: LinkShape = {
  carried: steppedRate(steps),
  delaySeconds: 0.02,
  jitterSeconds: 0.004,
  lossShare: 0,
  queueSeconds: 0.3,
  queueBytes: 1e9,
};

function run(link: LinkShape, seconds: number, seed: number, sender = usualSender) {
  let state = initialSrt(600e3, 3.5e6);
  return simulateSrt(
    link,
    seconds,
    (sample) => {
      state = srtSample(state, sample);
      return state.rateBps;
    },
    600e3,
    seededRandom(seed),
    sender,
  );
}

const from = (observations: readonly Observation[], a: number, b: number): Observation[] =>
  observations.filter(({ seconds }) => seconds >= a && seconds < b);

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe('the SRT estimator on a link that goes 3 -> 0.8 -> 2 Mbit/s', () => {
  const cases = [0.2, 0.3, 0.6].flatMap((queueSeconds) =>
    [0.01, 0.05].flatMap((delaySeconds) =>
      [1, 2, 3].map((seed) => ({ queueSeconds, delaySeconds, seed })),
    ),
  );
  it.each(cases)(
    'follows with a queue of $queueSeconds s and $delaySeconds s of way, seed $seed',
    ({ queueSeconds, delaySeconds, seed }) => {
      const { observations, delaysSeconds } = run(
        { ...shape, queueSeconds, delaySeconds },
        60,
        seed,
      );
      const below = observations.find((o) => o.seconds >= 20 && o.targetBps < 0.8e6);
      expect(below?.seconds).toBeLessThan(22);
      // Nor is the link overrun again when its queue has gone.
      const again = from(observations, 23, 40).map(({ targetBps }) => targetBps);
      expect(Math.max(...again)).toBeLessThan(2 * 0.8e6);
      const above = observations.find((o) => o.seconds >= 40 && o.targetBps > 0.8 * 2e6);
      expect(above?.seconds).toBeLessThan(50);
      // Neither stuck nor swinging once it has settled.
      const settled = from(observations, 26, 40).map(({ targetBps }) => targetBps);
      expect(meanOf(settled)).toBeGreaterThan(0.5 * 0.8e6);
      expect(percentile(settled, 0.9)).toBeLessThan(1.55 * 0.8e6);
      expect(percentile(delaysSeconds, 0.95)).toBeLessThan(queueSeconds + delaySeconds + 0.15);
    },
  );
});

describe('after a drop from 3 to 0.8 Mbit/s', () => {
  const dropped = (link: Partial<LinkShape>, sender = usualSender) =>
    [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => run({ ...shape, ...link }, 40, seed, sender));
  const through = ({ observations }: SimulatedRun): number =>
    meanOf(from(observations, 26, 40).map(({ sentBits }) => sentBits / 0.1));
  const missedAfter = (runs: readonly SimulatedRun[], second: number): number[] =>
    runs.map(({ missedSeconds }) => missedSeconds.filter((at) => at >= second).length);

  it.each([0.3, 0.6])(
    'no packet comes too late from 3 s on, with a queue of %s s',
    (queueSeconds) => {
      const runs = dropped({ queueSeconds });
      expect(missedAfter(runs, 23)).toEqual(runs.map(() => 0));
      expect(meanOf(runs.map(through))).toBeGreaterThan(0.85 * 0.8e6);
    },
  );

  // A packet that is lost shortly before must not make the overflow seem to begin there: what went
  // through before the drop was then taken for what the link carries, and overran it for 3 s.
  it.each([0.3, 0.6])(
    'nor where three in a thousand are lost at random, with a queue of %s s',
    (queueSeconds) => {
      const runs = dropped({ queueSeconds, lossShare: 0.003 });
      const below = runs.map(
        ({ observations }) =>
          (observations.find((o) => o.seconds >= 20 && o.targetBps < 0.8e6)?.seconds ?? Infinity) -
          20,
      );
      expect(Math.max(...below)).toBeLessThan(2);
      expect(missedAfter(runs, 23)).toEqual(runs.map(() => 0));
    },
  );

  it('fewer packets come too late where they go one after another, and more go through', () => {
    const sum = (runs: readonly SimulatedRun[]): number =>
      missedAfter(runs, 20).reduce((total, missed) => total + missed, 0);
    const paced = dropped({});
    const atOnce = dropped({}, { ...usualSender, isPaced: false });
    expect(sum(paced)).toBeLessThan(0.6 * sum(atOnce));
    expect(meanOf(paced.map(through))).toBeGreaterThan(1.05 * meanOf(atOnce.map(through)));
    // What waits does so for as long as a key frame takes.
    const held = paced.flatMap(({ heldSeconds }) => heldSeconds);
    expect(percentile(held, 0.95)).toBeLessThan(0.25);
    expect(Math.max(...held)).toBeLessThan(1.5);
  });
});

describe('the SRT estimator', () => {
  const steady = { ...shape, carried: steppedRate([{ fromSeconds: 0, rateBps: 1.5e6 }]) };

  it('does not take bursts of patches for congestion', () => {
    const calm = run(steady, 40, 5).observations;
    // 20 kB at once each two seconds: a tenth of a second of the link.
    const bursts = run(steady, 40, 5, {
      ...usualSender,
      burst: (seconds) => (Math.abs((seconds % 2) - 1) < 0.02 ? 20_000 : 0),
    });
    const rate = (observations: readonly Observation[]): number =>
      meanOf(from(observations, 15, 40).map(({ targetBps }) => targetBps));
    expect(rate(bursts.observations)).toBeGreaterThan(0.85 * rate(calm));
  });

  it('uses a link that loses 3 % of the packets at random', () => {
    const { observations } = run({ ...steady, lossShare: 0.03 }, 60, 2);
    const targets = from(observations, 30, 60).map(({ targetBps }) => targetBps);
    expect(meanOf(targets)).toBeGreaterThan(0.6 * 1.5e6);
  });

  it('recovers after a short outage', () => {
    const outage = steppedRate([
      { fromSeconds: 0, rateBps: 1.5e6 },
      { fromSeconds: 20, rateBps: 0.1e6 },
      { fromSeconds: 22, rateBps: 1.5e6 },
    ]);
    const { observations } = run({ ...steady, carried: outage }, 45, 3);
    expect(meanOf(from(observations, 36, 45).map(({ targetBps }) => targetBps))).toBeGreaterThan(
      0.7 * 1.5e6,
    );
  });

  it('does not stick at a low rate when the way becomes longer', () => {
    let state = initialSrt(1e6, 3e6);
    let sample: SrtSample = firstSample;
    for (let tenth = 1; tenth < 300; tenth++) {
      // Always below what the link carries: only the round trip changes, at second 10.
      sample = next(sample, Math.min(80_000, state.rateBps / 10), tenth < 100 ? 40 : 140);
      state = srtSample(state, sample);
    }
    expect(state.rateBps).toBeGreaterThan(0.7e6);
  });

  const firstSample: SrtSample = {
    kind: 'srt',
    timeNs: 0,
    bytesSent: 0,
    bytesRetransmitted: 0,
    packetsSent: 0,
    packetsLost: 0,
    nacks: 0,
    rttMs: 40,
  };
  const next = (sample: SrtSample, bits: number, rttMs: number): SrtSample => ({
    ...sample,
    timeNs: sample.timeNs + 100e6,
    bytesSent: sample.bytesSent + bits / 8,
    packetsSent: sample.packetsSent + Math.ceil(bits / 8 / 1316),
    rttMs,
  });

  it('does not take a machine that sends nothing for a queue that stands', () => {
    let state = initialSrt(1e6, 3e6);
    let sample = firstSample;
    const feed = (bits: number, rttMs: number): void => {
      sample = next(sample, bits, rttMs);
      state = srtSample(state, sample);
    };
    for (let tenth = 0; tenth < 50; tenth++) feed(80_000, 40 + (tenth % 3));
    // The last that was told was the end of a key frame.
    feed(80_000, 180);
    const { rateBps } = state;
    const asked = Array.from({ length: 10 }, () => {
      feed(0, 180);
      return state.rateBps;
    });
    expect(Math.min(...asked)).toBeGreaterThan(0.9 * rateBps);
  });

  it('comes back from below after an overflow, however long a queue had stood before it', () => {
    let state = initialSrt(1e6, 3e6);
    let sample = firstSample;
    const feed = (tenths: number, bits: number, rttMs: number, lost = 0): number[] =>
      Array.from({ length: tenths }, (_, tenth) => {
        // No round trip is measured while packets are missing, nor while none are sent.
        const isOld = lost > 0 || bits === 0;
        const told = { ...sample, packetsLost: sample.packetsLost + lost };
        sample = next(told, bits, isOld ? rttMs : rttMs + (tenth % 2) * 0.1);
        state = srtSample(state, sample);
        return state.rateBps;
      });
    feed(50, 100_000, 40);
    for (let rttMs = 60; rttMs < 160; rttMs += 5) feed(1, 100_000, rttMs);
    feed(4, 100_000, 160, 8);
    const overflowed = state.rateBps;
    // The machine sends nothing: nobody knows whether the queue has gone.
    feed(6, 0, 160);
    expect(state.drainingSinceNs).toBeDefined();
    const back = feed(10, 30_000, 41);
    expect(state.drainingSinceNs).toBeUndefined();
    expect(state.ceilingBps).toBeUndefined();
    expect(Math.max(...back)).toBeLessThan(1.5 * overflowed);
  });

  it('answers most packets of a moment being lost at once, by more than half', () => {
    let state = initialSrt(1e6, 3e6);
    let sample = firstSample;
    for (let tenth = 0; tenth < 50; tenth++) {
      sample = next(sample, 100_000, 40 + (tenth % 3));
      state = srtSample(state, sample);
    }
    const { rateBps } = state;
    // No round trip is measured while packets are missing.
    for (let tenth = 0; tenth < 3; tenth++) {
      sample = next({ ...sample, packetsLost: sample.packetsLost + 7 }, 100_000, 42);
      state = srtSample(state, sample);
    }
    expect(state.rateBps).toBeLessThan(0.45 * rateBps);
    expect(state.rateBps).toBeGreaterThan(0.3 * rateBps);
  });

  it('does not run away from what is really sent', () => {
    let state = initialSrt(300e3, 100e6);
    let sample = firstSample;
    for (let tenth = 0; tenth < 600; tenth++) {
      sample = next(sample, 20_000, 20);
      state = srtSample(state, sample);
    }
    expect(state.rateBps).toBeLessThanOrEqual(1.5 * 200e3 + 50_001);
  });

  it('begins afresh when the counters of a new connection start at 0', () => {
    let state = initialSrt(1e6, 3e6);
    let sample = firstSample;
    for (let tenth = 0; tenth < 50; tenth++) {
      sample = next(sample, 80_000, 40);
      state = srtSample(state, sample);
    }
    const { rateBps } = state;
    state = srtSample(state, { ...firstSample, timeNs: sample.timeNs + 100e6 });
    expect(state.rateBps).toBe(rateBps);
  });

  it('stays within its bounds and finite whatever the counters say', () => {
    const counter = fc.integer({ min: 0, max: 2 ** 40 });
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            counter,
            counter,
            counter,
            counter,
            fc.double({ min: 0, max: 1e5, noNaN: true }),
          ),
        ),
        (samples) => {
          let state = initialSrt(500e3, 2e6);
          samples.forEach(([timeNs, bytesSent, packetsSent, packetsLost, rttMs]) => {
            const sample = { ...firstSample, timeNs, bytesSent, packetsSent, packetsLost, rttMs };
            state = srtSample(state, sample);
            expect(state.rateBps).toBeGreaterThanOrEqual(100e3);
            expect(state.rateBps).toBeLessThanOrEqual(2e6);
          });
        },
      ),
    );
  });

  it('takes the overhead of the transport off', () => {
    const estimator = srtEstimator(1e6, 1e6);
    let sample = firstSample;
    for (let tenth = 0; tenth < 300; tenth++) {
      sample = next(sample, 125_000, 20);
      estimator.handle({ kind: 'media', bytes: 100_000 / 8 });
      estimator.handle(sample);
    }
    const wire = srtEstimator(1e6, 1e6).estimateBps(0) * 1.12;
    expect(estimator.estimateBps(0) * 1.25).toBeGreaterThan(0.99 * wire);
  });
});

describe('the SRT estimator on a trace', () => {
  // A slow wave between 0.4 and 2.4 Mbit/s, as a two-column trace.
  const text = Array.from({ length: 121 }, (_, second) => {
    return `${second} ${(1.4 + Math.sin((second / 40) * 2 * Math.PI)).toFixed(3)}`;
  }).join('\n');
  const carried = scaledTo(parseTrace(text, 'wave'), 120, 1.4e6);

  it('uses most of what is there without standing queues', () => {
    const { observations, delaysSeconds } = run({ ...shape, carried }, 120, 9);
    const asked = meanOf(from(observations, 20, 120).map(({ targetBps }) => targetBps));
    expect(asked).toBeGreaterThan(0.6 * 1.4e6);
    expect(asked).toBeLessThan(1.05 * 1.4e6);
    expect(percentile(delaysSeconds, 0.5)).toBeLessThan(0.15);
  });

  it('gives the same series for the same events', () => {
    expect(run({ ...shape, carried }, 20, 4)).toEqual(run({ ...shape, carried }, 20, 4));
  });
});
