// How fast memory grows.
export interface Sample {
  readonly seconds: number;
  /** Of the server's process and its engine. */
  readonly residentMb: number;
  /** Of the engine alone. */
  readonly engineMb: number;
}

/** Least squares, MB a minute, over the samples from this second on; NaN with fewer than two. */
export function slopeMbPerMinute(samples: readonly Sample[], fromSeconds: number): number {
  const points = samples.filter(({ seconds }) => seconds >= fromSeconds);
  const count = points.length;
  const mean = (of: (sample: Sample) => number): number =>
    points.reduce((sum, sample) => sum + of(sample), 0) / count;
  const meanMinutes = mean(({ seconds }) => seconds / 60);
  const meanMb = mean(({ residentMb }) => residentMb);
  let products = 0;
  let squares = 0;
  for (const { seconds, residentMb } of points) {
    const minutes = seconds / 60 - meanMinutes;
    products += minutes * (residentMb - meanMb);
    squares += minutes * minutes;
  }
  return products / squares;
}
