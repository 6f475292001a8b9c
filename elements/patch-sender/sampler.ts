// Which cells of a frame become patches. Where nothing is known of the server's memory (LiveNAS 5.2):
// drawn at random among those that the encoder and the upscale treat worse than the frame's average, no
// cell again while others wait. Where it is known what the memory holds: the more likely the more error
// memory could not take away.

export interface Grid {
  readonly columns: number;
  readonly rows: number;
}

/** Training wants patches of what memory has, too: of such a cell at this share of its chance. */
export const knownWeight = 0.05;

/**
 * Of the frame's squared error, the share in cells that are worse than the mean, from which patches
 * come; undefined: there is no error. 0.93 of drawn graphics, 0.75 of cups and of a cartoon.
 */
export function worseShare(squaredErrors: Uint32Array): number | undefined {
  const sum = squaredErrors.reduce((total, error) => total + error, 0);
  if (sum === 0) return undefined;
  const mean = sum / squaredErrors.length;
  return squaredErrors.reduce((total, error) => total + (error > mean ? error : 0), 0) / sum;
}

export class Sampler {
  readonly #random: () => number;
  #grid: Grid = { columns: 0, rows: 0 };
  #used = new Set<number>();

  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * Up to `most` cells. `squaredErrors`: one sum a cell, row by row. `cover`: of each cell, from 0 to 1,
   * how much of it the server's memory has.
   */
  select(
    grid: Grid,
    squaredErrors: Uint32Array,
    most: number,
    cover?: readonly number[],
  ): number[] {
    return cover === undefined
      ? this.#inTurns(grid, squaredErrors, most)
      : this.#lacking(squaredErrors, most, cover);
  }

  #lacking(squaredErrors: Uint32Array, most: number, cover: readonly number[]): number[] {
    const weights = Array.from(
      squaredErrors,
      (error, cell) => error * Math.max(knownWeight, 1 - (cover[cell] ?? 0)),
    );
    const cells: number[] = [];
    while (cells.length < most) {
      const sum = weights.reduce((total, weight) => total + weight, 0);
      if (sum <= 0) break;
      let left = this.#random() * sum;
      const cell = weights.findIndex((weight) => (left -= weight) < 0);
      // Rounding may leave the draw at the whole sum: it is the last that has any weight then.
      const drawn = cell >= 0 ? cell : weights.findLastIndex((weight) => weight > 0);
      weights[drawn] = 0;
      cells.push(drawn);
    }
    return cells;
  }

  #inTurns(grid: Grid, squaredErrors: Uint32Array, most: number): number[] {
    if (grid.columns !== this.#grid.columns || grid.rows !== this.#grid.rows) {
      this.#grid = grid;
      this.#used.clear();
    }
    const cells: number[] = [];
    if (most <= 0 || squaredErrors.length === 0) return cells;
    const mean = squaredErrors.reduce((sum, error) => sum + error, 0) / squaredErrors.length;
    // Strictly above: a black or a still perfect frame has nothing to teach.
    const worse = [...squaredErrors.keys()].filter((cell) => (squaredErrors[cell] ?? 0) > mean);
    let waiting = worse.filter((cell) => !this.#used.has(cell));
    while (cells.length < Math.min(most, worse.length)) {
      if (waiting.length === 0) {
        // Each of these cells has had its turn: a new round.
        for (const cell of worse) this.#used.delete(cell);
        waiting = worse.filter((cell) => !cells.includes(cell));
      }
      const [cell] = waiting.splice(Math.floor(this.#random() * waiting.length), 1);
      if (cell === undefined) break;
      cells.push(cell);
      this.#used.add(cell);
    }
    return cells;
  }
}
