// What the controller takes the uplink to carry when nobody measures it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  initialEstimate,
  lowestSentBps,
  observe,
  type UplinkEstimate,
  type UplinkObservation,
} from '../../obs-script/controller/unmeasured-uplink.ts';

const capBps = 3e6;
const well: Omit<UplinkObservation, 'nowMs'> = {
  capBps,
  congestion: 0,
  droppedFrames: 0,
  sentBps: 2.9e6,
  audioBps: 1e5,
  lowestSentBps: 2.9e6,
  goodputBps: null,
};

/** One observation a second from `from` on. */
function watch(
  uplink: UplinkEstimate,
  from: number,
  seconds: number,
  change: Partial<UplinkObservation> = {},
): UplinkEstimate {
  let now = uplink;
  for (let second = from; second < from + seconds; second++) {
    now = observe(now, { ...well, nowMs: second * 1000, ...change });
  }
  return now;
}

describe('the uplink of a stream that goes straight to the server', () => {
  const start = initialEstimate(capBps, 0);

  it('is the cap while all is well', () => {
    expect(watch(start, 0, 60).capacityBps).toBe(capBps);
  });

  it('is less than what went through, when OBS is congested or drops frames', () => {
    const congested = observe(start, { ...well, nowMs: 1000, congestion: 0.6, sentBps: 1.5e6 });
    expect(congested.capacityBps).toBeCloseTo(1.35e6);
    const dropping = observe(start, { ...well, nowMs: 1000, droppedFrames: 3, sentBps: 2e6 });
    expect(dropping.capacityBps).toBeCloseTo(1.8e6);
  });

  it('is less than what arrived, when less arrives than goes out', () => {
    const told = observe(start, { ...well, nowMs: 1000, goodputBps: 1e6 });
    expect(told.capacityBps).toBeCloseTo(0.99e6);
    expect(observe(start, { ...well, nowMs: 1000, goodputBps: 2.6e6 }).capacityBps).toBe(capBps);
  });

  it('is not lowered by sound, which the server does not count', () => {
    const small = { sentBps: 8e5, lowestSentBps: 8e5, audioBps: 1.6e5, goodputBps: 6.2e5 };
    expect(watch(start, 0, 60, small).capacityBps).toBe(capBps);
  });

  it('is not lowered by a stream whose rate has risen since the epoch of the report', () => {
    const sent = [...Array(11).keys()].map((second) => ({
      atMs: second * 1000,
      bytes: second * 1e5 + Math.max(0, second - 5) * 2e5,
    }));
    const lowest = lowestSentBps(sent);
    expect(lowest).toBeCloseTo(8e5);
    expect(lowestSentBps(sent.slice(1))).toBeNull();
    const seen = { ...well, nowMs: 10_000, sentBps: 2.4e6, lowestSentBps: lowest };
    expect(observe(start, { ...seen, goodputBps: 1.1e6 }).capacityBps).toBe(capBps);
    expect(observe(start, { ...seen, goodputBps: 5e5 }).capacityBps).toBeLessThan(capBps);
  });

  it('gives the encoder time to follow before it is lowered again', () => {
    const bad = { congestion: 0.6, sentBps: 1.5e6 };
    const first = watch(start, 1, 1, bad);
    expect(watch(first, 2, 3, bad).capacityBps).toBe(first.capacityBps);
    expect(watch(first, 2, 4, bad).capacityBps).toBeLessThan(first.capacityBps);
  });

  it('comes back to the cap when it has been quiet, slowly', () => {
    const low = watch(start, 1, 1, { congestion: 0.6, sentBps: 1.5e6 });
    expect(watch(low, 2, 9).capacityBps).toBe(low.capacityBps);
    const later = watch(low, 2, 30);
    expect(later.capacityBps).toBeGreaterThan(low.capacityBps);
    expect(later.capacityBps).toBeLessThan(2.2e6);
    expect(watch(low, 2, 120).capacityBps).toBe(capBps);
  });

  it('stays within the cap, whatever is seen', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            congestion: fc.double({ min: 0, max: 1, noNaN: true }),
            droppedFrames: fc.nat(100),
            sentBps: fc.nat(1e8),
            audioBps: fc.nat(1e6),
            lowestSentBps: fc.option(fc.nat(1e8)),
            goodputBps: fc.option(fc.nat(1e9)),
            capBps: fc.integer({ min: 1000, max: 1e8 }),
          }),
          { maxLength: 100 },
        ),
        (seen) => {
          let uplink = start;
          seen.forEach((observation, second) => {
            uplink = observe(uplink, { ...observation, nowMs: second * 1000 });
            expect(uplink.capacityBps).toBeGreaterThan(0);
            expect(uplink.capacityBps).toBeLessThanOrEqual(observation.capBps);
          });
        },
      ),
    );
  });
});
