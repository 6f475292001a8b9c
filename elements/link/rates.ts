// What a link carries over time, from the text of `--rate`: a constant, steps, or a trace file.
import { readFileSync } from 'node:fs';
import { parseTrace, UplinkError, type CumulativeBits } from '../patch-sender/uplink.ts';

export interface RateStep {
  readonly fromSeconds: number;
  readonly rateBps: number;
}

/** Constant from each step to the next, and after the last one for ever. */
export function steppedRate(steps: readonly RateStep[]): CumulativeBits {
  return (seconds) =>
    steps.reduce((bits, { fromSeconds, rateBps }, index) => {
      const untilSeconds = Math.min(seconds, steps[index + 1]?.fromSeconds ?? Infinity);
      return bits + Math.max(0, untilSeconds - fromSeconds) * rateBps;
    }, 0);
}

/** "3000", or "3000@0,800@20,2000@40": kbit/s, each from that second on. Throws UplinkError. */
export function parseRateSteps(text: string): RateStep[] {
  const steps = text.split(',').map((word, index) => {
    const [, rate, from] = /^\s*([\d.]+)(?:@([\d.]+))?\s*$/.exec(word) ?? [];
    const rateKbps = Number(rate);
    const fromSeconds = from === undefined && index === 0 ? 0 : Number(from);
    if (!(rateKbps > 0) || !(fromSeconds >= 0)) {
      throw new UplinkError(`rate "${word}": use KBITS, or KBITS@SECONDS,KBITS@SECONDS,…`);
    }
    return { fromSeconds, rateBps: rateKbps * 1000 };
  });
  const rises = steps.every(
    ({ fromSeconds }, index) => fromSeconds > (steps[index - 1]?.fromSeconds ?? -1),
  );
  if (!rises || steps[0]?.fromSeconds !== 0) {
    throw new UplinkError(`rate "${text}": times must rise, from 0 on`);
  }
  return steps;
}

/** A trace whose mean over its own length becomes `meanBps`. */
export function scaledTo(
  carried: CumulativeBits,
  seconds: number,
  meanBps: number,
): CumulativeBits {
  const factor = (meanBps * seconds) / carried(seconds);
  return (time) => carried(time) * factor;
}

/** Steps, or the name of a trace file. Throws UplinkError. */
export function openRate(text: string): CumulativeBits {
  if (/^[\d.,@\s]+$/.test(text)) return steppedRate(parseRateSteps(text));
  let trace: string;
  try {
    trace = readFileSync(text, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UplinkError(`rate "${text}": neither kbit/s nor a trace file (${reason})`);
  }
  return parseTrace(trace, text);
}
