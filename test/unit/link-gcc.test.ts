import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bottleneck, type LinkShape } from '../../elements/link/bottleneck.ts';
import { steppedRate } from '../../elements/link/rates.ts';
import type { PacketReport } from '../../elements/patch-sender/link/estimator.ts';
import {
  gccRateBps,
  initialGcc,
  twccReport,
} from '../../elements/patch-sender/link/gcc/estimator.ts';
import { addPacket, noGroups } from '../../elements/patch-sender/link/gcc/groups.ts';
import { lossRate } from '../../elements/patch-sender/link/gcc/loss.ts';
import { detect, initialDetector } from '../../elements/patch-sender/link/gcc/overuse.ts';
import {
  initialDelayRate,
  nextState,
  updateRate,
} from '../../elements/patch-sender/link/gcc/rate.ts';
import {
  addVariation,
  modifiedTrendMs,
  noTrend,
} from '../../elements/patch-sender/link/gcc/trendline.ts';
import { seededRandom } from '../../elements/patch-sender/random.ts';

describe('the state table of draft-ietf-rmcat-gcc-02, 5.5', () => {
  it.each([
    ['overuse', 'hold', 'decrease'],
    ['overuse', 'increase', 'decrease'],
    ['overuse', 'decrease', 'decrease'],
    ['normal', 'hold', 'increase'],
    ['normal', 'increase', 'increase'],
    ['normal', 'decrease', 'hold'],
    ['underuse', 'hold', 'hold'],
    ['underuse', 'increase', 'hold'],
    ['underuse', 'decrease', 'hold'],
  ] as const)('on %s goes from %s to %s', (signal, state, next) => {
    expect(nextState(state, signal)).toBe(next);
  });
});

describe('groups of packets', () => {
  const packet = (sequence: number, sentMs: number, arrivedMs: number) => ({
    sequence,
    sentNs: sentMs * 1e6,
    arrivedNs: arrivedMs * 1e6,
    bytes: 1200,
  });

  it('are what was sent within 5 ms, and their variation is the extra time between arrivals', () => {
    const packets = [packet(0, 0, 100), packet(1, 3, 104), packet(2, 20, 121), packet(3, 40, 150)];
    let groups = noGroups;
    const variations = [];
    for (const each of packets) {
      const added = addPacket(groups, each);
      ({ groups } = added);
      if (added.variation) variations.push(added.variation.delayMs);
    }
    // 104 -> 121 for 3 -> 20; the third group is still open.
    expect(variations).toEqual([0]);
    expect(addPacket(groups, packet(4, 60, 170)).variation?.delayMs).toBeCloseTo(9);
  });

  it('hold what was let go together after a stop', () => {
    let { groups } = addPacket(noGroups, packet(0, 0, 100));
    ({ groups } = addPacket(groups, packet(1, 20, 101)));
    expect(groups.before).toBeUndefined();
    expect(groups.current?.lastSentNs).toBe(20e6);
  });
});

describe('the trend', () => {
  const after = (delayMs: number): number => {
    let trend = noTrend;
    for (let i = 0; i < 40; i++) trend = addVariation(trend, { arrivedNs: i * 20e6, delayMs });
    return modifiedTrendMs(trend);
  };
  it('is flat for steady delays, positive for growing, negative for falling ones', () => {
    expect(after(0)).toBe(0);
    expect(after(1)).toBeGreaterThan(5);
    expect(after(-1)).toBeLessThan(-5);
  });
});

describe('the overuse detector', () => {
  it('signals only what lasts longer than 10 ms and grows on', () => {
    const first = detect(initialDetector, 13, 0);
    expect(first.signal).toBe('normal');
    expect(detect(first, 14, 5).signal).toBe('normal');
    expect(detect(detect(first, 14, 10), 14.5, 20).signal).toBe('overuse');
    expect(detect(detect(first, 14, 10), 13.9, 20).signal).toBe('normal');
  });

  it('signals underuse below the threshold at once', () => {
    expect(detect(initialDetector, -13, 0).signal).toBe('underuse');
  });

  it('adapts its threshold: up fast, down slowly, never out of 6 to 600 ms, not to spikes', () => {
    const at = (trendMs: number, times: number): number => {
      let detector = initialDetector;
      for (let i = 0; i < times; i++) detector = detect(detector, trendMs, i * 20);
      return detector.thresholdMs;
    };
    expect(at(20, 50)).toBeGreaterThan(15);
    expect(at(0, 50)).toBeLessThan(12.5);
    expect(at(0, 50)).toBeGreaterThan(10);
    expect(at(0, 20_000)).toBe(6);
    expect(at(500, 50)).toBe(12.5);
  });
});

describe('the rate that the delay allows', () => {
  const input = { nowMs: 0, signal: 'normal', receivedBps: 1e6, rttMs: 50, mostBps: 1e8 } as const;

  it('goes to 0.85 of what was received on overuse', () => {
    const rate = updateRate(initialDelayRate(1.2e6), { ...input, signal: 'overuse' });
    expect(rate).toMatchObject({ state: 'decrease', rateBps: 0.85e6 });
  });

  it('grows by 8 % a second while it knows of no limit, and by about a packet a round trip near one', () => {
    let rate = initialDelayRate(1e6);
    for (let i = 0; i <= 10; i++) rate = updateRate(rate, { ...input, nowMs: i * 100 });
    expect(rate.rateBps).toBeGreaterThan(1.06e6);
    expect(rate.rateBps).toBeLessThan(1.081e6);
    let near = updateRate(initialDelayRate(1.2e6), { ...input, signal: 'overuse' });
    for (let i = 1; i <= 12; i++) near = updateRate(near, { ...input, nowMs: i * 100 });
    expect(near.rateBps).toBeGreaterThan(0.86e6);
    expect(near.rateBps).toBeLessThan(0.95e6);
  });

  it('does not grow above 1.5 times what is received', () => {
    let rate = initialDelayRate(1e6);
    for (let i = 0; i <= 300; i++) {
      rate = updateRate(rate, { ...input, receivedBps: 0.8e6, nowMs: i * 100 });
    }
    expect(rate.rateBps).toBe(1.21e6);
  });
});

