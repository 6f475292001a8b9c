// How the uplink is shared between video and patches (LiveNAS 5.1), once a second: patches get more
// while what the server learns from them is worth more than the same bits of video, less otherwise.
// Pure functions of state, events and media time; the uplink's rate is handed in.
import { slopeDbPerBps, type Curve } from './curves.ts';
import { splitUplink, type Split } from './plan.ts';
import { mostBpsOf, usualBpsOf, type Schedule } from './schedules.ts';
import type { TrainingNews } from './training-news.ts';
import {
  allowedBps,
  roomBits,
  spanSeconds,
  steeredBps,
  went,
  type DueBurst,
  type Span,
} from './span-guard.ts';

export interface SchedulerSettings {
  readonly schedule: Schedule;
  readonly curve: Curve;
  readonly patchesOn: boolean;
  /** Above 0: patches get this always. */
  readonly patchBitrateBps: number;
  readonly minVideoBitrateBps: number;
  /** Whether each frame is kept within what 2 s have left: the rate may then be steered finely. */
  readonly limitsFrames: boolean;
  /** Whether a server is to tell how training goes. */
  readonly expectsFeedback: boolean;
  /** Of the low-resolution video. */
  readonly pixelsPerSecond: number;
}

export interface Trouble {
  readonly cause: string;
  readonly remedy: string;
}

export interface SchedulerState {
  readonly patchBitrateBps: number | undefined;
  readonly plan: Split;
  readonly plannedNs: number | undefined;
  /** Since when training has been on at this size, and whether the plan is still that of a beginning. */
  readonly begunNs: number | undefined;
  readonly isBeginning: boolean;
  /** When the encoder was given its rate, and when that was clearly less than before. */
  readonly encoderSetNs: number;
  readonly fellNs: number | undefined;
  readonly training: TrainingNews['state'] | undefined;
  /** dB gained by training for each bit of patches, over the last epochs. */
  readonly gainDbPerBit: number | undefined;
  /** dB that texture memory gains for each bit of patches. */
  readonly memoryDbPerBit: number | undefined;
  readonly newsNs: number | undefined;
  /** Bits of patches sent since the last news. */
  readonly epochPatchBits: number;
  readonly videoPsnrDb: number;
  readonly video: VideoMeasure;
  readonly span: Span;
  /** Bits of patches, and when, since the last call of schedule. */
  readonly tickPatchBits: number;
  readonly tickedNs: number | undefined;
  readonly keyFrames: KeyFrames;
  /** What the encoder may give for now. */
  readonly mostVideoBps: number;
  /** What it is told, of what it is to give. */
  readonly boost: number;
}

/** When they come. */
interface KeyFrames {
  readonly lastNs: number | undefined;
  /** The longest between two: cuts bring some earlier. */
  readonly intervalNs: number | undefined;
}

/** What the encoder gave since the last call. */
export interface VideoGiven {
  readonly bytes: number;
  /** Of them in key frames. */
  readonly keyFrameBytes?: number;
}

/** What the encoder really gives. */
interface VideoMeasure {
  readonly bits: number;
  /** What it was told to give in that time. */
  readonly toldBits: number;
  readonly sinceNs: number | undefined;
  readonly rateBps: number | undefined;
  /** What it was told at the same time as it gave rateBps. */
  readonly toldBps: number | undefined;
  /** Given for what was told; 1 until it is known. */
  readonly ratio: number;
  /** Bits of key frames that the rate told leaves out, and the ratio without them. */
  readonly keyFrameBits: number;
  readonly ratioBesideKeys: number;
  /** How long it has given far more than it was told, however little that was. */
  readonly ignoringWindows: number;
}

const planNs = 1e9;
/** Two epochs. */
const beginningNs = 10e9;
const gradientBps = 100_000;
/** Three epochs without a word (DESIGN 7: keeps the last plan, then the minimum). */
const silenceNs = 15e9;
/** A rise is passed on when it is worth a change: NVENC starts a new group of pictures at each. */
const leastRise = 0.05;
const slowRiseNs = 5e9;
const clearFall = 0.1;
const videoWindowNs = 2e9;
const weightOfWindow = 0.5;
const weightOfGain = 0.6;
const weightOfPsnr = 0.1;
/** Frames are offered ten times a second: over about two. */
const weightOfMemory = 0.05;
const firstPsnrDb = 36;
/** Rate control wanders by a percent or two; more is corrected. */
const mostOvershoot = 1.02;
const mostCorrection = 1.5;
/** A scene change alone takes no encoder so long to get over. */
const windowsToBeSure = 3;
/** x264 within a small buffer, on content that could use more: 0.86 to 0.95 of six clips. */
const usualRatio = 0.85;
/** So that what it wanders keeps within the share, where frames are not limited. */
export const aim = 0.98;
/** Where they are: x264 gives 0.85 to 0.95 of what it is told between key frames. */
const leastRatio = 0.8;
/** Of the usual frame. */
const frameSeconds = 0.04;
/** A key frame's bits beyond those of another frame, seconds of the uplink: three frames of 25 a second. */
const keyFrameSeconds = 0.12;
/** Of them, where it is measured how the rate told is met: all cost the graphics 0.3 dB, none the cups 0.1. */
const leftOut = 0.5;

