// Which cells of a frame become patches (LiveNAS 5.2): drawn at random among those that the encoder
// and the upscale treat worse than the frame's average, no cell again while others wait.

export interface Grid {
  readonly columns: number;
  readonly rows: number;
}

export class Sampler {
  readonly #random: () => number;
  #grid: Grid = { columns: 0, rows: 0 };
  #used = new Set<number>();

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Up to `most` cells. `squaredErrors`: one sum a cell, row by row. */
  select(grid: Grid, squaredErrors: Uint32Array, most: number): number[] {
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
