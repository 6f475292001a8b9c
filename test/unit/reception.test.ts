import { describe, expect, it } from 'vitest';
import type { EnhancerTick } from '../../elements/channel/messages.ts';
import { receptionBetween } from '../../elements/sr-enhancer/reception.ts';

const tick = (seconds: number, counts: Partial<EnhancerTick>): EnhancerTick => ({
  type: 'time.tick',
  mediaTimeNs: seconds * 1e9,
  videoBytes: 0,
  patchBytes: 0,
  packets: 0,
  packetsLost: 0,
  memory: null,
  ...counts,
});

describe('what arrives', () => {
  it('is video and patches, and what of the packets is missing', () => {
    const before = tick(5, { videoBytes: 1000, patchBytes: 100, packets: 10, packetsLost: 1 });
    const now = tick(10, { videoBytes: 300_000, patchBytes: 1100, packets: 28, packetsLost: 3 });
    expect(receptionBetween(before, now)).toEqual({ goodputBps: 480_000, packetLoss: 0.1 });
  });

  it('is unknown where nobody counts the video', () => {
    const before = tick(5, { videoBytes: null });
    const now = tick(10, { videoBytes: null, packets: 5 });
    expect(receptionBetween(before, now)).toEqual({ goodputBps: null, packetLoss: 0 });
    expect(receptionBetween(before, tick(10, { videoBytes: 7 })).goodputBps).toBeNull();
  });

  it('is unknown when time or the counters have begun anew', () => {
    const later = tick(10, { packets: 4, videoBytes: 9 });
    const nothing = { goodputBps: null, packetLoss: null };
    expect(receptionBetween(later, tick(5, {}))).toEqual(nothing);
    expect(receptionBetween(later, tick(15, { packets: 1 }))).toEqual(nothing);
    expect(receptionBetween(later, tick(15, { packets: 4 })).goodputBps).toBeNull();
  });

  it('counts no loss below zero when late packets come', () => {
    const before = tick(5, { packets: 10, packetsLost: 3 });
    const now = tick(10, { packets: 20, packetsLost: 1 });
    expect(receptionBetween(before, now).packetLoss).toBe(0);
  });
});
