// What a demonstration measured: the content of report.json, and all that the page is made from.

export const schemes = ['bilinear', 'bicubic', 'generic', 'online'] as const;
export type Scheme = (typeof schemes)[number];
export type PerScheme = Readonly<Record<Scheme, number>>;

/** One recorded frame: every scheme on the same decoded picture against the source. */
export interface SampledFrame {
  /** Since the server's first picture. */
  readonly timeSeconds: number;
  /** Frame of the clip that the source showed. */
  readonly clipFrame: number;
  readonly psnrDb: PerScheme;
}

/** What the two pipelines said of themselves once a second. */
export interface Observation {
  readonly timeSeconds: number;
  readonly framesPerSecond: number;
  readonly videoKbps: number;
  readonly patchKbps: number;
  /** From a frame's entry into srenhancer to its exit. */
  readonly addedLatencyMs: number;
  readonly addedLatencyP99Ms: number;
  readonly trainingState: string;
  readonly modelInUse: string;
  /** The engine's own estimate, on patches held out of training. */
  readonly heldOutGainDb: number | null;
}

/** A place where the online network restored most, three pictures of it. */
export interface Crop {
  readonly timeSeconds: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly bicubicPsnrDb: number;
  readonly onlinePsnrDb: number;
  /** PNG as data URIs. */
  readonly source: string;
  readonly bicubic: string;
  readonly online: string;
}

export interface Span {
  readonly fromSeconds: number;
  readonly toSeconds: number;
  readonly meanPsnrDb: PerScheme;
}

export interface DemoFigures {
  readonly clip: string;
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  readonly scale: number;
  readonly uplinkKbps: number;
  readonly seconds: number;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly kernels: string };
  readonly pipelines: { readonly sender: string; readonly server: string };
  readonly frames: { readonly shown: number; readonly late: number };
  readonly engineRestarts: number;
  /** The whole run, its first and its last ten seconds. */
  readonly whole: Span;
  readonly first: Span;
  readonly last: Span;
  readonly samples: readonly SampledFrame[];
  readonly observations: readonly Observation[];
  readonly crops: readonly Crop[];
}

/** Means of the samples with `from <= time < to`. */
export function span(samples: readonly SampledFrame[], from: number, to: number): Span {
  const within = samples.filter(({ timeSeconds }) => timeSeconds >= from && timeSeconds < to);
  const meanOf = (scheme: Scheme): number =>
    within.reduce((sum, { psnrDb }) => sum + psnrDb[scheme], 0) / within.length;
  return {
    fromSeconds: from,
    toSeconds: to,
    meanPsnrDb: {
      bilinear: meanOf('bilinear'),
      bicubic: meanOf('bicubic'),
      generic: meanOf('generic'),
      online: meanOf('online'),
    },
  };
}
