// How much patches get at first, at least and at most, and how fast that changes: the constants of the
// scheduler, found by measurement or the paper's.

export interface Schedule {
  /** Step of equation (2): patches change by at most this each second. */
  readonly stepBps: number;
  /**
   * Discount of equation (1), per second: what is learned now is worth 1 / (1 - gamma) seconds of the
   * same gain by video. The paper gives neither its gamma nor the units of its gradients.
   */
  readonly gamma: number;
  /**
   * To begin with at a size, and when training resumes: until the server tells what patches gain, 10 s at
   * most. That share of the uplink, no more than this.
   */
  readonly firstShare: number;
  readonly firstMostBps: number;
  /** From there on until more is known, and where nobody tells: that share, or this if it is more. */
  readonly usualShare: number;
  readonly usualBps: number;
  /** While training is suspended, or the server is silent. */
  readonly leastBps: number;
  /** Bounds while training runs, of the uplink. */
  readonly leastShare: number;
  readonly mostShare: number;
  readonly mostBps: number;
  /** Bound where the encoder leaves bits unused: they cost the video nothing. */
  readonly mostUnusedShare: number;
}

export const schedules = {
  /** LiveNAS 5.1 and 6.1. */
  livenas: {
    stepBps: 100_000,
    gamma: 0.98,
    firstShare: 1,
    firstMostBps: 100_000,
    usualShare: 0,
    usualBps: 100_000,
    leastBps: 25_000,
    leastShare: 0,
    mostShare: 1,
    mostBps: Infinity,
    mostUnusedShare: 1,
  },
  /**
   * Residual patches cost a tenth: 3-7 % of the uplink pay, 20 % lose, but the optimum of a minute begins
   * with 10 %. A gain counts for 10 s: with 50 patches went on getting the most when training had nothing
   * more to give (docs/results.md).
   */
  residual: {
    stepBps: 10_000,
    gamma: 0.9,
    firstShare: 0.1,
    firstMostBps: 125_000,
    usualShare: 0.05,
    usualBps: 40_000,
    leastBps: 5_000,
    leastShare: 0.03,
    mostShare: 0.07,
    mostBps: Infinity,
    mostUnusedShare: 0.12,
  },
} as const satisfies Record<string, Schedule>;

export type ScheduleName = keyof typeof schedules;

/**
 * In full size: there is little to gain, most of it from the first patches, and the picture shows every
 * bit that video lacks.
 */
export const fullSizeSchedule: Schedule = {
  stepBps: 2_000,
  gamma: 0.9,
  firstShare: 0.01,
  firstMostBps: 8_000,
  usualShare: 0,
  usualBps: 8_000,
  leastBps: 1_000,
  leastShare: 0,
  mostShare: 0.01,
  mostBps: 8_000,
  mostUnusedShare: 0,
};

/** What patches get at most while training runs, but for what the encoder leaves unused. */
export const mostBpsOf = ({ mostBps, mostShare }: Schedule, uplinkBps: number): number =>
  Math.min(mostBps, mostShare * uplinkBps);

/** What they get where nothing is known of what they gain. */
export const usualBpsOf = (schedule: Schedule, uplinkBps: number): number =>
  Math.min(
    mostBpsOf(schedule, uplinkBps),
    Math.max(schedule.usualBps, schedule.usualShare * uplinkBps),
  );
