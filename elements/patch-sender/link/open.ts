// The estimator that the element's `uplink` property asks for.
import { readFileSync } from 'node:fs';
import { constantUplink, parseTrace, parseUplink } from '../uplink.ts';
import type { LinkEstimator } from './estimator.ts';
import { gccEstimator } from './gcc/estimator.ts';
import { external, recorded } from './given.ts';
import { srtEstimator } from './srt.ts';

/** A way that is to be measured begins here; the element's first plan too (sender/settings.cpp). */
const firstEstimateBps = 500_000;

/** `mostBps`: all that may ever be sent. Throws UplinkError, or what reading a trace throws. */
export function openEstimator(uplink: string, mostBps: number, givenBps: number): LinkEstimator {
  const choice = parseUplink(uplink);
  const firstBps = Math.min(mostBps, firstEstimateBps);
  switch (choice.kind) {
    case 'auto':
      return recorded(constantUplink(mostBps));
    case 'fixed':
      return recorded(constantUplink(choice.rateBps));
    case 'trace':
      return recorded(parseTrace(readFileSync(choice.path, 'utf8'), choice.path));
    case 'srt':
      return srtEstimator(firstBps, mostBps);
    case 'twcc':
      return gccEstimator(firstBps, mostBps);
    case 'external':
      return external(givenBps > 0 ? givenBps : firstBps);
  }
}
