// The engine's half for one srenhancer: trains on its patches and decides which weights it shows. The
// decisions are adaptive.ts, pool.ts, schedule.ts, gate.ts and trial.ts; here are the messages, the trainer and the order.
import { native, type Architecture, type Trainer } from '../bridge/index.ts';
import { floatsOfBlob, type Head } from '../channel/frame.ts';
import {
  enhancerMessage,
  parseHead,
  type EnhancerStart,
  type EnhancerTick,
  type PatchPair,
  type TrainingState,
} from '../channel/messages.ts';
import type { Host, Log, Send, Session } from '../engine/contract.ts';
import {
  afterRecall,
  afterRetreat,
  initialPlan,
  isLeadLost,
  isOver,
  nextPlan,
  paceWithin,
  patchesAfterCut,
  savedAfter,
  type EpochOutcome,
  type TrainingPlan,
} from './adaptive.ts';
import { checkCounts, splitPair } from './contents.ts';
import {
  afterSwap,
  differenceDb,
  gainDb,
  judge,
  lostTo,
  meanGainDb,
  mostArrivals,
  pooledGainDb,
  retreat,
  shares,
  type Challenger,
  type Scores,
} from './gate.ts';
import { admit, emptyPool, endScene, trainingWeight, type Pool, type PoolChange } from './pool.ts';
import { Persistence } from './persistence.ts';
import { recipeOf, type Recipe } from './recipe.ts';
import { receptionBetween, type Reception } from './reception.ts';
import { makeRehearsal } from './rehearsal.ts';
import { SceneMemory } from './scenes.ts';
import {
  epochNs,
  learningRate,
  noSteps,
  patchArrived,
  patchesPerSecond,
  rateForSteps,
  arrivalsWith,
  stepsDue,
  stepsGivenUp,
  stepsPerSecond,
  stepsRun,
  stepsUntilPause,
  timeWentBack,
  type StepCount,
} from './schedule.ts';
import { Trial } from './trial.ts';
import { Weights } from './weights.ts';

/** Live, without a stated number of steps: chunks short enough to answer messages in between. */
const chunkMs = 30;
const firstChunkSteps = 8;
/** Between two ticks of a live stream (docs/protocol.md). */
const tickMs = 200;

/**
 * Of the gradient of the newest group of patches, the oldest's being 1, when several threads train
 * (LiveNAS 6.2, which does not say how much): the pool favours the newest already.
 */
const newestWeight = 2;

/**
 * A decision scores every held patch under every set of weights, some 10 ms of a core: not for each of
 * ten patches a second. Falling back is decided at every patch.
 */
const decisionNs = 500e6;

/** What was learned is kept for the next session this often, and when training is suspended. */
const keptEveryEpochs = 6;

/** Of an epoch, scores that are kept: a flood says no more. */
const maxEpochArrivals = 1000;

/** Patches that must say so before training begins afresh from the generic weights. */
const leastForRestart = 3;

/** Of pictures that must be shown as they are: less than one pixel in three off by one level. */
const mostExactError = 0.3;

export class EnhancerSession implements Session {
  readonly #start: EnhancerStart;
  readonly #send: Send;
  readonly #log: Log;
  readonly #fieldsDropped: Host['fieldsDropped'];
  readonly #nowMs: () => number;
  readonly #recipe: Recipe;
  readonly #architecture: Architecture;
  readonly #trainer: Trainer;
  readonly #weights: Weights;
  /** Trainer's ids. */
  readonly #rehearsal: readonly number[];
  readonly #exact: readonly number[];

  /** Epochs that trained and showed nothing of it. */
  #refused = 0;

  #pool: Pool = emptyPool;
  #held: Scores[] = [];
  #staleHeld: ReadonlySet<number> = new Set();
  #arrivals: Scores[] = [];
  #decidedNs = -Infinity;
  #sceneSinceNs = 0;
  /** Trainer's id of the first patch of the scene. */
  #sceneFirst = 0;
  #latest = -1;
  #stateTold: TrainingState['state'] | undefined;
  #arrivalsNs: readonly number[] = [];

  #mediaTimeNs: number | undefined;
  /** By the machine's clock; live only. */
  #tickedMs = 0;
  #steps: StepCount = noSteps;
  #chunkSteps = firstChunkSteps;
  #epoch: number | undefined;
  /** What had come in when the epoch began. */
  #epochTick: EnhancerTick | undefined;
  #epochSteps = 0;
  #epochLoss = 0;
  #candidateShown = false; // in this epoch

