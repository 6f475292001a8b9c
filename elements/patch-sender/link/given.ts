// Estimates that somebody else made: a constant, a recorded trace, an application's own estimator.
import type { CumulativeBits } from '../uplink.ts';
import type { LinkEstimator } from './estimator.ts';

/** A constant or a trace, over media time: each second's mean. */
export function recorded(carried: CumulativeBits): LinkEstimator {
  return {
    handle: () => undefined,
    estimateBps: (mediaTimeNs) => {
      const second = Math.floor(mediaTimeNs / 1e9);
      return carried(second + 1) - carried(second);
    },
  };
}

/** What the application said last; `firstBps` until then. */
export function external(firstBps: number): LinkEstimator {
  let rateBps = firstBps;
  return {
    handle: (event) => {
      if (event.kind === 'rate' && event.rateBps > 0) rateBps = event.rateBps;
    },
    estimateBps: () => rateBps,
  };
}
