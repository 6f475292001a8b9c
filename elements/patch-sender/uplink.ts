// What the uplink carries, from the text of the element's `uplink` property: a constant or a recorded
// trace, as the average over any stretch of media time.

/** Bits that the uplink carries from media time 0 to `seconds`, never falling. */
export type CumulativeBits = (seconds: number) => number;

export class UplinkError extends Error {
  override name = 'UplinkError';
}

export type UplinkChoice =
  | { readonly kind: 'auto' }
  | { readonly kind: 'fixed'; readonly rateBps: number }
  | { readonly kind: 'trace'; readonly path: string }
  | { readonly kind: 'srt' | 'twcc'; readonly element: string }
  | { readonly kind: 'external' };

/**
 * "auto", "fixed:N" (kbit/s), "trace:FILE", "srt:ELEMENT", "twcc:ELEMENT" or "external". Throws
 * UplinkError with the ways to write it.
 */
export function parseUplink(text: string): UplinkChoice {
  if (text === 'auto' || text === '') return { kind: 'auto' };
  if (text === 'external') return { kind: 'external' };
  const [, form, value] = /^(fixed|trace|srt|twcc):(.+)$/s.exec(text) ?? [];
  if ((form === 'srt' || form === 'twcc') && value !== undefined) {
    return { kind: form, element: value };
  }
  if (form === 'trace' && value !== undefined) return { kind: 'trace', path: value };
  if (form === 'fixed') {
    const rateKbps = Number(value);
    if (Number.isFinite(rateKbps) && rateKbps > 0) {
      return { kind: 'fixed', rateBps: rateKbps * 1000 };
    }
  }
  throw new UplinkError(
    `uplink "${text}": use auto, fixed:KBITS (a number above 0), trace:FILE, srt:ELEMENT, ` +
      'twcc:ELEMENT or external',
  );
}

export function constantUplink(rateBps: number): CumulativeBits {
  return (seconds) => rateBps * seconds;
}

// Mahimahi: one delivery opportunity is one packet of this size.
const opportunityBits = 1500 * 8;
// A day of trace at 100 Mbit/s is far below; what is beyond is not a trace.
const maxLines = 10_000_000;
// Sums of what lies within are exact enough: 30 years, a petabit a second.
const maxValue = 1e9;
const minSeconds = 1e-3;

/**
 * A trace file's text: mahimahi (a line is the time in ms of an opportunity to deliver 1500 bytes) or
 * two columns (seconds, Mbit/s from then on). Both repeat after their last time stamp.
 * Throws UplinkError that names file, line and reason.
 */
export function parseTrace(text: string, fileName: string): CumulativeBits {
  const rows: number[][] = [];
  let columns = 0;
  for (const [index, line] of text.split('\n').entries()) {
    const fields = line.trim().split(/\s+/);
    if (fields[0] === '') continue;
    const fail = (reason: string): never => {
      throw new UplinkError(`trace ${fileName}, line ${index + 1}: ${reason}`);
    };
    columns ||= fields.length;
    if (fields.length !== columns || columns > 2) {
      fail(`${fields.length} columns, expected ${columns > 2 ? 'one or two' : columns}`);
    }
    const row = fields.map(Number);
    if (!row.every((value) => value >= 0 && value <= maxValue)) {
      fail(`"${line.trim()}" is not numbers from 0 to ${maxValue}`);
    }
    const previous = rows.at(-1);
    if (previous && timeOf(row) < timeOf(previous)) fail('time runs backward');
    rows.push(row);
    if (rows.length > maxLines) fail(`more than ${maxLines} lines`);
  }
  const last = rows.at(-1);
  if (!last) throw new UplinkError(`trace ${fileName}: empty`);
  if (columns === 2 && rows.length === 1) return constantUplink((last[1] ?? 0) * 1e6);
  const lastsSeconds = columns === 1 ? timeOf(last) / 1000 : timeOf(last) - timeOf(rows[0] ?? last);
  if (lastsSeconds < minSeconds) {
    throw new UplinkError(`trace ${fileName}: lasts no time (less than ${minSeconds} s)`);
  }
  return columns === 1 ? opportunityTrace(rows) : rateTrace(rows);
}

function timeOf(row: readonly number[]): number {
  return row[0] ?? 0;
}

/** Repeats a cumulative curve of one period. */
function repeated(
  periodSeconds: number,
  periodBits: number,
  within: CumulativeBits,
): CumulativeBits {
  return (seconds) => {
    const periods = Math.floor(seconds / periodSeconds);
    return periods * periodBits + within(seconds - periods * periodSeconds);
  };
}

function opportunityTrace(rows: readonly (readonly number[])[]): CumulativeBits {
  const seconds = rows.map((row) => timeOf(row) / 1000);
  return repeated(
    seconds.at(-1) ?? 0,
    rows.length * opportunityBits,
    (until) => countUpTo(seconds, until) * opportunityBits,
  );
}

function rateTrace(rows: readonly (readonly number[])[]): CumulativeBits {
  // The trace starts with its first row, and its last one only says when it ends.
  const start = timeOf(rows[0] ?? []);
  const seconds = rows.map((row) => timeOf(row) - start);
  const ratesBps = rows.map((row) => (row[1] ?? 0) * 1e6);
  const bits = [0];
  for (let i = 1; i < rows.length; i++) {
    const stretch = (seconds[i] ?? 0) - (seconds[i - 1] ?? 0);
    bits.push((bits[i - 1] ?? 0) + stretch * (ratesBps[i - 1] ?? 0));
  }
  return repeated(seconds.at(-1) ?? 0, bits.at(-1) ?? 0, (until) => {
    const row = Math.max(0, countUpTo(seconds, until) - 1);
    return (bits[row] ?? 0) + (until - (seconds[row] ?? 0)) * (ratesBps[row] ?? 0);
  });
}

/** How many of the rising `values` are at most `limit`. */
function countUpTo(values: readonly number[], limit: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