const noVideo: VideoMeasure = {
  bits: 0,
  toldBits: 0,
  sinceNs: undefined,
  rateBps: undefined,
  toldBps: undefined,
  ratio: 1,
  keyFrameBits: 0,
  ratioBesideKeys: 1,
  ignoringWindows: 0,
};

export const initialScheduler: SchedulerState = {
  patchBitrateBps: undefined,
  plan: { videoBitrateBps: 0, patchBitrateBps: 0 },
  plannedNs: undefined,
  begunNs: undefined,
  isBeginning: true,
  encoderSetNs: 0,
  fellNs: undefined,
  training: undefined,
  gainDbPerBit: undefined,
  memoryDbPerBit: undefined,
  newsNs: undefined,
  epochPatchBits: 0,
  videoPsnrDb: firstPsnrDb,
  video: noVideo,
  span: [],
  keyFrames: { lastNs: undefined, intervalNs: undefined },
  tickPatchBits: 0,
  tickedNs: undefined,
  mostVideoBps: Infinity,
  boost: aim,
};

export function patchesSent(state: SchedulerState, bytes: number): SchedulerState {
  const bits = bytes * 8;
  return {
    ...state,
    epochPatchBits: state.epochPatchBits + bits,
    tickPatchBits: state.tickPatchBits + bits,
  };
}

/** The decoded picture's mean squared error, 8-bit units. */
export function pictureSeen(state: SchedulerState, meanSquaredError: number): SchedulerState {
  const psnrDb = 10 * Math.log10(255 ** 2 / Math.max(0.05, meanSquaredError));
  const videoPsnrDb = state.videoPsnrDb + weightOfPsnr * (psnrDb - state.videoPsnrDb);
  return { ...state, videoPsnrDb };
}

export function newsCame(
  state: SchedulerState,
  news: TrainingNews,
  mediaTimeNs: number,
): SchedulerState {
  const { epochGainDb, state: training } = news;
  const resumed = state.training === 'suspended' && training === 'training';
  let { gainDbPerBit } = state;
  if (epochGainDb !== null && state.epochPatchBits > 0) {
    // A model that got worse says that more of the same does not help, not that it harms.
    const measured = Math.max(0, epochGainDb) / state.epochPatchBits;
    const before = gainDbPerBit ?? measured;
    gainDbPerBit = before + weightOfGain * (measured - before);
  }
  return {
    ...state,
    training,
    newsNs: mediaTimeNs,
    begunNs: resumed ? undefined : state.begunNs,
    gainDbPerBit: resumed ? undefined : gainDbPerBit,
    patchBitrateBps: resumed ? undefined : state.patchBitrateBps,
    epochPatchBits: 0,
  };
}

/**
 * What one more patch of so many bits would gain through texture memory, in dB of the whole picture;
 * undefined: not known, or no longer.
 */
export function memorySeen(
  state: SchedulerState,
  byPatchDb: number | undefined,
  patchBits: number,
): SchedulerState {
  if (byPatchDb === undefined) return { ...state, memoryDbPerBit: undefined };
  const seen = byPatchDb / patchBits;
  const before = state.memoryDbPerBit ?? seen;
  return { ...state, memoryDbPerBit: before + weightOfMemory * (seen - before) };
}

/** The video is of another size from now on: what is known of the one before says nothing. */
export function rungChanged(state: SchedulerState): SchedulerState {
  return {
    ...state,
    plannedNs: undefined,
    begunNs: undefined,
    training: undefined,
    patchBitrateBps: undefined,
    gainDbPerBit: undefined,
    memoryDbPerBit: undefined,
    video: { ...state.video, bits: 0, sinceNs: undefined, rateBps: undefined, toldBps: undefined },
  };
}

