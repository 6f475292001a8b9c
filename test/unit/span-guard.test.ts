import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allowedBps,
  roomBits,
  steeredBps,
  went,
  type Span,
} from '../../elements/patch-sender/span-guard.ts';

const tick = 0.2;

/** Ticks of an encoder that gives what is allowed but for bursts; the sent bits of each. */
function play(
  ticks: number,
  uplinkBps: (tick: number) => number,
  burstBits: (tick: number) => number,
): number[] {
  let span: Span = [];
  const sent: number[] = [];
  for (let i = 0; i < ticks; i++) {
    const rate = uplinkBps(i);
    const bits = allowedBps(span, rate) * tick + burstBits(i);
    sent.push(bits);
    span = went(span, { seconds: tick, sentBits: bits, carriedBits: rate * tick });
  }
  return sent;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** The most of any 2 s, of what the uplink carries. */
function mostInSpan(sent: readonly number[], uplinkBps: (tick: number) => number): number {
  return Math.max(
    ...sent.slice(0, -9).map((_, from) => {
      const within = Array.from({ length: 10 }, (__, i) => from + i);
      const carried = sum(within.map((i) => uplinkBps(i) * tick));
      return sum(within.map((i) => sent[i] ?? 0)) / carried;
    }),
  );
}

describe('the guard of any 2 s', () => {
  it('leaves a stream alone that keeps within the uplink', () => {
    const calm = Array.from({ length: 10 }).reduce<Span>(
      (span) => went(span, { seconds: tick, sentBits: 100_000, carriedBits: 120_000 }),
      [],
    );
    expect(allowedBps(calm, 600e3)).toBe(600e3);
    expect(allowedBps([], 600e3)).toBe(600e3);
  });

  it('has a burst paid back before its 2 s are over', () => {
    const isBurst = (i: number): boolean => i % 12 === 5;
    const sent = play(
      120,
      () => 600e3,
      (i) => (isBurst(i) ? 0.2 * 600e3 : 0),
    );
    for (const [i] of sent.slice(0, -9).entries()) {
      if (isBurst(i)) expect(sum(sent.slice(i, i + 10))).toBeLessThanOrEqual(2 * 600e3);
    }
  });

  it('lets 2 s of any uplink exceed it by no more than the burst that nobody foresaw', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 400_000, max: 3_000_000 }), { minLength: 4, maxLength: 12 }),
        fc.double({ min: 0, max: 0.25, noNaN: true }),
        (rates, burstSeconds) => {
          const uplink = (i: number): number => rates[Math.floor(i / 15)] ?? 400_000;
          const burst = (i: number): number => (i % 12 === 3 ? burstSeconds * 400_000 : 0);
          const sent = play(rates.length * 15, uplink, burst);
          expect(mostInSpan(sent, uplink)).toBeLessThan(1 + burstSeconds / 2 + 1e-6);
        },
      ),
    );
  });

  it('never asks for less than 40 % or more than the uplink', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            seconds: fc.double({ min: 0, max: 5, noNaN: true }),
            sentBits: fc.nat(10_000_000),
            carriedBits: fc.nat(10_000_000),
          }),
        ),
        fc.integer({ min: 1, max: 10_000_000 }),
        (stretches, uplinkBps) => {
          const allowed = allowedBps(stretches.reduce<Span>(went, []), uplinkBps);
          expect(allowed).toBeLessThanOrEqual(uplinkBps);
          expect(allowed).toBeGreaterThanOrEqual(0.4 * uplinkBps);
        },
      ),
    );
  });

  it('has room beside the video for what was not sent before, and none after a burst', () => {
    const stretch = (sentBits: number) => ({ seconds: tick, sentBits, carriedBits: 120_000 });
    const spanOf = (bits: readonly number[]): Span => bits.map(stretch).reduce<Span>(went, []);
    const nine = new Array<number>(9).fill(114_000);
    // 1.8 s of 6000 bits a tick left over, and as much again in the next tick.
    expect(roomBits(spanOf(nine), 600e3, 570e3)).toBeCloseTo(9 * 6000 + 0.2 * 30e3);
    expect(roomBits(spanOf([...nine, 200_000]), 600e3, 570e3)).toBe(0);
  });

  it('never has room for more than the uplink carries in 2 s', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(200_000), { minLength: 10, maxLength: 30 }),
        fc.integer({ min: 0, max: 600_000 }),
        (bits, videoBps) => {
          const span = bits
            .map((sentBits) => ({ seconds: tick, sentBits, carriedBits: 120_000 }))
            .reduce<Span>(went, []);
          const room = roomBits(span, 600e3, videoBps);
          const within = sum(bits.slice(-9)) + tick * videoBps + room;
          if (room > 0) expect(within).toBeLessThanOrEqual(2 * 600e3 + 1e-6);
        },
      ),
    );
  });

  it('forgets what is longer ago than the span', () => {
    const burst = went([], { seconds: tick, sentBits: 5e6, carriedBits: 120_000 });
    const later = Array.from({ length: 10 }).reduce<Span>(
      (span) => went(span, { seconds: tick, sentBits: 0, carriedBits: 120_000 }),
      burst,
    );
    expect(later).toHaveLength(10);
    expect(allowedBps(later, 600e3)).toBe(600e3);
  });
});

