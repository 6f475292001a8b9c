// The rate that losses allow (draft-ietf-rmcat-gcc-02, 6).

const increaseBelow = 0.02;
export const decreaseAbove = 0.1;
const increase = 1.05;

/** `lossShare`: of the packets of the last second; called once for each. */
export function lossRate(rateBps: number, lossShare: number): number {
  if (lossShare > decreaseAbove) return rateBps * (1 - 0.5 * lossShare);
  return lossShare < increaseBelow ? increase * rateBps : rateBps;
}
