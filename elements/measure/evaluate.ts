// `livesr eval`: which schemes need which runs, and what comes out of them. Every scheme gets the same
// uplink and fills it: calibrate.ts corrects what each encoder run would over- or underspend.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../cli/failure.ts';
import { bestTrial, nextAsked, type Trial } from './calibrate.ts';
import { framesPerSecond, openSession, type Clip, type ClipShape } from './clip.ts';
import {
  runSender,
  runWhole,
  type MeasuredFrame,
  type SenderSetup,
  type SentStream,
  type Stretch,
  type TrainingEpoch,
  type TrainingMode,
} from './lockstep.ts';
import {
  mean,
  summariseScheme,
  summariseTraining,
  type SentBuffer,
  type SchemeRun,
  type SchemeSummary,
  type ShownFrame,
} from './summary.ts';
import { isSharing, Sharing, type SharingScheme, type SharingSummary } from './sharing.ts';
import { shareOfUplink, type EvaluatedUplink } from './uplink.ts';

/** Those with a name of their own; `fixed:N`, `scheduled` and `optimal` are sharing.ts's. */
export const schemeNames = [
  'bilinear',
  'bicubic',
  'lanczos',
  'generic',
  'online',
  'once',
  'early-stop',
  'continuous',
  'adaptive',
  'persistent',
  'memory',
  'residual',
  'jpeg',
  'raw',
  'ladder',
] as const;
export type SchemeName = (typeof schemeNames)[number] | SharingScheme;

/** Those that train: how, and on patches of which codec. `raw` is a codec without loss. */
const trainedSchemes = {
  online: { training: 'adaptive', codec: 'residual' },
  once: { training: 'once', codec: 'residual' },
  'early-stop': { training: 'early-stop', codec: 'residual' },
  continuous: { training: 'continuous', codec: 'residual' },
  adaptive: { training: 'adaptive', codec: 'residual' },
  persistent: { training: 'adaptive', codec: 'residual' },
  memory: { training: 'adaptive', codec: 'residual' },
  residual: { training: 'continuous', codec: 'residual' },
  jpeg: { training: 'continuous', codec: 'jpeg' },
  raw: { training: 'continuous', codec: 'raw' },
} as const satisfies Partial<Record<SchemeName, { training: TrainingMode; codec: string }>>;
type TrainedScheme = keyof typeof trainedSchemes;
type Codec = (typeof trainedSchemes)[TrainedScheme]['codec'];
const isTrained = (name: SchemeName): name is TrainedScheme => name in trainedSchemes;

/** A residual at this step is off by rounding only: half a grey level at most, 59 dB. */
const losslessStep = 1;

export interface EvaluationRequest {
  /** Several take turns of `switchSeconds`: a session with scene changes. */
  readonly clips: readonly string[];
  readonly switchSeconds: number;
  /** What the clips are brought to first; the size of the first one without. */
  readonly shape?: ClipShape;
  readonly scale: number;
  readonly uplink: EvaluatedUplink;
  readonly seconds: number;
  readonly schemes: readonly SchemeName[];
  readonly stepsPerSecond: number;
  readonly patchBitrateBps: number;
  /** Patches go by number and are not billed; 0: by bit rate. */
  readonly patchesPerSecond: number;
  readonly residualStep: number;
  readonly seed: number;
  /** Told what is being done, for people who wait. */
  readonly onProgress: (what: string) => void;
}

/** Size of the video that a rung sends. */
export interface Rung {
  readonly width: number;
  readonly height: number;
}

export interface Evaluation {
  readonly clip: string;
  /** Of a session of several clips. */
  readonly switchSeconds?: number;
  readonly scale: number;
  readonly uplinkKbps: number;
  readonly seconds: number;
  readonly schemes: Partial<Record<SchemeName, MeasuredScheme>>;
}

export interface MeasuredScheme extends SchemeSummary {
  readonly rung?: Rung;
  readonly sharing?: SharingSummary;
}

const ladderShares = [1, 2 / 3, 1 / 2, 1 / 3];

/** The rungs of a clip: native, 2/3, 1/2, 1/3 of its height, even sizes as 4:2:0 has them. */
export function rungsOf(width: number, height: number): Rung[] {
  const even = (side: number, share: number): number => 2 * Math.round((side * share) / 2);
  return ladderShares.map((share) => ({
    width: share === 1 ? width : even(width, share),
    height: share === 1 ? height : even(height, share),
  }));
}

/** What a sender is set to, apart from the rate, which calibration finds. */
type SenderChoice = Omit<SenderSetup, 'uplink'>;