/** The plan at this time. */
export function schedule(
  state: SchedulerState,
  settings: SchedulerSettings,
  uplinkBps: number,
  given: VideoGiven,
  mediaTimeNs: number,
): SchedulerState {
  const video = videoGiven(state, given, uplinkBps, mediaTimeNs);
  const keyFrames = keyFramesSeen(state, given);
  const seen = spanSeen(
    {
      ...state,
      video,
      keyFrames,
      boost: boostOf(video, settings),
      begunNs: state.begunNs ?? mediaTimeNs,
    },
    settings,
    uplinkBps,
    given.bytes,
    mediaTimeNs,
  );
  const { plan, plannedNs } = seen;
  // A flush may set time back.
  const isDue =
    plannedNs === undefined || mediaTimeNs < plannedNs || mediaTimeNs >= plannedNs + planNs;
  const isTooMuch = plan.videoBitrateBps + plan.patchBitrateBps > uplinkBps;
  if (!isDue && !isTooMuch) return seen;
  const wanted = isDue && {
    patchBitrateBps: wantedPatchRate(seen, settings, uplinkBps, mediaTimeNs),
    isBeginning: begins(seen, mediaTimeNs),
  };
  return planned({ ...seen, ...wanted }, settings, uplinkBps, isDue, mediaTimeNs);
}

/** What the encoder is to be told so that it gives its share. */
export function encoderTargetBps({ plan, mostVideoBps, boost }: SchedulerState): number {
  return boost * Math.min(plan.videoBitrateBps, mostVideoBps);
}

function boostOf(
  { ratio, ratioBesideKeys }: VideoMeasure,
  { limitsFrames }: SchedulerSettings,
): number {
  if (limitsFrames) return 1 / Math.min(mostCorrection, Math.max(leastRatio, ratioBesideKeys));
  return aim / (ratio > mostOvershoot ? Math.min(mostCorrection, ratio) : 1);
}

/** Patches of so many bits may go now. They wait while a burst is paid back: they lose little by it. */
export function patchRoomBits(state: SchedulerState, settings: SchedulerSettings): number {
  const { span, plan, tickPatchBits, mostVideoBps } = state;
  if (!settings.limitsFrames && mostVideoBps !== Infinity) return 0;
  const uplinkBps = plan.videoBitrateBps + plan.patchBitrateBps;
  // A frame is limited before the patches of its time are known.
  const [videoBps, keptSeconds] = settings.limitsFrames
    ? [Math.min(plan.videoBitrateBps, mostVideoBps), frameSeconds]
    : [encoderTargetBps(state), 0];
  const room = roomBits(span, uplinkBps, videoBps) - keptSeconds * uplinkBps;
  return Math.max(0, room - tickPatchBits);
}

function keyFramesSeen(state: SchedulerState, { keyFrameBytes = 0 }: VideoGiven): KeyFrames {
  const { keyFrames, tickedNs } = state;
  if (keyFrameBytes === 0 || tickedNs === undefined) return keyFrames;
  const { lastNs = tickedNs, intervalNs = 0 } = keyFrames;
  const longestNs = Math.max(intervalNs, tickedNs - lastNs);
  return { lastNs: tickedNs, intervalNs: longestNs > 0 ? longestNs : undefined };
}

function dueKeyFrame(
  { lastNs, intervalNs }: KeyFrames,
  uplinkBps: number,
  mediaTimeNs: number,
): DueBurst | undefined {
  if (lastNs === undefined || intervalNs === undefined) return undefined;
  const aheadSeconds = Math.max(0, lastNs + intervalNs - mediaTimeNs) / 1e9;
  // What comes now takes what there is room for: a lower rate would only make it, and what builds on
  // it, worse. (It did: graphics lost 4 dB for a second now and then.)
  if (aheadSeconds > spanSeconds || aheadSeconds <= frameSeconds) return undefined;
  return { aheadSeconds, bits: keyFrameSeconds * uplinkBps };
}

