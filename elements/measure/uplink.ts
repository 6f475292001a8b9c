// The uplink of an evaluation: a constant or a recorded trace, and shares of it for the encoder.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { UsageError } from '../cli/failure.ts';
import {
  constantUplink,
  parseTrace,
  UplinkError,
  type CumulativeBits,
} from '../patch-sender/uplink.ts';

export interface EvaluatedUplink {
  /** Mean over the evaluated time. */
  readonly kbps: number;
  /** Bits carried until a time, 0 at the start. */
  readonly carried: CumulativeBits;
  readonly isConstant: boolean;
}

/** Reads `--uplink`: kbit/s, or a trace file. */
export function openUplink(text: string, seconds: number): EvaluatedUplink {
  const number = Number(text);
  if (text.trim() !== '' && Number.isFinite(number)) {
    if (number <= 0) throw new UsageError(`--uplink ${text}: must be above 0 kbit/s`);
    return { kbps: number, carried: constantUplink(number * 1000), isConstant: true };
  }
  if (!existsSync(text)) {
    throw new UsageError(`--uplink ${text}: neither a number of kbit/s nor a trace file`);
  }
  try {
    const carried = parseTrace(readFileSync(text, 'utf8'), text);
    return { kbps: carried(seconds) / seconds / 1000, carried, isConstant: false };
  } catch (error) {
    if (error instanceof UplinkError) throw new UsageError(error.message);
    throw error;
  }
}

export interface RateRange {
  readonly lowKbps: number;
  readonly highKbps: number;
}

/**
 * A trace brought to what a weak uplink carries: multiplied so that the mean of the evaluated time is
 * the geometric mean of the range, and each second's rate kept within it.
 */
export function scaledTrace(path: string, seconds: number, range: RateRange): EvaluatedUplink {
  const { lowKbps, highKbps } = range;
  const { carried, kbps } = openUplink(path, seconds);
  if (kbps <= 0) throw new UsageError(`--trace ${path}: carries nothing in ${seconds} s`);
  const factor = Math.sqrt(lowKbps * highKbps) / kbps;
  // One second more than is asked for: the last one may be cut by a frame.
  const bits = Array.from({ length: Math.ceil(seconds) + 1 }, (_, second) => {
    const scaledKbps = (factor * (carried(second + 1) - carried(second))) / 1000;
    return Math.min(highKbps, Math.max(lowKbps, scaledKbps)) * 1000;
  });
  const until = [0];
  for (const each of bits) until.push((until.at(-1) ?? 0) + each);
  const scaled: CumulativeBits = (time) => {
    const second = Math.min(Math.floor(time), bits.length - 1);
    return (until[second] ?? 0) + (time - second) * (bits[second] ?? 0);
  };
  return { kbps: scaled(seconds) / seconds / 1000, carried: scaled, isConstant: false };
}

/**
 * Text of patchsender's `uplink` property for a share of the uplink. A trace's share is written to
 * `file`, in seconds of constant rate.
 */
export function shareOfUplink(
  uplink: EvaluatedUplink,
  share: number,
  seconds: number,
  file: string,
): string {
  if (uplink.isConstant) return `fixed:${(uplink.kbps * share).toFixed(3)}`;
  const rows: string[] = [];
  for (let second = 0; second <= Math.ceil(seconds); second++) {
    const bits = uplink.carried(second + 1) - uplink.carried(second);
    rows.push(`${second} ${((bits * share) / 1e6).toFixed(6)}`);
  }
  writeFileSync(file, `${rows.join('\n')}\n`);
  return `trace:${file}`;
}
