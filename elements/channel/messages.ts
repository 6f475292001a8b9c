// Every message of the channel, as docs/protocol.md lists them. Bit rates in bit/s, times in ns of
// media time.
import { z } from 'zod';
import { ChannelError, type Head } from './frame.ts';

const count = z.int().nonnegative();
const positive = z.int().positive();
const bitrateBps = z.number().nonnegative();
const byte = z.int().min(0).max(255);
// Sides far beyond any video; they keep sums and products exact.
const side = z.int().min(1).max(32_768);
const finiteDb = z.number();
/** How many times smaller, per side, the video is sent. */
export const rungScale: z.ZodType<number> = z.literal([1, 1.5, 2, 3, 4]);

export const weightSource = z.enum(['bicubic', 'generic', 'stored', 'online']);
export type WeightSource = z.infer<typeof weightSource>;

export const trainingMode = z.enum(['adaptive', 'continuous', 'once', 'early-stop', 'off']);
export type TrainingMode = z.infer<typeof trainingMode>;

export const enhancerStart = z.object({
  type: z.literal('enhancer.start'),
  streamKey: z.string(),
  /** What the training is for: two of them have networks of scale 1. */
  rung: rungScale,
  /** Of the network. */
  scale: z.int().min(1).max(4),
  channels: positive.max(64),
  layers: positive.max(16),
  width: side,
  height: side,
  training: trainingMode,
  modelStore: z.string(),
  feedbackListen: z.string(), // ADDRESS:PORT; empty: no feedback
  feedbackCertificate: z.string(), // a PEM file with the key; empty: no TLS
  token: z.string(),
  tokensFile: z.string().default(''), // tokens by stream key; empty: none
  lockstep: z.boolean(),
  stepsPerSecond: z.number().nonnegative(),
  trainingThreads: positive.max(64),
  seed: count,
  genericParameters: count,
  liveParameters: count,
  liveSource: weightSource,
});
export type EnhancerStart = z.infer<typeof enhancerStart>;

export const patchPair = z.object({
  type: z.literal('patch.pair'),
  sequence: count,
  mediaTimeNs: count,
  x: count,
  y: count,
  width: side.max(512),
  height: side.max(512),
});
export type PatchPair = z.infer<typeof patchPair>;

/** A message of the feedback channel tells of no more. */
export const mostCells = 8192;

/** The sender's grid of patches. */
export const patchGrid = z
  .object({ cell: byte.min(1), columns: count.max(1024), rows: count.max(1024) })
  .refine(({ columns, rows }) => columns * rows <= mostCells, 'more cells than can be told of');

/** Below 0 memory does harm, and shows nothing; null, or not there: not tested yet. */
export const memoryBenefit = z.number().max(1).nullable().default(null);

/** Counts of what came in since the stream began. */
export const enhancerTick = z.object({
  type: z.literal('time.tick'),
  mediaTimeNs: count,
  /** Encoded, into the decoder; null: unknown. */
  videoBytes: count.nullable().default(null),
  patchBytes: count.default(0),
  packets: count.default(0),
  packetsLost: count.default(0),
  /**
   * What texture memory knows of the latest picture, and the tick's time by the sender's clock; the blob
   * has a byte a cell, row by row: the share of it, of 255. `benefit`: of the squared error of what is
   * known, the share that memory takes away. null: nothing is remembered.
   */
  memory: patchGrid
    .safeExtend({ senderTimeNs: count, benefit: memoryBenefit })
    .nullable()
    .default(null),
});
export type EnhancerTick = z.infer<typeof enhancerTick>;

export const sceneCut = z.object({ type: z.literal('scene.cut'), mediaTimeNs: count });

/** What srenhancer sends after its start. */
export const enhancerMessage = z.discriminatedUnion('type', [patchPair, enhancerTick, sceneCut]);
export type EnhancerMessage = z.infer<typeof enhancerMessage>;

export const modelSwap = z.object({
  type: z.literal('model.swap'),
  version: positive,
  rung: rungScale,
  source: weightSource,
  gainDb: finiteDb.nullable(),
});
export type ModelSwap = z.infer<typeof modelSwap>;

