// Numbers on the command line.
import { InvalidArgumentError } from 'commander';

/** A parser of numbers within bounds, for commander; a number outside is wrong use. */
export function numberWithin(low: number, high: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (text.trim() === '' || !(number >= low && number <= high)) {
      throw new InvalidArgumentError(`Give a number from ${low} to ${high}.`);
    }
    return number;
  };
}

/** As numberWithin, without fractions. */
export function wholeWithin(low: number, high: number): (text: string) => number {
  const parse = numberWithin(low, high);
  return (text) => {
    const number = parse(text);
    if (!Number.isInteger(number)) throw new InvalidArgumentError('Give a whole number.');
    return number;
  };
}

/** WIDTHxHEIGHT in pixels. */
export function sizeOf(text: string): { width: number; height: number } {
  const match = /^(\d+)x(\d+)$/.exec(text);
  const [width, height] = [Number(match?.[1]), Number(match?.[2])];
  if (!(width >= 32 && height >= 32 && width <= 8192 && height <= 8192)) {
    throw new InvalidArgumentError('Give WIDTHxHEIGHT, sides from 32 to 8192.');
  }
  return { width, height };
}
