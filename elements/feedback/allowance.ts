// What one end of a connection may send: a rate of messages and one of bytes, and more at once after a
// pause. Pure.

export interface Rate {
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly burstSeconds: number;
}

/** What is left. */
export interface Allowance {
  readonly messages: number;
  readonly bytes: number;
  readonly atMs: number;
}

export function fullAllowance(rate: Rate, nowMs: number): Allowance {
  return {
    messages: rate.messagesPerSecond * rate.burstSeconds,
    bytes: rate.bytesPerSecond * rate.burstSeconds,
    atMs: nowMs,
  };
}

/** What is left after a message; undefined when it is one too many. */
export function spend(
  allowance: Allowance,
  rate: Rate,
  messageBytes: number,
  nowMs: number,
): Allowance | undefined {
  const seconds = Math.max(0, nowMs - allowance.atMs) / 1000;
  const refill = (left: number, perSecond: number): number =>
    Math.min(perSecond * rate.burstSeconds, left + seconds * perSecond);
  const messages = refill(allowance.messages, rate.messagesPerSecond) - 1;
  const bytes = refill(allowance.bytes, rate.bytesPerSecond) - messageBytes;
  return messages < 0 || bytes < 0 ? undefined : { messages, bytes, atMs: nowMs };
}
