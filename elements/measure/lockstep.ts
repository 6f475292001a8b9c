// One run of the real elements over a clip, sender and enhancer in one pipeline and in lockstep, with
// everything that went over the link counted and every frame measured.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../cli/failure.ts';
import { native } from '../bridge/index.ts';
import { freeUdpPort } from '../demo/live.ts';
import { framesPerSecond, type Clip } from './clip.ts';
import { readGdp } from './gdp.ts';
import { quoted, runPipeline } from './pipeline.ts';
import type { SentBuffer, SentPacket } from './summary.ts';

/** What `training` of srenhancer is set to. */
export type TrainingMode = 'adaptive' | 'continuous' | 'once' | 'early-stop' | 'off';

/** How patchsender is set up. */
export interface SenderSetup {
  /** Size of the video that is sent. */
  readonly size:
    { readonly scale: number | 'auto' } | { readonly width: number; readonly height: number };
  /** Text of its `uplink` property. */
  readonly uplink: string;
  readonly patches: 'residual' | 'jpeg' | 'off';
  readonly residualStep: number;
  readonly patchBitrateBps: number;
  /** Whatever they cost; 0: as many as the patch bit rate pays for. */
  readonly patchesPerSecond: number;
  readonly seed: number;
  /** Whether the server's reports come to the sender's scheduler; only in a whole run. */
  readonly hearsFeedback?: boolean;
}

/** What the sender decided, once a second. */
export interface SenderPlan {
  readonly timeSeconds: number;
  readonly uplinkBps: number;
  readonly patchBps: number;
  /** dB by a further 100 kbit/s; null: not known yet. */
  readonly gainByPatchesDb: number | null;
  readonly gainByVideoDb: number | null;
}

/** From when on the sender sends at another scale than before. */
export interface RungChange {
  readonly timeSeconds: number;
  readonly scale: number;
}

/** What becomes of the decoded video. */
export type ReceiverSetup =
  | {
      readonly kind: 'enhanced';
      readonly scale: number | 'auto';
      readonly training: TrainingMode;
      readonly textureMemory?: boolean;
      /** A folder that keeps what was learned for the next session; none without. */
      readonly modelStore?: string;
      readonly stepsPerSecond: number;
      readonly seed: number;
    }
  | { readonly kind: 'enlarged' };

export interface Stretch {
  readonly clip: Clip;
  readonly frameCount: number;
  /** A folder for what the run writes. */
  readonly folder: string;
}

export interface SentStream {
  readonly video: readonly SentBuffer[];
  readonly packets: readonly SentPacket[];
}

export interface PictureQuality {
  readonly psnrDb: number;
  /** Not there for frames whose SSIM was not measured. */
  readonly ssim?: number;
}

/** One frame as every scheme of the run shows it; `test` is srenhancer's picture. */
export interface MeasuredFrame {
  readonly timeSeconds: number;
  readonly schemes: Readonly<Partial<Record<string, PictureQuality>>>;
}

/** What srenhancer reported at the end of an epoch. */
export interface TrainingEpoch {
  readonly timeSeconds: number;
  readonly state: string;
  /** Training steps in the epoch. */
  readonly steps: number;
  /** Over bicubic on patches that were not trained on: weights in use, generic ones, trained ones. */
  readonly gainDb: number | null;
  readonly genericGainDb: number | null;
  readonly candidateGainDb: number | null;
  /** What the epoch's training gained. */
  readonly epochGainDb: number | null;
  /** Of the weights in use over the generic ones, on the epoch's patches. */
  readonly leadDb: number | null;
  readonly pairs: number;
}

/** SSIM is measured of every fifth frame: it takes longer than all the rest of a run together. */
export const ssimEvery = 5;

const streamKey = 'evaluation';