function spanSeen(
  state: SchedulerState,
  settings: SchedulerSettings,
  uplinkBps: number,
  videoBytes: number,
  mediaTimeNs: number,
): SchedulerState {
  const { tickedNs = mediaTimeNs, tickPatchBits, keyFrames } = state;
  const seconds = (mediaTimeNs - tickedNs) / 1e9;
  const within = settings.limitsFrames ? 1 : aim;
  const span = went(seconds < 0 ? [] : state.span, {
    seconds,
    sentBits: videoBytes * 8 + tickPatchBits,
    carriedBits: within * uplinkBps * seconds,
  });
  const ticked = { ...state, span, tickPatchBits: 0, tickedNs: mediaTimeNs };
  if (settings.limitsFrames) {
    const due = dueKeyFrame(keyFrames, uplinkBps, mediaTimeNs);
    const steered = steeredBps(span, uplinkBps, due);
    return { ...ticked, mostVideoBps: Math.max(0, steered - state.plan.patchBitrateBps) };
  }
  const allowed = allowedBps(span, uplinkBps);
  return { ...ticked, mostVideoBps: allowed < uplinkBps ? allowed : Infinity };
}

function planned(
  state: SchedulerState,
  settings: SchedulerSettings,
  uplinkBps: number,
  isDue: boolean,
  mediaTimeNs: number,
): SchedulerState {
  const plannedNs = isDue ? Math.floor(mediaTimeNs / planNs) * planNs : state.plannedNs;
  const wanted = splitUplink(uplinkBps, {
    patchesOn: settings.patchesOn,
    minVideoBitrateBps: settings.minVideoBitrateBps,
    patchBitrateBps: Math.min(state.patchBitrateBps ?? 0, leftByVideo(state, uplinkBps)),
  });
  const { videoBitrateBps } = state.plan;
  const rise = wanted.videoBitrateBps - videoBitrateBps;
  const keeps =
    rise >= 0 &&
    rise < leastRise * videoBitrateBps &&
    mediaTimeNs >= state.encoderSetNs &&
    mediaTimeNs < state.encoderSetNs + slowRiseNs;
  if (keeps) return { ...state, plannedNs, plan: { ...wanted, videoBitrateBps } };
  const falls = rise < -clearFall * videoBitrateBps;
  const fellNs = falls ? mediaTimeNs : state.fellNs;
  return { ...state, plannedNs, plan: wanted, encoderSetNs: mediaTimeNs, fellNs };
}

/** An encoder that does not keep to its rate, however it is asked, takes from the patches. */
function leftByVideo({ video }: SchedulerState, uplinkBps: number): number {
  if (video.rateBps === undefined || video.ratio <= mostCorrection) return Infinity;
  return Math.max(0, uplinkBps - video.rateBps);
}

function wantedPatchRate(
  state: SchedulerState,
  settings: SchedulerSettings,
  uplinkBps: number,
  mediaTimeNs: number,
): number {
  const { schedule: constants, patchBitrateBps: fixedBps, expectsFeedback } = settings;
  if (fixedBps > 0) return fixedBps;
  // Nobody tells: what pays on average.
  if (!expectsFeedback) return usualBpsOf(constants, uplinkBps);
  const isSilent = mediaTimeNs - (state.newsNs ?? 0) > silenceNs;
  const isIdle = trainingIsIdle(state);
  // Texture memory learns on.
  if (isSilent || (isIdle && state.memoryDbPerBit === undefined)) return constants.leastBps;
  const leastBps = Math.max(constants.leastBps, isIdle ? 0 : constants.leastShare * uplinkBps);
  const mostBps = Math.max(
    leastBps,
    mostBpsOf(constants, uplinkBps),
    Math.min(constants.mostUnusedShare * uplinkBps, unusedBps(state, uplinkBps)),
  );
  if (begins(state, mediaTimeNs)) {
    return Math.min(constants.firstMostBps, constants.firstShare * uplinkBps);
  }
  // What it began with is no rate to go on from.
  const lastBps = state.isBeginning ? undefined : state.patchBitrateBps;
  const fromBps = lastBps ?? usualBpsOf(constants, uplinkBps);
  const steppedBps = fromBps + constants.stepBps * gradient(state, settings);
  return Math.min(mostBps, Math.max(leastBps, steppedBps));
}

const trainingIsIdle = ({ training }: SchedulerState): boolean =>
  training === 'suspended' || training === 'off';

const begins = ({ gainDbPerBit, begunNs }: SchedulerState, mediaTimeNs: number): boolean =>
  gainDbPerBit === undefined && mediaTimeNs - (begunNs ?? mediaTimeNs) < beginningNs;

/** What an encoder leaves whose picture needs no more; all encoders stay a little below their rate. */
function unusedBps({ plan, video, boost }: SchedulerState, uplinkBps: number): number {
  // Of its share; the ratio is of what it was told.
  const used = (video.ratio * boost) / aim;
  return uplinkBps - (plan.videoBitrateBps * used) / usualRatio;
}

