// At which size the video is sent: native, 2/3, 1/2 or 1/3. No curve says well enough how a content takes to
// a size, so other rungs are tried: the element encodes some seconds of the same frames at another size
// beside the stream, and both are compared with the original. Here: when to try which rung, and what to
// make of it. Pure functions of state, events and media time.

/** A rung is the scale that its video is sent at: 1 is native, 1.5 is 2/3. */
export type Rung = number;

/** At native the picture is what it is, but for the little that patches teach (`leadDb`). */
export const isTrained = (rung: Rung): boolean => rung !== 1;

export interface RungState {
  readonly rung: Rung;
  readonly trial: Trial | undefined;
  readonly trials: number;
  readonly failures: number;
  readonly nextTrialNs: number;
  /** What the other rungs showed, beside this one and on this content. */
  readonly compared: readonly Comparison[];
  /** dB of whole frames that training has gained at a rung over the network that it began with. */
  readonly learnedDb: ByRung;
  /** dB of whole frames that texture memory adds to that. */
  readonly rememberedDb: ByRung;
  /** Of the frame's squared error, the share that lies where patches come from. */
  readonly worseShare: number;
}

type ByRung = Readonly<Partial<Record<Rung, number>>>;

interface Trial {
  readonly number: number;
  readonly rung: Rung;
  readonly conditions: Conditions;
}

interface Comparison {
  readonly rung: Rung;
  /** Of the rung that was tried over the one that is sent, without what training gains. */
  readonly gainDb: number;
  readonly conditions: Conditions;
}

/** What a comparison holds for. */
export interface Conditions {
  readonly uplinkBps: number;
  /** Of the decoded pictures, plainly enlarged. */
  readonly psnrDb: number;
  readonly mediaTimeNs: number;
}

export interface RungSettings {
  /** To choose from. */
  readonly rungs: readonly Rung[];
  /** Whether patches are sent at the rungs below native. */
  readonly trains: boolean;
  /** Whether the server tells what training gains. */
  readonly expectsFeedback: boolean;
}

/** What the element is to do. */
export interface TrialOrder {
  readonly trial: number;
  readonly rung: Rung;
}

/**
 * x264 has found its rate after nearly two seconds; then whole groups of pictures, so that both sides
 * pay for as many key frames (below 15 frames/s what fits into the most).
 */
export const warmUpNs = 1.9e9;
const groupOfPictures = 60;
const leastMeasuredNs = 2e9;
const mostMeasuredNs = 4e9;
export function measureNsAt(framesPerSecond: number): number {
  const groupNs = (groupOfPictures / framesPerSecond) * 1e9;
  return Math.round(Math.min(mostMeasuredNs, groupNs * Math.ceil(leastMeasuredNs / groupNs)));
}

/**
 * The picture measured before the first trial is the encoder's first key frame. At 25 frames/s its
 * outcome is there just before the stream's third key frame, which a change of size then takes the place of.
 */
const firstTrialNs = 0.4e9;
/** After a change of content or rate, for the encoder to follow it. */
const settleNs = 1e9;
/** What was not tried yet is, without a pause until then. */
const openNs = 20e9;
/** Between trials: the clearer the result, the longer it holds. */
const closeDb = 0.6;
const clearDb = 2;
const closePauseNs = 6e9;
const pauseNs = 15e9;
const clearPauseNs = 40e9;
const mostPauseNs = 60e9;
/**
 * A rate or a picture that differs by more makes comparisons void. A game's picture wanders by 5 dB
 * within seconds; a scene that does not differ by more has the next trial find it out.
 */
const sameRate = 1.25;
const samePsnrDb = 5;
/** One comparison is enough beyond this; below, the mean of two decides. */
const plainDb = 0.6;
/** What a change must gain: comparisons of the same thing differ by about a tenth of a dB. */
const leastGainDb = 0.1;
const mostCompared = 2;
/**
 * Of training on whole frames, over the network that a stream starts with, in the long run: nobody
 * tells. And while there is hope that it gains more.
 */
const usualLeadDb = 0.5;
const hopedLeadDb = 2;
const hopeNs = 10e9;
/**
 * Of what training gains on held-out patches (all their errors together), the frame has the share of its
 * error that lies where patches come from, and so much of that: patches are without the grain that their
 * codec took. At 1000 kbit/s juggling had 0.4 dB on patches and 0.1 on frames; graphics have nearly all.
 */
