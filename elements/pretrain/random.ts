// Seeded random numbers for the training recipe: the same seed draws the same training set on every
// machine. Not for controllers, which take their numbers from the channel's seed.

/** xoshiro128** (Blackman and Vigna), seeded through splitmix32. */
export class Random {
  private readonly state: Uint32Array;

  constructor(seed: number) {
    this.state = new Uint32Array(4);
    let mix = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      mix = (mix + 0x9e3779b9) >>> 0;
      let z = mix;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.state[i] = (z ^ (z >>> 15)) >>> 0;
    }
  }

  /** A generator of its own for part `index`, so that one part's draws do not move another's. */
  fork(index: number): Random {
    return new Random(Math.imul(this.word(), 0x85ebca6b) ^ index);
  }

  private word(): number {
    const s = this.state;
    const [a = 0, b = 0, c = 0, d = 0] = s;
    const scrambled = Math.imul(b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = b << 9;
    const c1 = c ^ a;
    const d1 = d ^ b;
    s[1] = b ^ c1;
    s[0] = a ^ d1;
    s[2] = c1 ^ shifted;
    s[3] = (d1 << 11) | (d1 >>> 21);
    return result;
  }

  /** Uniform in [0, 1). */
  unit(): number {
    return this.word() / 4294967296;
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

  /** Roughly normal, mean 0 and deviation 1 (sum of four uniforms: cheap, bounded by 3.5). */
  normal(): number {
    return (this.unit() + this.unit() + this.unit() + this.unit() - 2) * 1.7320508;
  }
}