  readonly #persistence: Persistence;
  readonly #scenes = new SceneMemory();
  #trial: Trial;

  #plan: TrainingPlan = initialPlan;
  #savedEpochs: number;
  /** A cut came, and too few patches since to say what it means. */
  #isCutFresh = false;
  #leadBeforeCutDb = 0;
  #outcome: EpochOutcome = { elapsedNs: 0, pairs: 0, epochGainDb: null, leadDb: null };
  /** The live weights lost to others: once there are patches, training may have to begin afresh. */
  #hasRetreated = false;
  /** What training had come to at the end of the epoch before. */
  #epochWeights: Float32Array;
  /** Arrivals of this epoch. */
  #epochArrivals: Scores[] = [];

  constructor(start: EnhancerStart, blob: Uint8Array, host: Host, recipe = recipeOf(start.rung)) {
    this.#recipe = recipe;
    this.#savedEpochs = recipe.thresholds.mostSavedEpochs;
    this.#start = start;
    this.#send = host.send;
    this.#log = host.log;
    this.#fieldsDropped = host.fieldsDropped;
    this.#nowMs = host.nowMs;
    this.#architecture = { scale: start.scale, channels: start.channels, layers: start.layers };
    const parameters = floatsOfBlob(blob);
    checkCounts(start, parameters.length, native().parameterCount(this.#architecture));
    const generic = parameters.slice(0, start.genericParameters);
    // After a restart training goes on from what was shown (its moments and pool are lost).
    const from = start.liveParameters > 0 ? parameters.slice(start.genericParameters) : generic;
    this.#trainer = new (native().Trainer)(this.#architecture, from, {
      ...recipe.trainer,
      seed: start.seed,
      workers: start.trainingThreads,
      newestWeight: start.trainingThreads > 1 ? newestWeight : 1,
    });
    this.#epochWeights = from;
    const { rung, liveSource } = start;
    this.#weights = new Weights(this.#architecture, rung, generic, from, liveSource, host.send);
    this.#persistence = new Persistence(start, this.#architecture, native(), (cause, remedy) => {
      this.#send({ type: 'engine.warning', cause, remedy });
    });
    this.#trial = new Trial(this.#persistence.models);
    const rehearsal = makeRehearsal(native(), this.#architecture, generic);
    this.#rehearsal = rehearsal.pairs.map((pair) => this.#trainer.add(pair, 0, true));
    this.#exact = rehearsal.exact.map((index) => this.#rehearsal[index] ?? 0);
    this.tellState();
  }

  async handle(head: Head, blob: Uint8Array): Promise<void> {
    const message = parseHead(enhancerMessage, head, this.#fieldsDropped);
    if (message.type === 'patch.pair') await this.#receive(message, blob);
    else if (message.type === 'scene.cut') this.#sceneCut(message.mediaTimeNs);
    else await this.#tick(message);
    if (this.#state !== this.#stateTold) this.tellState();
  }

  /** At the start, when it is another, and when the session is the one that is on again. */
  tellState(): void {
    this.#stateTold = this.#state;
    this.#send({ type: 'training.state', rung: this.#start.rung, state: this.#stateTold });
  }

  /** Steps that may not be run for want of patches are a pause as well. */
  get #state(): TrainingState['state'] {
    if (this.#start.training === 'off') return 'off';
    if (this.#pool.training.length === 0) return 'waiting';
    const isDry = stepsUntilPause(this.#steps, this.#pool.arrived) === 0;
    return this.#plan.phase === 'suspended' || isDry ? 'suspended' : 'training';
  }

  close(): void {
    this.#keep();
  }

  /** The stream has come to this time at another rung; what is shown may have changed meanwhile. */
  joinAt(mediaTimeNs: number): void {
    this.#epoch = Math.floor(mediaTimeNs / epochNs);
    const { stepsPerSecond } = this.#start;
    this.#steps = stepsGivenUp(this.#steps, stepsDue(this.#steps, mediaTimeNs, stepsPerSecond));
    this.#sceneCut(mediaTimeNs);
  }

  async work(): Promise<boolean> {
    if (this.#start.lockstep) return false;
    const before = this.#nowMs();
    // At a slower pace the rest of the time between two ticks is left to others.
    const pace = this.#pace;
    if (before - this.#tickedMs > pace * tickMs && pace < 1) return false;
    const steps = Math.min(this.#chunkSteps, this.#stepsAllowed());
    if (steps <= 0) return false;
    await this.#train(steps);
    const tookMs = this.#nowMs() - before;
    this.#chunkSteps = Math.max(1, Math.round((steps * chunkMs) / Math.max(1, tookMs)));
    return true;
  }

  async #receive(pair: PatchPair, blob: Uint8Array): Promise<void> {
    const id = this.#trainer.add(splitPair(this.#architecture, pair, blob), 0);
    this.#latest = id;
    const [scores] = await this.#weights.score(this.#trainer, [id]);
    // A patch takes two frames to be placed: one of the old scene may come after the cut.
    if (scores && pair.mediaTimeNs >= this.#sceneSinceNs) {
      this.#arrivals = [...this.#arrivals, scores].slice(-mostArrivals);
      if (this.#epochArrivals.length < maxEpochArrivals) this.#epochArrivals.push(scores);
      await this.#tryKept(id, scores);
    }
    const nowNs = this.#mediaTimeNs ?? pair.mediaTimeNs;
    this.#arrivalsNs = arrivalsWith(this.#arrivalsNs, nowNs);
    this.#changePool(admit(this.#pool, id, blob.length, this.#recipe.recentWeight));
    const { recentWeight, rehearsalWeight } = this.#recipe;
    const patches = trainingWeight(this.#pool, recentWeight);
    const weight = (patches * rehearsalWeight) / this.#rehearsal.length;
    for (const picture of this.#rehearsal) this.#trainer.setWeight(picture, weight);
    this.#steps = patchArrived(this.#steps, nowNs);
    this.#validateAfterCut(patchesAfterCut);
    const refuge = retreat(this.#arrivals, this.#weights.source);
    if (refuge !== undefined) this.#show(refuge);
    if (Math.abs(nowNs - this.#decidedNs) >= decisionNs) {
      this.#decidedNs = nowNs;
      await this.#decide();
    }
  }

  #changePool({ pool, weights, removed }: PoolChange): void {
    this.#pool = pool;
    for (const [patch, weight] of weights) this.#trainer.setWeight(patch, weight);
    for (const patch of removed) this.#trainer.remove(patch);
  }

  /** Whether weights that were kept show the first patches of a session or of a scene better. */
  async #tryKept(id: number, scores: Scores): Promise<void> {
    const { models } = this.#trial;
    if (models.length === 0) return;
    const kept = models.map(({ parameters }) => parameters);
    const errors = [...(await this.#trainer.meanSquaredError([id], kept))];
    const chosen = this.#trial.judge({ ...scores, models: errors });
    if (!chosen) return;
    this.#scenes.recall(chosen.parameters);
    this.#changePool(endScene(this.#pool, this.#sceneFirst));
    if (chosen.origin !== 'other') this.#plan = afterRecall(this.#start.training, this.#plan);
    this.#restartFrom(chosen.parameters);
    this.#weights.showStored(chosen.parameters);
    this.#arrivals = [];
  }

  /** What was learned since is dropped; the patches stay. */
  #restartFrom(parameters: Float32Array): void {
    this.#trainer.reset(parameters);
    this.#weights.offer(parameters);
    this.#epochWeights = parameters;
  }

  /** The latest patches show what is no longer there. */
  #sceneCut(mediaTimeNs: number): void {
    this.#sceneSinceNs = mediaTimeNs;
    this.#sceneFirst = this.#latest + 1;
    this.#arrivals = [];
    this.#staleHeld = new Set(this.#pool.held);
    this.#isCutFresh = true;
    this.#leadBeforeCutDb = this.#outcome.leadDb ?? 0;
    const { isLearned, live } = this.#weights;
    this.#tryScenes(isLearned ? live : null);
  }

  /** `learned`: of the scene that may have ended. Once training is over none is recalled either. */
  #tryScenes(learned: Float32Array | null): void {
    const scenes = this.#scenes.leave(learned);
    this.#trial = new Trial(isOver(this.#start.training, this.#plan) ? [] : scenes);
  }

  /** Once there are patches of the new scene: whether what was learned before still serves. */
  #validateAfterCut(leastPatches: number): void {
    if (!this.#isCutFresh || this.#arrivals.length < leastPatches) return;
    this.#isCutFresh = false;
    const leadDb = differenceDb(this.#arrivals, 'generic', 'live') ?? 0;
    const isLost = isLeadLost(leadDb, this.#leadBeforeCutDb, this.#recipe.thresholds);
    this.#scenes.settle(isLost);
    if (!isLost) return;
    this.#changePool(endScene(this.#pool, this.#sceneFirst));
    this.#plan = afterRetreat(this.#start.training, this.#plan);
  }

  /** Without a cut that was seen. */
  #sceneEnded(learned: Float32Array | null): void {
    this.#tryScenes(learned);
    this.#scenes.settle(true);
    this.#sceneFirst = this.#latest;
    this.#changePool(endScene(this.#pool, this.#sceneFirst));
  }

  #keep(): void {
    if (this.#weights.source !== 'online') return;
    const evidence = [...this.#held, ...this.#arrivals];
    this.#persistence.keep(this.#weights.live, differenceDb(evidence, 'generic', 'live'));
  }

  async #tick(tick: EnhancerTick): Promise<void> {
    const { mediaTimeNs } = tick;
    // Media time began anew (a flush): what was after it is not any more.
    if (mediaTimeNs < (this.#mediaTimeNs ?? 0)) {
      this.#sceneSinceNs = 0;
      this.#steps = timeWentBack(this.#steps, mediaTimeNs);
    }
    this.#mediaTimeNs = mediaTimeNs;
    this.#tickedMs = this.#nowMs();
    if (this.#start.lockstep) {
      const due = stepsDue(this.#steps, mediaTimeNs, this.#start.stepsPerSecond);
      const steps = Math.min(Math.round(due * this.#pace), this.#stepsAllowed());
      this.#steps = stepsGivenUp(this.#steps, due - steps);
      if (steps > 0) await this.#train(steps);
    }
    const epoch = Math.floor(mediaTimeNs / epochNs);
    this.#epoch ??= epoch;
    this.#epochTick ??= tick;
    if (epoch !== this.#epoch) {
      await this.#decide();
      if (this.#epochSteps > 0 && !this.#candidateShown) this.#refused++;
      await this.#planNext(mediaTimeNs);
      if (this.#plan.phase === 'suspended' || epoch % keptEveryEpochs === 0) this.#keep();
      this.#report(mediaTimeNs, receptionBetween(this.#epochTick, tick));
      this.#epoch = epoch;
      this.#epochTick = tick;
      this.#epochSteps = 0;
      this.#epochLoss = 0;
      this.#epochArrivals = [];
      this.#candidateShown = false;
    }
  }

  async #planNext(mediaTimeNs: number): Promise<void> {
    const { training } = this.#start;
    if (this.#steps.sinceNs === undefined) return;
    this.#outcome = {
      elapsedNs: mediaTimeNs - this.#steps.sinceNs,
      pairs: this.#pool.training.length,
      epochGainDb: this.#epochSteps > 0 ? await this.#epochGainDb() : null,
      leadDb: differenceDb(this.#epochArrivals, 'generic', 'live'),
    };
    const { thresholds } = this.#recipe;
    this.#savedEpochs = savedAfter(this.#savedEpochs, this.#pace, thresholds);
    this.#plan = nextPlan(training, this.#plan, this.#outcome, thresholds);
  }

  /** What the epoch's training gained, on patches held out of it. */
  async #epochGainDb(): Promise<number | null> {
    const held = this.#pool.held.filter((id) => !this.#staleHeld.has(id));
    const before = this.#epochWeights;
    this.#epochWeights = this.#trainer.averaged();
    if (held.length < 2) return null;
    const errors = await this.#trainer.meanSquaredError(held, [before, this.#epochWeights]);
    return meanGainDb(errors.subarray(0, held.length), errors.subarray(held.length));
  }

  get #pace(): number {
    const { thresholds } = this.#recipe;
    return paceWithin(this.#start.training, this.#plan, this.#savedEpochs, thresholds);
  }

  get #trainable(): boolean {
    const { training } = this.#start;
    return training !== 'off' && this.#plan.phase === 'training' && this.#pool.training.length > 0;
  }

  #stepsAllowed(): number {
    if (!this.#trainable) return 0;
    const untilPause = stepsUntilPause(this.#steps, this.#pool.arrived);
    const { lockstep, stepsPerSecond } = this.#start;
    if (lockstep || stepsPerSecond === 0) return untilPause;
    return Math.min(untilPause, stepsDue(this.#steps, this.#mediaTimeNs ?? 0, stepsPerSecond));
  }

  async #train(steps: number): Promise<void> {
    const nowNs = this.#mediaTimeNs ?? 0;
    const rate =
      this.#recipe.rateFactor *
      rateForSteps(stepsPerSecond(this.#steps, nowNs)) *
      learningRate(patchesPerSecond(this.#arrivalsNs, nowNs));
    if (this.#trainer.steps === 0) this.#log(`first training: ${steps} steps`);
    const loss = await this.#trainer.train(steps, rate);
    this.#steps = stepsRun(this.#steps, steps, nowNs);
    this.#epochSteps += steps;
    this.#epochLoss += loss * steps;
    this.#weights.offer(this.#trainer.averaged());
  }

  async #decide(): Promise<void> {
    const current = this.#pool.held.filter((id) => !this.#staleHeld.has(id));
    this.#held = await this.#weights.score(this.#trainer, current);
    const exact = await this.#weights.score(this.#trainer, this.#exact);
    const allowed = shares.map((_, share) =>
      exact.every(({ generic, candidates }) => {
        const error = candidates[share] ?? Infinity;
        return error <= Math.max(generic, mostExactError);
      }),
    );
    this.#restartIfItPays();
    const evidence = { held: this.#held, arrivals: this.#arrivals };
    const chosen = judge(evidence, this.#weights.source, allowed);
    if (chosen !== undefined) this.#show(chosen);
    this.#candidateShown ||= typeof chosen === 'number';
  }

  /** After a retreat: what was learned of the scene before may be a worse start than none. */
  #restartIfItPays(): void {
    if (!this.#hasRetreated || this.#arrivals.length < leastForRestart) return;
    this.#hasRetreated = false;
    const trained = shares.length - 1;
    if ((differenceDb(this.#arrivals, 'generic', trained) ?? 0) < 0)
      this.#restartFrom(this.#weights.generic);
  }

  #show(challenger: Challenger): void {
    const { isLearned, live } = this.#weights;
    const isCutFresh = this.#isCutFresh;
    // The last look at what was learned before the cut: from here on others are shown and scored.
    this.#validateAfterCut(1);
    this.#weights.show(challenger, gainDb([...this.#held, ...this.#arrivals], challenger));
    if (typeof challenger !== 'number') {
      // The scene has changed, most likely: what was held before says nothing about this one.
      this.#staleHeld = new Set(this.#pool.held);
      this.#hasRetreated = isLearned;
      if (isLearned) {
        this.#arrivals = [...lostTo(this.#arrivals, challenger)];
        if (!isCutFresh) this.#sceneEnded(live);
        this.#plan = afterRetreat(this.#start.training, this.#plan);
      }
    }
    this.#arrivals = afterSwap(this.#arrivals, challenger);
  }

  #report(mediaTimeNs: number, received: Reception): void {
    const { training, held } = this.#pool;
    const evidence = [...this.#held, ...this.#arrivals];
    const { training: mode } = this.#start;
    const state = mode === 'off' ? 'off' : this.#plan.phase;
    this.#send({
      type: 'training.report',
      rung: this.#start.rung,
      epoch: this.#epoch ?? 0,
      mediaTimeNs,
      state: state === 'training' && training.length === 0 ? 'waiting' : state,
      steps: this.#epochSteps,
      loss: this.#epochSteps > 0 ? this.#epochLoss / this.#epochSteps : 0,
      pairs: training.length,
      held: held.length,
      gainDb: pooledGainDb(evidence, 'live'),
      genericGainDb: pooledGainDb(evidence, 'generic'),
      candidateGainDb: pooledGainDb(evidence, shares.length - 1),
      epochGainDb: this.#outcome.epochGainDb,
      leadDb: this.#outcome.leadDb,
      swaps: this.#weights.swaps,
      refused: this.#refused,
      ...received,
    });
  }
}