const leadOfFrame = 0.8;
const usualWorseShare = 0.75;
/**
 * Of what was learned at one rung, what is taken to be gained at another where nothing was: training
 * begins anew there, and comes to less where less is missing. (Cups, two thirds against half size:
 * 0.3 dB ahead untrained and 0.5 behind trained at 500 kbit/s; at 1000, with three tenths, the change was
 * made, and cost 0.7 dB.)
 */
const leadAnew = 0.1;
/**
 * Of the difference that training makes between two rungs, what a change must gain beyond it: at a rung
 * that is left it is lost, and what is told of it says little of whole frames. (Graphics at 675 kbit/s,
 * half size: 1.6 dB by what was told, 2.9 on frames. Cups at 300 went to a third for 0.3 dB when half
 * size had learned for 15 s, and lost 0.3.)
 */
const doubtOfLead = 0.25;
const weightOfReport = 0.5;
const weightOfFrame = 0.03;
/** A trial that ended before saw how encoders start: a later one that shows something else takes its place. */
const startNs = 6e9;
const agreeingDb = 0.25;
/** 1/3 is worth a trial where all larger sizes are so far behind. */
const farBehindDb = -0.5;
/** Trials that failed in a row, after which none is begun any more. */
const mostFailures = 3;

export function initialRung(rung: Rung): RungState {
  return {
    rung,
    trial: undefined,
    trials: 0,
    failures: 0,
    nextTrialNs: firstTrialNs,
    compared: [],
    learnedDb: {},
    rememberedDb: {},
    worseShare: usualWorseShare,
  };
}

/** The server says what training gains on held-out patches, at the rung that is sent. */
export function trainingTold(
  state: RungState,
  gainDb: number | null,
  genericGainDb: number | null,
  mediaTimeNs: number,
): RungState {
  if (gainDb === null || genericGainDb === null) return state;
  // At first the picture is still made by the generic network.
  if (gainDb <= genericGainDb && mediaTimeNs < hopeNs) return state;
  const toldDb = leadOfFrame * state.worseShare * Math.max(0, gainDb - genericGainDb);
  const before = state.learnedDb[state.rung] ?? toldDb;
  const leadDb = before + weightOfReport * (toldDb - before);
  return { ...state, learnedDb: { ...state.learnedDb, [state.rung]: leadDb } };
}

/** A frame, one of ten a second, has that share of its error where patches come from. */
export function errorsSeen(state: RungState, worseShare: number): RungState {
  return {
    ...state,
    worseShare: state.worseShare + weightOfFrame * (worseShare - state.worseShare),
  };
}

/** What texture memory adds to the picture of this frame, one of ten a second. */
export function memoryAdds(state: RungState, addedDb: number): RungState {
  const before = state.rememberedDb[state.rung] ?? addedDb;
  const leadDb = before + weightOfFrame * (addedDb - before);
  return { ...state, rememberedDb: { ...state.rememberedDb, [state.rung]: leadDb } };
}

/** Whether to try another rung now, and which. */
export function nextTrial(
  state: RungState,
  settings: RungSettings,
  now: Conditions,
): { readonly state: RungState; readonly order?: TrialOrder } {
  const current = withoutOutdated(state, now);
  const { trial, nextTrialNs, failures } = current;
  if (trial || failures >= mostFailures || now.mediaTimeNs < nextTrialNs) return { state: current };
  const rung = candidate(current, settings, now.mediaTimeNs);
  if (rung === undefined) return { state: current };
  const number = current.trials;
  return {
    state: { ...current, trials: number + 1, trial: { number, rung, conditions: now } },
    order: { trial: number, rung },
  };
}

/** A trial showed that the picture of its rung, untrained, is so much better than the stream's. */
export function trialCame(
  state: RungState,
  settings: RungSettings,
  number: number,
  gainDb: number,
  now: Conditions,
): RungState {
  const { trial } = state;
  if (trial?.number !== number) return state;
  const comparison = { rung: trial.rung, gainDb, conditions: now };
  // The conditions changed on the way: half of it was seen before, half after.
  const isMixed = !isSame(trial.conditions, now);
  const kept = state.compared.filter(
    (one) =>
      one.rung !== trial.rung ||
      one.conditions.mediaTimeNs > startNs ||
      Math.abs(one.gainDb - gainDb) < agreeingDb,
  );
  const compared = isMixed ? [] : [...kept, comparison];
  return decide(
    {
      ...state,
      trial: undefined,
      failures: 0,
      compared: compared.slice(-mostCompared * settings.rungs.length),
    },
    settings,
    now.mediaTimeNs,
  );
}