describe('the rate that losses allow', () => {
  it.each([
    [0, 1.05e6],
    [0.019, 1.05e6],
    [0.05, 1e6],
    [0.1, 1e6],
    [0.2, 0.9e6],
    [0.5, 0.75e6],
  ])('at a loss of %f goes from 1 Mbit/s to %f', (loss, expected) => {
    expect(lossRate(1e6, loss)).toBeCloseTo(expected);
  });
});

interface Step {
  readonly seconds: number;
  readonly rateBps: number;
}

/** Video paced over its frame time, over a link, with a report each 100 ms. */
function run(link: Partial<LinkShape>, seconds: number): Step[] {
  const random = seededRandom(1);
  const shape: LinkShape = {
    carried: steppedRate([
      { fromSeconds: 0, rateBps: 3e6 },
      { fromSeconds: 30, rateBps: 0.8e6 },
      { fromSeconds: 50, rateBps: 2e6 },
    ]),
    delaySeconds: 0.02,
    jitterSeconds: 0.002,
    lossShare: 0,
    queueSeconds: 0.3,
    queueBytes: 1e9,
    ...link,
  };
  const bottleneck = new Bottleneck(shape, random);
  let state = initialGcc(600e3, 3.5e6);
  let rateBps = 600e3;
  let sequence = 0;
  const underway: { readonly report: PacketReport; readonly toldSeconds: number }[] = [];
  const steps: Step[] = [];
  for (let frame = 0; frame < seconds * 30; frame++) {
    const now = frame / 30;
    rateBps += (gccRateBps(state) - rateBps) / 15;
    let bytes = (rateBps / 30 / 8) * (0.7 + 0.6 * random());
    for (let i = 0; bytes > 0; bytes -= 1200, i++) {
      const size = Math.min(1200, bytes);
      const sentSeconds = now + i * 0.003;
      const passage = bottleneck.pass(sentSeconds, size);
      const isHere = passage.kind === 'delivered';
      underway.push({
        report: {
          sequence: sequence++ & 0xffff,
          sentNs: sentSeconds * 1e9,
          arrivedNs: isHere ? passage.atSeconds * 1e9 + 7e14 : null,
          bytes: size,
        },
        toldSeconds: isHere ? passage.atSeconds + shape.delaySeconds : sentSeconds + 0.4,
      });
    }
    if (frame % 3 !== 0) continue;
    // Feedback tells of packets in their order.
    const untold = underway.findIndex(({ toldSeconds }) => toldSeconds > now);
    const told = underway.splice(0, untold < 0 ? underway.length : untold);
    const packets = told.map(({ report }) => report);
    state = twccReport(state, { kind: 'twcc', timeNs: now * 1e9, packets });
    steps.push({ seconds: now, rateBps: gccRateBps(state) });
  }
  return steps;
}

describe('Google congestion control over a link that goes 3 -> 0.8 -> 2 Mbit/s', () => {
  const steps = run({}, 80);
  const within = (from: number, to: number): number[] =>
    steps.filter(({ seconds }) => seconds >= from && seconds < to).map(({ rateBps }) => rateBps);

  it('grows to most of the first rate', () => {
    expect(Math.max(...within(20, 30))).toBeGreaterThan(2e6);
  });

  it('is below the second within two seconds and stays around it', () => {
    expect(Math.min(...within(30, 32))).toBeLessThan(0.8e6);
    expect(Math.max(...within(34, 50))).toBeLessThan(1.1 * 0.8e6);
    expect(Math.min(...within(36, 50))).toBeGreaterThan(0.6 * 0.8e6);
  });

  it('finds the third', () => {
    expect(Math.max(...within(50, 70))).toBeGreaterThan(0.8 * 2e6);
  });

  it('lowers its rate where a fifth of the packets is lost', () => {
    const lossy = run({ lossShare: 0.2, carried: (seconds) => seconds * 3e6 }, 20);
    expect(lossy.at(-1)?.rateBps).toBeLessThan(300e3);
  });
});

describe('feedback that cannot be true', () => {
  it('leaves a rate within bounds', () => {
    const number = fc.double({ min: -1e18, max: 1e18, noNaN: true });
    const packet = fc.record({
      sequence: fc.integer({ min: 0, max: 65_535 }),
      sentNs: number,
      arrivedNs: fc.option(number),
      bytes: fc.integer({ min: 0, max: 65_535 }),
    });
    fc.assert(
      fc.property(fc.array(fc.array(packet)), (reports) => {
        let state = initialGcc(500e3, 2e6);
        reports.forEach((packets, i) => {
          state = twccReport(state, { kind: 'twcc', timeNs: i * 1e8, packets });
          expect(gccRateBps(state)).toBeGreaterThan(0);
          expect(gccRateBps(state)).toBeLessThanOrEqual(2e6);
        });
      }),
    );
  });

  it('counts a packet once, however often it is told of', () => {
    const packets = [{ sequence: 5, sentNs: 0, arrivedNs: 10, bytes: 1000 }];
    const once = twccReport(initialGcc(5e5, 1e6), { kind: 'twcc', timeNs: 1e8, packets });
    expect(twccReport(once, { kind: 'twcc', timeNs: 2e8, packets })).toBe(once);
  });
});
