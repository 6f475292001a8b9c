// Repeatable random numbers (splitmix32): the same seed gives the same draws on every machine.

/** Each call returns the next number in [0, 1). */
export function seededRandom(seed: number): () => number {
  // Both halves of a 53-bit seed count.
  let state = (seed ^ Math.floor(seed / 2 ** 32)) >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}