/** dB of equation (1) by each further 100 kbit/s. */
export interface Gradients {
  /** null: nothing was heard of training or memory yet. */
  readonly byPatchesDb: number | null;
  readonly byVideoDb: number;
}

export function gradients(state: SchedulerState, settings: SchedulerSettings): Gradients {
  const lastsSeconds = 1 / (1 - settings.schedule.gamma);
  const rateBps = state.video.rateBps ?? state.plan.videoBitrateBps;
  const { curve, pixelsPerSecond } = settings;
  const byVideo = slopeDbPerBps(curve, state.videoPsnrDb, rateBps, pixelsPerSecond);
  const { memoryDbPerBit } = state;
  const gainDbPerBit = trainingIsIdle(state) ? 0 : state.gainDbPerBit;
  const byPatches =
    gainDbPerBit === undefined && memoryDbPerBit === undefined
      ? null
      : (gainDbPerBit ?? 0) + (memoryDbPerBit ?? 0);
  return {
    byPatchesDb: byPatches === null ? null : byPatches * lastsSeconds * gradientBps,
    byVideoDb: byVideo * gradientBps,
  };
}

/** What patches gain instead of video (equation 2), within -1 and 1 dB. */
function gradient(state: SchedulerState, settings: SchedulerSettings): number {
  const { byPatchesDb, byVideoDb } = gradients(state, settings);
  return byPatchesDb === null ? 0 : Math.max(-1, Math.min(1, byPatchesDb - byVideoDb));
}

function videoGiven(
  state: SchedulerState,
  { bytes, keyFrameBytes = 0 }: VideoGiven,
  uplinkBps: number,
  mediaTimeNs: number,
): VideoMeasure {
  const { video, tickedNs = mediaTimeNs } = state;
  const { sinceNs = mediaTimeNs, ratio, ratioBesideKeys } = video;
  if (mediaTimeNs < sinceNs) return { ...noVideo, ratio, ratioBesideKeys, sinceNs: mediaTimeNs };
  const bits = video.bits + bytes * 8;
  const keyFrameBits =
    video.keyFrameBits + leftOut * Math.min(keyFrameBytes * 8, keyFrameSeconds * uplinkBps);
  const tickSeconds = Math.max(0, mediaTimeNs - tickedNs) / 1e9;
  const toldBits = video.toldBits + encoderTargetBps(state) * tickSeconds;
  if (mediaTimeNs - sinceNs < videoWindowNs)
    return { ...video, bits, keyFrameBits, toldBits, sinceNs };
  const windowSeconds = (mediaTimeNs - sinceNs) / 1e9;
  const rateBps = bits / windowSeconds;
  // An encoder that is on its way to a lower rate is not one that ignores it.
  const hasFallen = state.fellNs !== undefined && state.fellNs > sinceNs - videoWindowNs;
  const isKnown = !hasFallen && toldBits > 0 && bits > 0;
  const towards = (before: number, given: number): number =>
    isKnown ? before + weightOfWindow * (given / toldBits - before) : before;
  const ratioNow = towards(ratio, bits);
  return {
    ...noVideo,
    sinceNs: mediaTimeNs,
    rateBps,
    toldBps: toldBits / windowSeconds,
    ratio: ratioNow,
    ratioBesideKeys: towards(ratioBesideKeys, bits - keyFrameBits),
    ignoringWindows: ratioNow > mostCorrection ? video.ignoringWindows + 1 : 0,
  };
}

/** What is to be said of an encoder that does not keep to its rate; undefined while it does. */
export function encoderTrouble({ plan, video }: SchedulerState): Trouble | undefined {
  const { rateBps, toldBps, ignoringWindows } = video;
  if (rateBps === undefined || toldBps === undefined || ignoringWindows < windowsToBeSure) {
    return undefined;
  }
  // What counts is over several windows: the latest may be one that it kept to.
  if (rateBps <= mostOvershoot * toldBps) return undefined;
  const kbps = (bps: number): string => `${(bps / 1000).toFixed(0)} kbit/s`;
  const uplinkBps = plan.videoBitrateBps + plan.patchBitrateBps;
  const exceeds =
    rateBps > uplinkBps ? `, and it exceeds the uplink, which carries ${kbps(uplinkBps)}` : '';
  return {
    cause:
      `The encoder gives ${kbps(rateBps)} where it was asked for ${kbps(toldBps)}: ` +
      `patches give way${exceeds}`,
    remedy:
      'Set the encoder to a constant bit rate that may change while it runs (the default does), ' +
      'or send a smaller picture: a greater scale',
  };
}