const properties = (values: Readonly<Record<string, string | number | boolean>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? quoted(value) : value}`)
    .join(' ');

/** `feedback`: ADDRESS:PORT of the server; empty: none. */
function senderLaunch(
  { clip, frameCount, folder }: Stretch,
  sender: SenderSetup,
  feedback = '',
): string {
  const { size, uplink, patches, residualStep, patchBitrateBps, patchesPerSecond, seed } = sender;
  return (
    `srloopsrc ${properties({
      location: clip.path,
      'switch-every': clip.switchSeconds ?? 0,
      'num-buffers': frameCount,
    })} ! tee name=source ` +
    `source. ! queue ! patchsender name=sender ${properties({
      ...size,
      uplink,
      // The uplink alone says how much may go.
      'max-bitrate': 1_000_000_000,
      ...(patches === 'off'
        ? { patches }
        : { 'patch-codec': patches, 'residual-step': residualStep }),
      'patch-bitrate': patchBitrateBps,
      carriage: 'klv',
      'patches-per-second': patchesPerSecond,
      ...(feedback !== '' && { 'feedback-uri': `ws://${feedback}`, 'stream-key': streamKey }),
      seed,
      lockstep: true,
    })} ` +
    `sender.src ! tee name=video ` +
    `video. ! queue ! gdppay ! filesink async=false location=${quoted(join(folder, 'video.gdp'))} ` +
    `sender.patches ! tee name=patches ` +
    `patches. ! queue ! filesink async=false location=${quoted(join(folder, 'patches.klv'))} `
  );
}

function receiverLaunch(
  { clip, folder }: Stretch,
  receiver: ReceiverSetup,
  feedback: string,
): string {
  const decoded =
    // One thread: with several the decoder holds back frames that lockstep waits for.
    'video. ! queue ! h264parse ! avdec_h264 max-threads=1 ! tee name=decoded decoded. ! queue ';
  const meter = {
    location: join(folder, 'frames.jsonl'),
    'ssim-every': ssimEvery,
  };
  const picture =
    receiver.kind === 'enhanced'
      ? `! srenhancer name=enhancer ${properties({
          scale: receiver.scale,
          training: receiver.training,
          'texture-memory': receiver.textureMemory ?? false,
          'model-store': receiver.modelStore ?? '',
          'stream-key': streamKey,
          'feedback-listen': feedback,
          'training-steps-per-second': receiver.stepsPerSecond,
          seed: receiver.seed,
          lockstep: true,
        })} ! meter.sink patches. ! queue ! enhancer.patches `
      : // A picture for the meter to compare; Lanczos is what is asked for.
        `! videoscale method=nearest-neighbour ! video/x-raw,width=${clip.width},height=${clip.height} ! meter.sink `;
  const baselines = receiver.kind === 'enhanced' ? 'bilinear,bicubic,lanczos' : 'bicubic,lanczos';
  // Of pictures whose size changes, the meter enlarges each to the whole.
  const { scale = 0 } = receiver.kind === 'enhanced' && receiver.scale !== 'auto' ? receiver : {};
  return (
    decoded +
    picture +
    // As far as the sender may be ahead of the meter.
    'source. ! queue max-size-buffers=90 max-size-bytes=0 max-size-time=0 ! meter.reference ' +
    'decoded. ! queue ! meter.lowres ' +
    `srmeter name=meter ${properties({ ...meter, baselines, scale })} meter.src ! fakesink sync=false`
  );
}

function readSent({ clip, folder }: Stretch): SentStream {
  const rate = framesPerSecond(clip.frameRate);
  const video = readGdp(readFileSync(join(folder, 'video.gdp'))).buffers.map(
    ({ payload }, index) => ({ timeSeconds: index / rate, bytes: payload.length }),
  );
  const packets: SentPacket[] = [];
  const klv = readFileSync(join(folder, 'patches.klv'));
  for (let at = 0; at < klv.length;) {
    const { error, consumed, header, patches } = native().readPacket(klv.subarray(at));
    if (header === undefined || patches === undefined || consumed === 0) {
      throw new Failure(`the sender sent a patch packet that cannot be read: ${error}`);
    }
    packets.push({
      timeSeconds: header.runningTimeNs / 1e9,
      bytes: consumed,
      patches: patches.length,
    });
    at += consumed;
  }
  return { video, packets };
}

function readFrames({ folder, frameCount }: Stretch): MeasuredFrame[] {
  const lines = readFileSync(join(folder, 'frames.jsonl'), 'utf8').trim().split('\n');
  const frames: MeasuredFrame[] = [];
  let startNs: number | undefined;
  for (const line of lines) {
    const frame = JSON.parse(line) as {
      readonly timeNs?: number;
      readonly schemes: MeasuredFrame['schemes'];
    };
    if (frame.timeNs === undefined) continue; // the summary at the end
    startNs ??= frame.timeNs;
    frames.push({ timeSeconds: (frame.timeNs - startNs) / 1e9, schemes: frame.schemes });
  }
  if (frames.length !== frameCount) {
    throw new Failure(`${frameCount} frames went in and ${frames.length} could be measured`);
  }
  return frames;
}

/** The sender alone: what would be sent. The same setup sends the same bytes in a whole run. */
export async function runSender(stretch: Stretch, sender: SenderSetup): Promise<SentStream> {
  await runPipeline({ name: 'the sender', launch: senderLaunch(stretch, sender) });
  return readSent(stretch);
}

export interface WholeRun extends SentStream {
  readonly frames: readonly MeasuredFrame[];
  readonly epochs: readonly TrainingEpoch[];
  readonly plans: readonly SenderPlan[];
  readonly rungs: readonly RungChange[];
}

/** Sender and receiver: what is sent and how every frame then looks. */
export async function runWhole(
  stretch: Stretch,
  sender: SenderSetup,
  receiver: ReceiverSetup,
): Promise<WholeRun> {
  const epochs: TrainingEpoch[] = [];
  const plans: SenderPlan[] = [];
  const rungs: RungChange[] = [];
  const feedback = sender.hearsFeedback === true ? `127.0.0.1:${await freeUdpPort()}` : '';
  await runPipeline({
    name: 'the evaluation',
    launch: senderLaunch(stretch, sender, feedback) + receiverLaunch(stretch, receiver, feedback),
    onMessage: ({ name, fields }) => {
      if (name === 'livesr-epoch') epochs.push(epochOf(fields));
      if (name === 'livesr-plan') plans.push(planOf(fields));
      if (name === 'livesr-rung') {
        rungs.push({
          timeSeconds: Number(fields['media-time-ns']) / 1e9,
          scale: Number(fields.scale),
        });
      }
    },
  });
  return { ...readSent(stretch), frames: readFrames(stretch), epochs, plans, rungs };
}

type Fields = Readonly<Record<string, unknown>>;

function decibels(fields: Fields, name: string): number | null {
  const value = fields[name];
  return value === undefined ? null : Number(value);
}

function epochOf(fields: Fields): TrainingEpoch {
  return {
    timeSeconds: Number(fields['media-time-ns']) / 1e9,
    state: String(fields.state),
    steps: Number(fields.steps),
    gainDb: decibels(fields, 'gain-db'),
    genericGainDb: decibels(fields, 'generic-gain-db'),
    candidateGainDb: decibels(fields, 'candidate-gain-db'),
    epochGainDb: decibels(fields, 'epoch-gain-db'),
    leadDb: decibels(fields, 'lead-db'),
    pairs: Number(fields.pairs),
  };
}

function planOf(fields: Fields): SenderPlan {
  return {
    timeSeconds: Number(fields['media-time-ns']) / 1e9,
    uplinkBps: Number(fields['estimated-uplink-bps']),
    patchBps: Number(fields['patch-bitrate-bps']),
    gainByPatchesDb: decibels(fields, 'gain-by-patches-db'),
    gainByVideoDb: decibels(fields, 'gain-by-video-db'),
  };
}
