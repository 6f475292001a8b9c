// A fuzzer for parsers that are TypeScript: mutates seeds, keeps inputs whose outcome was not seen before,
// and checks what the target promises. The same seed gives the same run.
import { seededRandom } from '../../../elements/patch-sender/random.ts';

export interface Target {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  /** Pieces that mutation puts in. */
  readonly words: readonly string[];
  /**
   * Reads the bytes; what comes back names the outcome ("refused: no size", say). Throws when a promise
   * is broken: a refusal that is meant to be is no exception here.
   */
  readonly run: (bytes: Uint8Array) => string | Promise<string>;
}

export interface FuzzResult {
  readonly executions: number;
  readonly outcomes: ReadonlyMap<string, number>;
  readonly failure: { readonly input: Uint8Array; readonly error: unknown } | undefined;
}

/** A promise that was broken. */
export class Violation extends Error {
  override name = 'Violation';
}

export function require(holds: boolean, promise: string): asserts holds {
  if (!holds) throw new Violation(promise);
}

const maxInputBytes = 4096;
const maxCorpus = 400;
const extremes = ['0', '-1', '1e308', '1e-308', '9007199254740993', '-0', 'null', '""', '[]', '{}'];

type Mutation = (bytes: Buffer, random: () => number, other: Buffer) => Buffer;

const below = (random: () => number, limit: number): number => Math.floor(random() * limit);

function replaced(bytes: Buffer, at: number, length: number, piece: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + length)]);
}

function mutations(words: readonly string[]): readonly Mutation[] {
  const pieces = [...words, ...extremes].map((word) => Buffer.from(word));
  return [
    (bytes, random) => {
      const copy = Buffer.from(bytes);
      const at = below(random, copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << below(random, 8));
      return copy;
    },
    (bytes, random) => {
      const copy = Buffer.from(bytes);
      copy[below(random, copy.length)] = below(random, 256);
      return copy;
    },
    (bytes, random) =>
      replaced(bytes, below(random, bytes.length), below(random, 9), Buffer.alloc(0)),
    (bytes, random) => bytes.subarray(0, below(random, bytes.length)),
    (bytes, random) =>
      replaced(
        bytes,
        below(random, bytes.length),
        below(random, 5),
        pieces[below(random, pieces.length)] ?? bytes,
      ),
    (bytes, random) => {
      const from = below(random, bytes.length);
      const piece = bytes.subarray(from, from + 1 + below(random, 40));
      return replaced(bytes, below(random, bytes.length), 0, piece);
    },
    (bytes, random, other) =>
      Buffer.concat([
        bytes.subarray(0, below(random, bytes.length)),
        other.subarray(below(random, other.length)),
      ]),
    // A number of the text becomes another.
    (bytes, random) => {
      const text = bytes.toString('latin1');
      const numbers = [...text.matchAll(/-?\d+(?:\.\d+)?/g)];
      const chosen = numbers[below(random, numbers.length)];
      if (chosen === undefined) return bytes;
      const value = Number(chosen[0]) * (random() < 0.5 ? -1 : 1) * 10 ** below(random, 20);
      return replaced(bytes, chosen.index, chosen[0].length, Buffer.from(String(value)));
    },
  ];
}

export async function fuzz(
  target: Target,
  limits: { readonly executions: number; readonly seed: number },
): Promise<FuzzResult> {
  const random = seededRandom(limits.seed);
  const ways = mutations(target.words);
  const corpus: Buffer[] = target.seeds.map((seed) => Buffer.from(seed));
  const outcomes = new Map<string, number>();
  let executions = 0;
  for (const seed of target.seeds) {
    const outcome = await target.run(seed);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    executions++;
  }
  while (executions < limits.executions) {
    let input: Buffer = corpus[below(random, corpus.length)] ?? Buffer.alloc(0);
    const other = corpus[below(random, corpus.length)] ?? input;
    for (let count = 1 + below(random, 4); count > 0; count--) {
      const way = ways[below(random, ways.length)];
      if (way && input.length > 0) input = way(input, random, other).subarray(0, maxInputBytes);
      if (input.length === 0) input = Buffer.from([below(random, 256)]);
    }
    executions++;
    try {
      const pending = target.run(input);
      const outcome = typeof pending === 'string' ? pending : await pending;
      const seen = outcomes.get(outcome) ?? 0;
      outcomes.set(outcome, seen + 1);
      // Now and then one of what is known: several ways lead there.
      if (corpus.length < maxCorpus && (seen === 0 || random() < 0.001)) corpus.push(input);
    } catch (error) {
      return { executions, outcomes, failure: { input, error } };
    }
  }
  return { executions, outcomes, failure: undefined };
}