describe('the rate that is steered', () => {
  const spanOf = (bits: readonly number[]): Span =>
    bits
      .map((sentBits) => ({ seconds: tick, sentBits, carriedBits: 120_000 }))
      .reduce<Span>(went, []);
  const filled = new Array<number>(10).fill(120_000);

  it('is that of the uplink while no 2 s have more, and never above it', () => {
    expect(steeredBps([], 600e3)).toBe(600e3);
    expect(steeredBps(spanOf(filled), 600e3)).toBeCloseTo(600e3);
    expect(steeredBps(spanOf(filled.map((bits) => bits / 2)), 600e3)).toBe(600e3);
  });

  it('pays a burst back until it leaves the span, evenly', () => {
    let span = spanOf([...filled.slice(1).map(() => 100_000), 120_000 + 90_000]);
    const rates: number[] = [];
    for (let i = 0; i < 9; i++) {
      const rate = steeredBps(span, 600e3);
      rates.push(rate);
      span = went(span, { seconds: tick, sentBits: rate * tick, carriedBits: 120_000 });
    }
    for (const rate of rates) expect(rate).toBeCloseTo(600e3 - 90_000 / 1.8);
    expect(steeredBps(span, 600e3)).toBeCloseTo(600e3);
  });

  it.each([
    ['is due at once', 0, 600e3 - 72_000 / 0.2],
    ['is due in a second', 1, 600e3 - 72_000 / 1.2],
    ['is due when the span that has the last one ends', 1.8, 600e3 - 72_000 / 2],
    ['is longer ahead than the span', 2.4, 600e3],
  ])('keeps its bits for a key frame that %s', (_, aheadSeconds, expected) => {
    const steered = steeredBps(spanOf(filled), 600e3, { aheadSeconds, bits: 72_000 });
    expect(steered).toBeCloseTo(Math.max(0.4 * 600e3, expected));
  });

  it('keeps any 2 s to what was carried where the encoder keeps to it, key frames and all', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 10, max: 20 }),
        fc.double({ min: 0.02, max: 0.12, noNaN: true }),
        fc.integer({ min: 300_000, max: 3_000_000 }),
        (interval, keySeconds, uplinkBps) => {
          let span: Span = [];
          const sent: number[] = [];
          for (let i = 0; i < 120; i++) {
            const aheadSeconds = (interval - (i % interval)) % interval;
            const due = { aheadSeconds: aheadSeconds * tick, bits: keySeconds * uplinkBps };
            const key = aheadSeconds === 0 ? due.bits : 0;
            const bits = steeredBps(span, uplinkBps, due) * tick + key;
            sent.push(bits);
            const carriedBits = uplinkBps * tick;
            span = went(span, { seconds: tick, sentBits: bits, carriedBits });
          }
          expect(mostInSpan(sent, () => uplinkBps)).toBeLessThan(1 + 1e-6);
        },
      ),
    );
  });
});
