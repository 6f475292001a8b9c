// How the uplink is shared between video and patches, compared: constant patch rates, the scheduler with
// the server's feedback, and the best that windows of all constant rates could have shown. Nothing of
// the encoder's target is corrected here: the sender runs as it does for people.
import { join } from 'node:path';
import {
  runWhole,
  type MeasuredFrame,
  type RungChange,
  type SenderPlan,
  type SentStream,
  type Stretch,
  type TrainingEpoch,
  type WholeRun,
} from './lockstep.ts';
import { mean, type SchemeRun, type SentBuffer } from './summary.ts';
import { shareOfUplink, type EvaluatedUplink } from './uplink.ts';
import { leastVideoBesidePatchesBps } from '../patch-sender/plan.ts';
import type { CumulativeBits } from '../patch-sender/uplink.ts';

export type SharingScheme =
  | `fixed:${number}`
  | 'scheduled'
  | 'optimal'
  | 'native'
  | 'native-online'
  | 'two-thirds'
  | 'auto'
  | 'all';

/** Window of the optimum and the step of its patch rates (LiveNAS figure 5). */
export const optimumSeconds = 5;
export const optimumStepKbps = 25;

const mostFixedKbps = 100_000;

/** undefined: no scheme of this family. */
export function sharingScheme(word: string): SharingScheme | undefined {
  const named = [
    'scheduled',
    'optimal',
    'native',
    'native-online',
    'two-thirds',
    'auto',
    'all',
  ] as const;
  const name = named.find((known) => known === word);
  if (name !== undefined) return name;
  const kbps = Number(/^fixed:(\d+(?:\.\d+)?)$/.exec(word)?.[1]);
  return kbps >= 0 && kbps <= mostFixedKbps ? `fixed:${kbps}` : undefined;
}

export const isSharing = (name: string): name is SharingScheme => sharingScheme(name) !== undefined;

/** The span in which no more may be sent than the uplink carries. */
export const spanSeconds = 2;

/** What one way of sharing did with the uplink. */
export interface SharingSummary {
  /** Of what the uplink carried, all of the time. */
  readonly filled: number;
  /** The most that was sent within any 2 s, of what the uplink carried in them. */
  readonly mostInSpan: number;
  /** The longest that a byte waited before a link that carries just the uplink's rate, s. */
  readonly longestQueueSeconds: number;
  /** Of the optimum: patch rate of each window, and all rates that were tried. */
  readonly windowsKbps?: readonly number[];
  readonly searchedKbps?: readonly number[];
  readonly plans: readonly SenderPlan[];
  /** Where the sender chooses the size. */
  readonly rungs?: readonly RungChange[];
}

export interface SharedRun {
  readonly run: SchemeRun;
  readonly sharing: SharingSummary;
  readonly epochs?: readonly TrainingEpoch[];
}

export interface SharingRequest {
  readonly scale: number;
  readonly uplink: EvaluatedUplink;
  readonly seconds: number;
  readonly residualStep: number;
  readonly stepsPerSecond: number;
  readonly seed: number;
  readonly onProgress: (what: string) => void;
}

type RunOf = (sent: SentStream, frames: readonly MeasuredFrame[], scheme: string) => SchemeRun;

/** Runs are shared: a constant rate is one of the optimum's too. */
export class Sharing {
  readonly #stretch: Stretch;
  readonly #request: SharingRequest;
  readonly #runOf: RunOf;
  readonly #fixed = new Map<number, SharedRun>();

  constructor(stretch: Stretch, request: SharingRequest, runOf: RunOf) {
    this.#stretch = stretch;
    this.#request = request;
    this.#runOf = runOf;
  }

