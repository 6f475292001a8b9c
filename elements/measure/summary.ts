// From what was measured of every frame to what is reported of a scheme. Pure functions.
// PSNR and SSIM of a span of time are the means of its frames' values, as the field reports video.

/** One frame as a scheme shows it, luma against the source. */
export interface ShownFrame {
  /** Since the start of the stream. */
  readonly timeSeconds: number;
  readonly psnrDb: number;
  /** Not of every frame: it costs more than all the rest. */
  readonly ssim: number | null;
  /** PSNR of the bicubic upscale of the very same decoded frame. */
  readonly bicubicPsnrDb: number;
}

/** Something that went over the uplink. */
export interface SentBuffer {
  readonly timeSeconds: number;
  readonly bytes: number;
}

export interface SentPacket extends SentBuffer {
  /** None: an announcement of the sizes. */
  readonly patches: number;
}

/** All that a run of one scheme left behind. */
export interface SchemeRun {
  readonly frames: readonly ShownFrame[];
  readonly video: readonly SentBuffer[];
  readonly packets: readonly SentPacket[];
  readonly seconds: number;
}

export interface SecondSummary {
  readonly second: number;
  readonly psnrYDb: number;
  /** Over bicubic of the same decoded frames. */
  readonly overBicubicDb: number;
  readonly videoKbps: number;
  readonly patchKbps: number;
  readonly patches: number;
}

export interface SpanSummary {
  readonly psnrYDb: number;
  readonly ssim: number;
  /** Over the bilinear and the bicubic scheme at the same uplink. */
  readonly gainOverBilinearDb: number;
  readonly gainOverBicubicDb: number;
  /** The least second's gain over bicubic of the same decoded frames. */
  readonly worstSecondOverBicubicDb: number;
  readonly videoKbps: number;
  readonly patchKbps: number;
  readonly patchesPerSecond: number;
  /** Headers and labels included; null without patches. */
  readonly bytesPerPatch: number | null;
}

interface Epoch {
  readonly timeSeconds: number;
  readonly state: string;
  readonly steps: number;
}

/** What a scheme spent on training. */
export interface TrainingSummary<T extends Epoch = Epoch> {
  /** Of the steps that training without a pause would have run since the stream began. */
  readonly share: number;
  readonly epochs: readonly (T & { readonly share: number })[];
}

export interface SchemeSummary extends SpanSummary {
  readonly first10s: SpanSummary;
  /** Of a session: from the first scene change on. */
  readonly afterSwitch?: SpanSummary;
  readonly training?: TrainingSummary;
  readonly perSecond: readonly SecondSummary[];
}

/** What the gains are taken over. */
export interface Baselines {
  readonly bilinear: SchemeRun;
  readonly bicubic: SchemeRun;
}

export const startSeconds = 10;

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function kbps(sent: readonly SentBuffer[], seconds: number): number {
  return (sent.reduce((sum, { bytes }) => sum + bytes, 0) * 8) / 1000 / seconds;
}

function patchCount(packets: readonly SentPacket[]): number {
  return packets.reduce((sum, { patches }) => sum + patches, 0);
}

const psnrOf = (frames: readonly ShownFrame[]): number => mean(frames.map((f) => f.psnrDb));

/** Groups by whole seconds; the last second may be cut short by the end of the run. */
export function perSecond(run: SchemeRun): SecondSummary[] {
  const summaries: SecondSummary[] = [];
  for (let second = 0; second < run.seconds; second++) {
    const within = ({ timeSeconds }: { readonly timeSeconds: number }): boolean =>
      Math.floor(timeSeconds) === second;
    const frames = run.frames.filter(within);
    if (frames.length === 0) continue;
    const length = Math.min(1, run.seconds - second);
    summaries.push({
      second,
      psnrYDb: psnrOf(frames),
      overBicubicDb: mean(frames.map((f) => f.psnrDb - f.bicubicPsnrDb)),
      videoKbps: kbps(run.video.filter(within), length),
      patchKbps: kbps(run.packets.filter(within), length),
      patches: patchCount(run.packets.filter(within)),
    });
  }
  return summaries;
}

/** The part of a run before `endSeconds`. */
export function firstPart(run: SchemeRun, endSeconds: number): SchemeRun {
  const before = ({ timeSeconds }: { readonly timeSeconds: number }): boolean =>
    timeSeconds < endSeconds;
  return {
    frames: run.frames.filter(before),
    video: run.video.filter(before),
    packets: run.packets.filter(before),
    seconds: Math.min(run.seconds, endSeconds),
  };
}

/** The part of a run from `beginSeconds` on. */
export function lastPart(run: SchemeRun, beginSeconds: number): SchemeRun {
  const later = <T extends { readonly timeSeconds: number }>(things: readonly T[]): T[] =>
    things
      .filter(({ timeSeconds }) => timeSeconds >= beginSeconds)
      .map((thing) => ({ ...thing, timeSeconds: thing.timeSeconds - beginSeconds }));
  return {
    frames: later(run.frames),
    video: later(run.video),
    packets: later(run.packets),
    seconds: run.seconds - beginSeconds,
  };
}

/** Epochs as srenhancer reported them, beside the steps that an epoch without a pause has. */
export function summariseTraining<T extends Epoch>(
  epochs: readonly T[],
  stepsPerSecond: number,
): TrainingSummary<T> {
  let begin = 0;
  let trained = 0;
  const shares = epochs.map((epoch) => {
    const { timeSeconds, steps } = epoch;
    const share = steps / (stepsPerSecond * (timeSeconds - begin));
    begin = timeSeconds;
    trained += steps;
    return { ...epoch, share };
  });
  return { share: begin > 0 ? trained / (stepsPerSecond * begin) : 0, epochs: shares };
}

export function summariseSpan(run: SchemeRun, baselines: Baselines): SpanSummary {
  const psnrYDb = psnrOf(run.frames);
  const carrying = run.packets.filter(({ patches }) => patches > 0);
  const patches = patchCount(carrying);
  const patchBytes = carrying.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    psnrYDb,
    ssim: mean(run.frames.flatMap((f) => f.ssim ?? [])),
    gainOverBilinearDb: psnrYDb - psnrOf(baselines.bilinear.frames),
    gainOverBicubicDb: psnrYDb - psnrOf(baselines.bicubic.frames),
    worstSecondOverBicubicDb: Math.min(...perSecond(run).map((s) => s.overBicubicDb)),
    videoKbps: kbps(run.video, run.seconds),
    patchKbps: kbps(run.packets, run.seconds),
    patchesPerSecond: patches / run.seconds,
    bytesPerPatch: patches > 0 ? patchBytes / patches : null,
  };
}

export function summariseScheme(
  run: SchemeRun,
  baselines: Baselines,
  switchSeconds?: number,
): SchemeSummary {
  const afterSwitch = (begin: number): SpanSummary =>
    summariseSpan(lastPart(run, begin), {
      bilinear: lastPart(baselines.bilinear, begin),
      bicubic: lastPart(baselines.bicubic, begin),
    });
  const start = (whole: SchemeRun): SchemeRun => firstPart(whole, startSeconds);
  return {
    ...summariseSpan(run, baselines),
    first10s: summariseSpan(start(run), {
      bilinear: start(baselines.bilinear),
      bicubic: start(baselines.bicubic),
    }),
    ...(switchSeconds !== undefined &&
      switchSeconds < run.seconds && { afterSwitch: afterSwitch(switchSeconds) }),
    perSecond: perSecond(run),
  };
}