export function trialFailed(state: RungState, number: number, mediaTimeNs: number): RungState {
  if (state.trial?.number !== number) return state;
  const failures = state.failures + 1;
  return { ...state, trial: undefined, failures, nextTrialNs: mediaTimeNs + pauseNs * failures };
}

/** What training is taken to gain at a rung. */
export function leadDb(
  state: RungState,
  settings: RungSettings,
  rung: Rung,
  mediaTimeNs: number,
): number {
  if (!settings.trains) return 0;
  // Nothing is hoped for there, only what was told counts.
  if (!isTrained(rung)) return state.learnedDb[rung] ?? 0;
  if (!settings.expectsFeedback) return usualLeadDb;
  const learnedDb = atRung(state.learnedDb, rung) ?? usualLeadDb;
  const knownDb = learnedDb + (atRung(state.rememberedDb, rung) ?? 0);
  const isYoung = mediaTimeNs < hopeNs && isTrained(state.rung);
  return isYoung ? Math.max(hopedLeadDb, knownDb) : knownDb;
}

/** What was gained at a rung, or what is to be expected there from what was gained at another. */
function atRung(gainedDb: ByRung, rung: Rung): number | undefined {
  const elsewhereDb = Object.entries(gainedDb).find(([of]) => isTrained(Number(of)))?.[1];
  return gainedDb[rung] ?? (elsewhereDb === undefined ? undefined : leadAnew * elsewhereDb);
}

function decide(state: RungState, settings: RungSettings, nowNs: number): RungState {
  const best = bestStanding(state, settings, nowNs);
  const isBetter =
    best !== undefined &&
    best.gainDb > leastGainDb &&
    (best.comparisons > 1 || best.gainDb > plainDb);
  const decided = isBetter ? changedTo(state, best.rung) : state;
  return { ...decided, nextTrialNs: nextTrialAt(decided, settings, nowNs) };
}

/** The comparisons go on, with the rung that is sent from now on: dB of the same pictures add up. */
function changedTo(state: RungState, rung: Rung): RungState {
  const tried = triedTimes(state, rung);
  const gainedDb = tried.reduce((sum, { gainDb }) => sum + gainDb, 0) / tried.length;
  const from = (one: Comparison, gainDb: number): Comparison => ({
    ...one,
    gainDb: gainDb - gainedDb,
    conditions: { ...one.conditions, psnrDb: one.conditions.psnrDb + gainedDb },
  });
  const others = state.compared.filter((one) => one.rung !== rung);
  const last = tried.at(-1);
  const left = last ? [from({ ...last, rung: state.rung }, 0)] : [];
  return { ...state, rung, compared: [...others.map((one) => from(one, one.gainDb)), ...left] };
}

function nextTrialAt(state: RungState, settings: RungSettings, nowNs: number): number {
  const best = bestStanding(state, settings, nowNs);
  const next = candidate(state, settings, nowNs);
  const isOpen = next !== undefined && isUnsettled(state, settings, next, nowNs);
  const waitNs = isOpen
    ? nowNs < openNs
      ? settleNs
      : closePauseNs
    : pauseAfter(best?.gainDb ?? 0, best?.comparisons ?? 1, nowNs);
  const dueNs = next === undefined ? nowNs : dueAgainNs(state, settings, next, nowNs);
  return Math.max(nowNs + waitNs, dueNs);
}

function bestStanding(
  state: RungState,
  settings: RungSettings,
  nowNs: number,
): Standing | undefined {
  return settings.rungs
    .flatMap((rung) => standing(state, settings, rung, nowNs) ?? [])
    .sort((a, b) => b.gainDb - a.gainDb)[0];
}

/** Each rung by its own result: one that is far behind is not tried as often as one that is close. */
function dueAgainNs(state: RungState, settings: RungSettings, rung: Rung, nowNs: number): number {
  const last = triedAt(state, rung);
  const stands = standing(state, settings, rung, nowNs);
  if (!last || !stands || isUnsettled(state, settings, rung, nowNs)) return nowNs;
  return last.conditions.mediaTimeNs + pauseAfter(stands.gainDb, stands.comparisons, nowNs);
}