  run(name: SharingScheme): Promise<SharedRun> {
    if (name === 'scheduled') return this.#play(name, 0, true);
    if (name === 'optimal') return this.#optimal();
    if (name === 'native') return this.#play(name, 0, false, 1);
    if (name === 'native-online') return this.#play(name, 0, true, 1);
    if (name === 'two-thirds') return this.#play(name, 0, true, 1.5);
    if (name === 'auto' || name === 'all') return this.#play(name, 0, true, 'auto');
    return this.#atRate(Number(name.slice('fixed:'.length)));
  }

  async #atRate(kbps: number): Promise<SharedRun> {
    const known = this.#fixed.get(kbps);
    if (known !== undefined) return known;
    const run = await this.#play(`fixed:${kbps}`, kbps, false);
    this.#fixed.set(kbps, run);
    return run;
  }

  async #optimal(): Promise<SharedRun> {
    const { uplink, seconds } = this.#request;
    const candidates = await searched(
      mostPatchKbps(uplink.carried, seconds),
      async (kbps) => (await this.#atRate(kbps)).run,
    );
    const { run, windowsKbps } = bestWindows(candidates);
    const searchedKbps = candidates.map(({ kbps }) => kbps);
    return { run, sharing: { ...this.#summary(run, []), windowsKbps, searchedKbps } };
  }

  /** `scale`: of the sender, instead of the request's. */
  async #play(
    name: string,
    patchKbps: number,
    scheduled: boolean,
    scale: number | 'auto' = this.#request.scale,
  ): Promise<SharedRun> {
    const { uplink, seconds, residualStep, stepsPerSecond, seed } = this.#request;
    this.#request.onProgress(name);
    const trains = scheduled || patchKbps > 0;
    const setup = {
      size: { scale },
      uplink: shareOfUplink(uplink, 1, seconds, join(this.#stretch.folder, 'whole.trace')),
      patches: trains ? 'residual' : 'off',
      residualStep,
      patchBitrateBps: patchKbps * 1000,
      patchesPerSecond: 0,
      hearsFeedback: scheduled,
      seed,
    } as const;
    const played: WholeRun = await runWhole(this.#stretch, setup, {
      kind: 'enhanced',
      // Not all that a sender may be set to can be set there.
      scale: scale === 1 || scale === 1.5 ? 'auto' : scale,
      training: trains ? 'adaptive' : 'off',
      textureMemory: name === 'all',
      stepsPerSecond: trains ? stepsPerSecond : 0,
      seed,
    });
    const run = this.#runOf(played, played.frames, 'test');
    const sharing = {
      ...this.#summary(run, played.plans),
      ...(scale === 'auto' && { rungs: played.rungs }),
    };
    return { run, sharing, ...(trains && { epochs: played.epochs }) };
  }

  #summary(run: SchemeRun, plans: readonly SenderPlan[]): SharingSummary {
    const { carried } = this.#request.uplink;
    const sent = allSent(run);
    const bits = sent.reduce((sum, { bytes }) => sum + bytes * 8, 0);
    return {
      filled: bits / carried(run.seconds),
      mostInSpan: mostInSpan(sent, carried, run.seconds),
      longestQueueSeconds: longestQueueSeconds(sent, carried),
      plans,
    };
  }
}

function allSent({ video, packets }: SchemeRun): SentBuffer[] {
  return [...video, ...packets].sort((a, b) => a.timeSeconds - b.timeSeconds);
}

/** Of times: the frame at the very end of a span is the next one's. */
const rounding = 1e-6;

/** The most that was sent from any buffer on within the span, of what the uplink carries in it. */
export function mostInSpan(
  sent: readonly SentBuffer[],
  carried: CumulativeBits,
  seconds: number,
): number {
  let most = 0;
  let bits = 0;
  let end = 0;
  for (const first of sent) {
    const from = first.timeSeconds;
    const until = from + spanSeconds - rounding;
    // A span that the end of the run cuts short says nothing.
    if (from + spanSeconds > seconds) break;
    for (let next = sent[end]; next && next.timeSeconds < until; next = sent[++end]) {
      bits += next.bytes * 8;
    }
    most = Math.max(most, bits / (carried(from + spanSeconds) - carried(from)));
    bits -= first.bytes * 8;
  }
  return most;
}

