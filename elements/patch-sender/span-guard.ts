// Keeps what is sent within any 2 s to what the uplink carries in them: a key frame or an encoder that
// is slow to follow a fall is paid back at once. Pure functions of what each tick saw.

/** What went out, and what the uplink carried, between two ticks. */
interface Stretch {
  readonly seconds: number;
  readonly sentBits: number;
  readonly carriedBits: number;
}

/** The latest stretches, 2 s of them. */
export type Span = readonly Stretch[];

export const spanSeconds = 2;
/** So soon an encoder follows; a burst is paid back within it where frames are not limited. */
const horizonSeconds = 1;
/** Nothing can be done about a span that ends with the next frame. */
const leastAheadSeconds = 0.1;
/** A new rate costs an encoder something too: less than this is let be. */
const leastCut = 0.05;
/** Of what is left when it does not suffice: rate control is not exact either. */
const margin = 0.95;
/** Of seconds: a span that ends just when a key frame is due is without it. */
const rounding = 1e-6;
/** A picture of next to no bits would cost more than it saves. */
const leastShare = 0.4;

export function went(span: Span, stretch: Stretch): Span {
  if (stretch.seconds <= 0) return span;
  const kept: Stretch[] = [stretch];
  let seconds = stretch.seconds;
  for (const before of span.toReversed()) {
    if (seconds + before.seconds > spanSeconds + rounding) break;
    seconds += before.seconds;
    kept.unshift(before);
  }
  return kept;
}

/** A key frame that is due: its bits come on top of the rate. */
export interface DueBurst {
  readonly aheadSeconds: number;
  readonly bits: number;
}

/** What has been sent too much, at each future end of a span, and how far ahead that is. */
function* excesses(
  span: Span,
  mostAheadSeconds: number,
): Generator<{ readonly aheadSeconds: number; readonly bits: number }> {
  let bits = 0;
  let pastSeconds = 0;
  for (const { seconds, sentBits, carriedBits } of span.toReversed()) {
    bits += sentBits - carriedBits;
    pastSeconds += seconds;
    // The span of 2 s that has just this much of the past in it ends so far ahead.
    const aheadSeconds = spanSeconds - pastSeconds;
    if (aheadSeconds <= mostAheadSeconds && aheadSeconds >= leastAheadSeconds) {
      yield { aheadSeconds, bits };
    }
  }
}

/**
 * The rate that video and patches may have now so that no 2 s get more than the uplink carries; that
 * of the uplink where nothing need be paid back.
 */
export function allowedBps(span: Span, uplinkBps: number): number {
  let allowed = uplinkBps;
  for (const { aheadSeconds, bits } of excesses(span, horizonSeconds)) {
    allowed = Math.min(allowed, uplinkBps - bits / aheadSeconds);
  }
  if (allowed > (1 - leastCut) * uplinkBps) return uplinkBps;
  return Math.max(leastShare * uplinkBps, margin * allowed);
}

/**
 * The rate that uses up what each 2 s still have, the one that ends 2 s from now included; a key frame
 * that is due has its bits kept for it. Changes are small and many: for an encoder whose frames are
 * limited besides, and that loses nothing by a new rate.
 */
export function steeredBps(span: Span, uplinkBps: number, due?: DueBurst): number {
  let steered = uplinkBps;
  const lower = (aheadSeconds: number, bits: number): void => {
    const dueBits = due !== undefined && aheadSeconds > due.aheadSeconds + rounding ? due.bits : 0;
    steered = Math.min(steered, uplinkBps - (bits + dueBits) / aheadSeconds);
  };
  lower(spanSeconds, 0);
  for (const { aheadSeconds, bits } of excesses(span, spanSeconds)) lower(aheadSeconds, bits);
  return Math.max(leastShare * uplinkBps, steered);
}

/** How much may go at once beside video of `videoBps`. */
export function roomBits(span: Span, uplinkBps: number, videoBps: number): number {
  let room = Infinity;
  for (const { aheadSeconds, bits } of excesses(span, horizonSeconds)) {
    room = Math.min(room, (uplinkBps - videoBps) * aheadSeconds - bits);
  }
  return Math.max(0, room);
}