class Evaluator {
  readonly #request: EvaluationRequest;
  readonly #stretch: Stretch;
  readonly #seconds: number;
  readonly #setups = new Map<Codec, SenderSetup>();

  constructor(request: EvaluationRequest, clip: Clip, folder: string) {
    this.#request = request;
    const rate = framesPerSecond(clip.frameRate);
    const frameCount = Math.round(request.seconds * rate);
    this.#stretch = { clip, frameCount, folder };
    this.#seconds = frameCount / rate;
  }

  #bytesAllowed(): number {
    return this.#request.uplink.carried(this.#seconds) / 8;
  }

  /** The share of the uplink that a stream fills. */
  #filled({ video, packets }: SentStream, choice: SenderChoice): number {
    if (choice.patchesPerSecond === 0) {
      return (totalBytes(video) + totalBytes(packets)) / this.#bytesAllowed();
    }
    // By number: they stand in for what patch-bitrate would carry.
    const patchBytes = (choice.patchBitrateBps * this.#seconds) / 8;
    return (totalBytes(video) + patchBytes) / this.#bytesAllowed();
  }

  /** The setup whose stream fills the uplink, or that share of it, and does not exceed it. */
  async #calibrate(choice: SenderChoice, what: string, share = 1): Promise<SenderSetup> {
    const { uplink, seconds, onProgress } = this.#request;
    const trials: (Trial & { readonly setup: SenderSetup })[] = [];
    for (let asked = nextAsked(trials); asked !== null; asked = nextAsked(trials)) {
      onProgress(`${what}: filling the uplink, trial ${trials.length + 1}`);
      const trace = join(this.#stretch.folder, `share-${asked.toFixed(6)}.trace`);
      const setup = { ...choice, uplink: shareOfUplink(uplink, asked, seconds, trace) };
      const sent = this.#filled(await runSender(this.#stretch, setup), choice) / share;
      trials.push({ asked, sent, setup });
    }
    const best = bestTrial(trials);
    if (best === undefined) {
      const least = Math.min(...trials.map((trial) => trial.sent)) * uplink.kbps;
      throw new Failure(
        `${what} does not fit: the encoder sends ${least.toFixed(0)} kbit/s at the least, the uplink ` +
          `carries ${uplink.kbps.toFixed(0)}. Give a higher --uplink.`,
      );
    }
    return best.setup;
  }

  /** All bits for video: bilinear, bicubic, Lanczos and the generic network share one run. */
  async plain(): Promise<Record<'bilinear' | 'bicubic' | 'lanczos' | 'generic', SchemeRun>> {
    const { scale, seed } = this.#request;
    const setup = await this.#calibrate(this.#choice('off'), 'plain video');
    this.#request.onProgress('bilinear, bicubic, lanczos, generic');
    const run = await runWhole(this.#stretch, setup, {
      kind: 'enhanced',
      scale,
      training: 'off',
      stepsPerSecond: 0,
      seed,
    });
    return {
      bilinear: this.#schemeRun(run, run.frames, 'bilinear'),
      bicubic: this.#schemeRun(run, run.frames, 'bicubic'),
      lanczos: this.#schemeRun(run, run.frames, 'lanczos'),
      generic: this.#schemeRun(run, run.frames, 'test'),
    };
  }

  /** Video and patches together fill the uplink. */
  async #withPatches(codec: Codec): Promise<SenderSetup> {
    const known = this.#setups.get(codec);
    if (known !== undefined) return known;
    const choice = this.#choice(codec === 'jpeg' ? 'jpeg' : 'residual');
    const coded = codec === 'raw' ? { ...choice, residualStep: losslessStep } : choice;
    const setup = await this.#calibrate(coded, `video with ${codec} patches`);
    this.#setups.set(codec, setup);
    return setup;
  }

  /** The network learns from the patches. */
  async trained(
    name: TrainedScheme,
  ): Promise<{ readonly run: SchemeRun; readonly epochs: readonly TrainingEpoch[] }> {
    const { scale, seed, stepsPerSecond } = this.#request;
    const { training, codec } = trainedSchemes[name];
    const setup = await this.#withPatches(codec);
    const receiver = {
      kind: 'enhanced',
      scale,
      training,
      stepsPerSecond,
      seed,
      textureMemory: name === 'memory',
      ...(name === 'persistent' && { modelStore: join(this.#stretch.folder, 'models') }),
    } as const;
    if (name === 'persistent') {
      this.#request.onProgress('persistent: the session before');
      await runWhole(this.#stretch, setup, receiver);
    }
    this.#request.onProgress(name);
    // A sender that hears what memory lacks spends as much, on other patches.
    const sender = { ...setup, hearsFeedback: name === 'memory' };
    const run = await runWhole(this.#stretch, sender, receiver);
    return { run: this.#schemeRun(run, run.frames, 'test'), epochs: run.epochs };
  }

  /** The rung that shows the best picture with that share of the uplink, enlarged by Lanczos. */
  async ladder(share: number): Promise<{ readonly run: SchemeRun; readonly rung: Rung }> {
    const { width, height } = this.#stretch.clip;
    let best: { run: SchemeRun; rung: Rung; psnrDb: number } | undefined;
    for (const rung of rungsOf(width, height)) {
      const what = `ladder ${rung.width}x${rung.height}`;
      const setup = await this.#calibrate({ ...this.#choice('off'), size: rung }, what, share);
      this.#request.onProgress(what);
      const run = await runWhole(this.#stretch, setup, { kind: 'enlarged' });
      const schemeRun = this.#schemeRun(run, run.frames, 'lanczos');
      const psnrDb = mean(schemeRun.frames.map((frame) => frame.psnrDb));
      if (best === undefined || psnrDb > best.psnrDb) best = { run: schemeRun, rung, psnrDb };
    }
    if (best === undefined) throw new Failure('the ladder has no rungs');
    return best;
  }

  /** The schemes that differ in what patches get. */
  sharing(): Sharing {
    return new Sharing(this.#stretch, this.#request, (sent, frames, scheme) =>
      this.#schemeRun(sent, frames, scheme),
    );
  }

  #choice(patches: SenderSetup['patches']): SenderChoice {
    const { scale, patchBitrateBps, patchesPerSecond, residualStep, seed } = this.#request;
    return { size: { scale }, patches, residualStep, patchBitrateBps, patchesPerSecond, seed };
  }

  #schemeRun(sent: SentStream, frames: readonly MeasuredFrame[], scheme: string): SchemeRun {
    const shown = frames.map(({ timeSeconds, schemes }): ShownFrame => {
      const quality = schemes[scheme];
      const { bicubic } = schemes;
      if (quality === undefined || bicubic === undefined) {
        throw new Failure(`the meter left no figures of ${scheme}`);
      }
      return {
        timeSeconds,
        psnrDb: quality.psnrDb,
        ssim: quality.ssim ?? null,
        bicubicPsnrDb: bicubic.psnrDb,
      };
    });
    return { frames: shown, video: sent.video, packets: sent.packets, seconds: this.#seconds };
  }
}

/** The ladder comes after what it is compared with. */
const rankOf = (name: SchemeName): number => (name === 'ladder' ? 1 : 0);

function totalBytes(sent: readonly SentBuffer[]): number {
  return sent.reduce((sum, { bytes }) => sum + bytes, 0);
}

export async function evaluate(request: EvaluationRequest): Promise<Evaluation> {
  const { clips, seconds, switchSeconds, shape, stepsPerSecond } = request;
  request.onProgress(`decoding ${clips.join(', ')}`);
  const clip = await openSession(clips, seconds, switchSeconds, shape);
  const folder = mkdtempSync(join(tmpdir(), 'livesr-eval-'));
  try {
    const evaluator = new Evaluator(request, clip, folder);
    const plain = await evaluator.plain();
    const sharing = evaluator.sharing();
    const schemes: Evaluation['schemes'] = {};
    // Equal bits: what `all`, which keeps every 2 s, leaves unused is not the ladder's either.
    for (const name of request.schemes.toSorted((a, b) => rankOf(a) - rankOf(b))) {
      if (name === 'ladder') {
        const { run, rung } = await evaluator.ladder(schemes.all?.sharing?.filled ?? 1);
        schemes.ladder = { ...summariseScheme(run, plain, clip.switchSeconds), rung };
      } else if (isSharing(name)) {
        const shared = await sharing.run(name);
        schemes[name] = {
          ...summariseScheme(shared.run, plain, clip.switchSeconds),
          sharing: shared.sharing,
          ...(shared.epochs && { training: summariseTraining(shared.epochs, stepsPerSecond) }),
        };
      } else if (isTrained(name)) {
        const { run, epochs } = await evaluator.trained(name);
        schemes[name] = {
          ...summariseScheme(run, plain, clip.switchSeconds),
          training: summariseTraining(epochs, stepsPerSecond),
        };
      } else {
        schemes[name] = summariseScheme(plain[name], plain, clip.switchSeconds);
      }
    }
    return {
      clip: clips.join(', '),
      ...(clip.switchSeconds !== undefined && { switchSeconds: clip.switchSeconds }),
      scale: request.scale,
      uplinkKbps: request.uplink.kbps,
      seconds,
      schemes,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