export const trainingReport = z.object({
  type: z.literal('training.report'),
  rung: rungScale,
  epoch: count,
  mediaTimeNs: count,
  state: z.enum(['waiting', 'training', 'suspended', 'off']),
  steps: count,
  loss: z.number(),
  pairs: count,
  held: count,
  gainDb: finiteDb.nullable(),
  genericGainDb: finiteDb.nullable(),
  candidateGainDb: finiteDb.nullable(),
  epochGainDb: finiteDb.nullable(),
  leadDb: finiteDb.nullable(),
  swaps: count,
  refused: count,
  /** Of video and patches as they arrived in the epoch; null: unknown. */
  goodputBps: bitrateBps.nullable(),
  /** Of the epoch's patch packets; null: none was due. */
  packetLoss: z.number().min(0).max(1).nullable(),
});
export type TrainingReport = z.infer<typeof trainingReport>;

/** What came to the feedback port, of all streams on its address (ServerCounts of elements/feedback). */
export const feedbackCounts = z.object({
  type: z.literal('feedback.counts'),
  connections: count,
  clients: count,
  wrongTokens: count,
  wrongHellos: count,
  late: count,
  evicted: count,
  tooMuch: count,
  packets: count,
  packetsRefused: count,
});
export type FeedbackCountsMessage = z.infer<typeof feedbackCounts>;

/** Of the training, when it has become another; each says what it means (docs/protocol.md). */
export const trainingState = z.object({
  type: z.literal('training.state'),
  rung: rungScale,
  state: z.enum(['waiting', 'training', 'suspended', 'off']),
});
export type TrainingState = z.infer<typeof trainingState>;

/** The request that asks whether the engine is alive. */
export const pingType = 'engine.ping';

/** Something that people should know of; the stream goes on. */
export const engineWarning = z.object({
  type: z.literal('engine.warning'),
  cause: z.string(),
  remedy: z.string(),
});
export type EngineWarning = z.infer<typeof engineWarning>;

export const senderStart = z.object({
  type: z.literal('sender.start'),
  /** Of the frames that come now. */
  scale: rungScale,
  /** Scales to choose from; one: that is to be sent. */
  rungs: z.array(rungScale).min(1).max(5),
  frameWidth: side,
  frameHeight: side,
  framesPerSecond: z.number().nonnegative(), // 0: the caps do not say
  maxBitrateBps: bitrateBps,
  minVideoBitrateBps: bitrateBps,
  patchBitrateBps: bitrateBps,
  patches: z.enum(['residual', 'jpeg', 'off']),
  /** Whatever they cost; 0: as many as patchBitrateBps pays for. */
  patchesPerSecond: z.int().nonnegative().max(1000),
  uplink: z.string(),
  uplinkBitrateBps: bitrateBps, // with uplink "external"; 0: not told yet
  schedule: z.enum(['residual', 'livenas']),
  streamClass: z.string(),
  streamKey: z.string(),
  feedbackUri: z.string(), // empty: no feedback
  token: z.string(),
  /** Whether the sender keeps each frame within what 2 s of the uplink have left for it. */
  limitsFrames: z.boolean().optional(),
  lockstep: z.boolean(),
  seed: count,
});
export type SenderStart = z.infer<typeof senderStart>;

export const frameOffer = z.object({
  type: z.literal('frame.offer'),
  offer: count,
  mediaTimeNs: count,
  columns: count.max(1024),
  rows: count.max(1024),
  cell: byte.min(1),
  /** What patches may take now so that no 2 s get more than the uplink carries; not there: the plan says it. */
  roomBits: count.optional(),
});
export type FrameOffer = z.infer<typeof frameOffer>;

export const patchSent = z.object({
  type: z.literal('patch.sent'),
  mediaTimeNs: count,
  bytes: count,
  /** In the packet; none: it announced the sizes. */
  patches: z.int().nonnegative(),
});
export type PatchSent = z.infer<typeof patchSent>;

export const senderTick = z.object({
  type: z.literal('time.tick'),
  mediaTimeNs: count,
  videoBytes: count,
  /** Of them in key frames. */
  keyFrameBytes: count.optional(),
});

const sequence16 = z.int().min(0).max(65_535);

/** Counters of an srtsink since its connection. `timeNs` is of the machine's steady clock. */
export const linkSrt = z.object({
  type: z.literal('link.srt'),
  timeNs: count,
  bytesSent: count,
  bytesRetransmitted: count,
  packetsSent: count,
  packetsLost: count,
  nacks: count,
  rttMs: z.number().nonnegative(),
});

/** Packets that transport-wide feedback tells of; null: lost. */
export const linkTwcc = z.object({
  type: z.literal('link.twcc'),
  timeNs: count,
  packets: z
    .array(
      z.object({
        sequence: sequence16,
        sentNs: count,
        arrivedNs: count.nullable(),
        bytes: count.max(65_535),
      }),
    )
    .max(65_536),
});