function pauseAfter(gainDb: number, comparisons: number, nowNs: number): number {
  // To be confirmed or not, and soon. At the start encoders are not what they will be: large pictures
  // of little motion become better for seconds.
  if (gainDb > leastGainDb || (nowNs < hopeNs && gainDb > -clearDb)) return settleNs;
  const base = gainDb > -closeDb ? closePauseNs : gainDb > -clearDb ? pauseNs : clearPauseNs;
  return Math.min(mostPauseNs, base * comparisons);
}

interface Standing {
  readonly rung: Rung;
  readonly gainDb: number;
  readonly comparisons: number;
}

/** A rung surely against the one that is sent, training included; undefined where it was not tried. */
function standing(
  state: RungState,
  settings: RungSettings,
  rung: Rung,
  nowNs: number,
): Standing | undefined {
  const tried = triedTimes(state, rung);
  if (rung === state.rung || tried.length === 0) return undefined;
  const meanDb = tried.reduce((sum, { gainDb }) => sum + gainDb, 0) / tried.length;
  const lead = leadDb(state, settings, rung, nowNs) - leadDb(state, settings, state.rung, nowNs);
  const doubtDb = nowNs < hopeNs ? 0 : doubtOfLead * Math.abs(lead);
  return { rung, gainDb: meanDb + lead - doubtDb, comparisons: tried.length };
}

/**
 * The rung that it is worth to try next: one that was not tried in earnest, the largest first, since
 * what full size may gain is the most; one that seems better and is to be confirmed; the one that is
 * due first.
 */
function candidate(state: RungState, settings: RungSettings, nowNs: number): Rung | undefined {
  const rungs = plausible(state, settings);
  const [open] = rungs
    .filter((rung) => isUnsettled(state, settings, rung, nowNs))
    .sort((a, b) => a - b);
  if (open !== undefined) return open;
  const best = bestStanding(state, settings, nowNs);
  if (best && best.gainDb > leastGainDb) return best.rung;
  const dueNs = (rung: Rung): number => dueAgainNs(state, settings, rung, nowNs);
  return rungs.sort((a, b) => dueNs(a) - dueNs(b))[0];
}

/** Not tried, or only while encoders started. */
function isUnsettled(state: RungState, settings: RungSettings, rung: Rung, nowNs: number): boolean {
  const last = triedAt(state, rung);
  const gainDb = standing(state, settings, rung, nowNs)?.gainDb ?? 0;
  return !last || (last.conditions.mediaTimeNs < startNs && gainDb > -clearDb);
}

const triedTimes = ({ compared }: RungState, rung: Rung): Comparison[] =>
  compared.filter((one) => one.rung === rung).slice(-mostCompared);

const triedAt = ({ compared }: RungState, rung: Rung): Comparison | undefined =>
  compared.findLast((one) => one.rung === rung);

/** Those that may be better. What is sharp by the pixel leaves no order among the others. */
function plausible(state: RungState, { rungs }: RungSettings): Rung[] {
  const isFarBehind = (rung: Rung): boolean => (triedAt(state, rung)?.gainDb ?? 0) < farBehindDb;
  return rungs.filter((rung) => {
    if (rung < 3 || rung < state.rung) return rung !== state.rung;
    const larger = rungs.filter((other) => other < rung);
    const isNeighbour = state.rung === Math.max(...larger);
    return isNeighbour && larger.every((other) => other === state.rung || isFarBehind(other));
  });
}

function isSame(a: Conditions, b: Conditions): boolean {
  const rates = a.uplinkBps / b.uplinkBps;
  return rates < sameRate && rates > 1 / sameRate && Math.abs(a.psnrDb - b.psnrDb) < samePsnrDb;
}

/** Comparisons of another content or rate say nothing, and call for new ones. */
function withoutOutdated(state: RungState, now: Conditions): RungState {
  const compared = state.compared.filter(({ conditions }) => isSame(conditions, now));
  if (compared.length === state.compared.length) return state;
  const soonNs = now.mediaTimeNs + settleNs;
  return { ...state, compared, nextTrialNs: Math.min(state.nextTrialNs, soonNs) };
}
