// How long to wait before the next attempt to connect.

const firstMs = 500;
const longestMs = 30_000;
/** Many senders must not come back to a server at the same moment. */
const spread = 0.2;

/** `failures`: attempts in a row that came to nothing; `random` in [0, 1). */
export function backoffMs(failures: number, random: number): number {
  const base = Math.min(longestMs, firstMs * 2 ** Math.max(0, failures - 1));
  return base * (1 - spread + 2 * spread * random);
}