/** The property uplink-bitrate. */
export const linkRate = z.object({ type: z.literal('link.rate'), rateBps: bitrateBps });

const trialNumber = count;

/** What a trial showed: pictures as a receiver without training has them, against the original. */
export const trialResult = z.object({
  type: z.literal('trial.result'),
  trial: trialNumber,
  pictures: positive,
  psnrDb: finiteDb,
  /** Of the stream, over the same pictures. */
  livePsnrDb: finiteDb,
  videoBytes: count,
  liveVideoBytes: count,
  durationNs: positive,
});
export type TrialResult = z.infer<typeof trialResult>;

export const trialFailed = z.object({
  type: z.literal('trial.failed'),
  trial: trialNumber,
  reason: z.string(),
});

/** What patchsender sends after its start. */
export const senderMessage = z.discriminatedUnion('type', [
  frameOffer,
  patchSent,
  senderTick,
  linkSrt,
  linkTwcc,
  linkRate,
  trialResult,
  trialFailed,
]);
export type SenderMessage = z.infer<typeof senderMessage>;

export const planSet = z.object({
  type: z.literal('plan.set'),
  mediaTimeNs: count,
  videoBitrateBps: bitrateBps,
  /** What the encoder is to be told so that it gives that; missing: just that. */
  encoderBitrateBps: bitrateBps.optional(),
  patchBitrateBps: bitrateBps,
  estimatedUplinkBps: bitrateBps,
  /** How fast packets are to follow one another, headers and all; missing: as they come. */
  paceBps: bitrateBps.optional(),
  /** dB by a further 100 kbit/s of patches, and of video; null: not known yet. */
  gainByPatchesDb: finiteDb.nullable(),
  gainByVideoDb: finiteDb.nullable(),
});
export type PlanSet = z.infer<typeof planSet>;

/** The next frames are to be sent at this scale. */
export const rungSet = z.object({
  type: z.literal('rung.set'),
  scale: rungScale,
});
export type RungSet = z.infer<typeof rungSet>;

/** Some seconds of frames are to be encoded at another scale too, beside the stream. */
export const trialRun = z.object({
  type: z.literal('trial.run'),
  trial: trialNumber,
  scale: rungScale,
  videoBitrateBps: z.int().nonnegative(),
  warmUpNs: count,
  measureNs: count,
});
export type TrialRun = z.infer<typeof trialRun>;

export const patchSelect = z.object({
  type: z.literal('patch.select'),
  offer: count,
  cells: z.array(count),
});
export type PatchSelect = z.infer<typeof patchSelect>;

/** The first message of every connection. */
export const startMessage = z.discriminatedUnion('type', [enhancerStart, senderStart]);

/** How the channel to the feedback server stands; counts since the stream began. */
export const feedbackState = z.object({
  type: z.literal('feedback.state'),
  connected: z.boolean(),
  received: count,
  ignored: count,
  connections: count,
  /** What the server said last of what arrives; null: nothing yet. */
  goodputBps: bitrateBps.nullable(),
  packetLoss: z.number().min(0).max(1).nullable(),
});
export type FeedbackState = z.infer<typeof feedbackState>;

/** A patch packet that came over the feedback channel; it is the blob. */
export const patchPacket = z.object({ type: z.literal('patch.packet') });
export type PatchPacket = z.infer<typeof patchPacket>;

/** What the engine sends. */
export type EngineMessage =
  | ModelSwap
  | TrainingReport
  | TrainingState
  | EngineWarning
  | FeedbackCountsMessage
  | PatchPacket
  | PlanSet
  | RungSet
  | TrialRun
  | PatchSelect
  | FeedbackState;

/**
 * The head as its schema has it. Optional fields that are not as agreed are left out, and `dropped` hears
 * of them; ChannelError with the fields at fault when it is others.
 */
export function parseHead<T>(
  schema: z.ZodType<T>,
  head: Head,
  dropped?: (type: string, fields: readonly string[]) => void,
): T {
  const result = schema.safeParse(head);
  if (result.success) return result.data;
  const { issues } = result.error;
  const fields = [...new Set(issues.map(({ path }) => String(path[0])))];
  const { type, ...rest } = head;
  const kept = Object.fromEntries(Object.entries(rest).filter(([name]) => !fields.includes(name)));
  const without = schema.safeParse({ type, ...kept });
  if (without.success) {
    dropped?.(type, fields);
    return without.data;
  }
  const faults = issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new ChannelError(`message ${head.type} is not as agreed: ${faults.join('; ')}`);
}