const queueStepSeconds = 0.01;

/** How far a link that carries just the uplink's rate falls behind. */
export function longestQueueSeconds(sent: readonly SentBuffer[], carried: CumulativeBits): number {
  let longest = 0;
  // What the link has given or let pass unused.
  let passed = 0;
  for (const { timeSeconds, bytes } of sent) {
    passed = Math.max(passed, carried(timeSeconds)) + bytes * 8;
    let until = timeSeconds;
    while (carried(until) < passed && until - timeSeconds < 60) until += queueStepSeconds;
    longest = Math.max(longest, until - timeSeconds);
  }
  return longest;
}

export interface Candidate {
  readonly kbps: number;
  readonly run: SchemeRun;
}

/** Where patches have all but the least video in the widest second: a higher rate sends the same. */
export function mostPatchKbps(carried: CumulativeBits, seconds: number): number {
  const widest = Array.from(
    { length: Math.ceil(seconds) },
    (_, second) => carried(second + 1) - carried(second),
  );
  return Math.max(0, (Math.max(...widest) - leastVideoBesidePatchesBps) / 1000);
}

/**
 * All steps from 0 up to the first that shows a worse picture than the one below it in every window:
 * more patches teach less and less, and what they take from the video costs it more and more, so that
 * what is above is worse still. At the latest to the first that is no less than `mostKbps`.
 */
export async function searched(
  mostKbps: number,
  runAt: (kbps: number) => Promise<SchemeRun>,
): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  let below: readonly number[] | undefined;
  for (let kbps = 0; ; kbps += optimumStepKbps) {
    const run = await runAt(kbps);
    candidates.push({ kbps, run });
    const windowsDb = windowsOf(run).map(meanPsnrDb);
    if (below?.every((psnrDb, window) => (windowsDb[window] ?? psnrDb) < psnrDb)) break;
    if (kbps >= mostKbps) break;
    below = windowsDb;
  }
  return candidates;
}

type Part = Pick<SchemeRun, 'frames' | 'video' | 'packets'>;

function windowsOf(run: SchemeRun): Part[] {
  return Array.from({ length: Math.ceil(run.seconds / optimumSeconds) }, (_, window) => {
    const isWithin = ({ timeSeconds }: { readonly timeSeconds: number }): boolean =>
      Math.floor(timeSeconds / optimumSeconds) === window;
    return {
      frames: run.frames.filter(isWithin),
      video: run.video.filter(isWithin),
      packets: run.packets.filter(isWithin),
    };
  });
}

const meanPsnrDb = ({ frames }: Part): number => mean(frames.map(({ psnrDb }) => psnrDb));

/** Of each window the run that shows the best picture there. */
export function bestWindows(candidates: readonly Candidate[]): {
  readonly run: SchemeRun;
  readonly windowsKbps: readonly number[];
} {
  const seconds = Math.max(...candidates.map(({ run }) => run.seconds));
  const cut = candidates.map(({ kbps, run }) => ({ kbps, windows: windowsOf(run) }));
  const parts = Array.from({ length: Math.ceil(seconds / optimumSeconds) }, (_, window) => {
    const shown = cut.flatMap(({ kbps, windows }) => {
      const part = windows[window];
      return part ? [{ ...part, kbps, psnrDb: meanPsnrDb(part) }] : [];
    });
    return shown.reduce((best, one) => (one.psnrDb > best.psnrDb ? one : best));
  });
  return {
    run: {
      frames: parts.flatMap(({ frames }) => frames),
      video: parts.flatMap(({ video }) => video),
      packets: parts.flatMap(({ packets }) => packets),
      seconds,
    },
    windowsKbps: parts.map(({ kbps }) => kbps),
  };
}
