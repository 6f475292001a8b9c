// What the recipe draws from: a seed gives the same training set on every machine.
import { seededRandom } from '../patch-sender/random.ts';

export class Random {
  /** Uniform in [0, 1). */
  readonly unit: () => number;

  constructor(seed: number) {
    this.unit = seededRandom(seed);
  }

  /** A generator of its own for part `index`, so that one part's draws do not move another's. */
  fork(index: number): Random {
    return new Random(Math.floor(this.unit() * 2 ** 32) ^ Math.imul(index, 0x85ebca6b));
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.unit();
  }

  /** Log-uniform in [low, high): as likely to halve as to double. */
  ratio(low: number, high: number): number {
    return low * Math.pow(high / low, this.unit());
  }

  /** A whole number in [low, high], both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.unit() * items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  /** Roughly normal, mean 0 and deviation 1: a sum of four uniforms, bounded by 3.5. */
  normal(): number {
    return (this.unit() + this.unit() + this.unit() + this.unit() - 2) * Math.sqrt(3);
  }
}
