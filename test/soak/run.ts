// Runs a schedule of faults and watches: whether the server's pipeline goes on, its output's time stamps,
// its memory, and how long it takes until pictures and training are back.
import { setTimeout as delay } from 'node:timers/promises';
import { framesPerSecond, type Clip } from '../../elements/measure/clip.ts';
import { numberField, textField, type StructureFields } from '../../elements/measure/structure.ts';
import { faultsOf, type Fault, type Schedule } from './schedule.ts';
import { slopeMbPerMinute, type Sample } from './slope.ts';
import { World } from './world.ts';

/** Pictures and training must be back by then. */
export const recoverySeconds = 20;
const sampleMs = 500;
/** gstreamer-superficial loses some kB with each reading of stats: so many looks share one. */
const looksPerReading = 4;
const startPatienceSeconds = 40;
const minFrameShare = 0.5;

export interface FaultReport extends Fault {
  /** From its end until pictures came again, NaN: never. */
  readonly picturesAfterSeconds: number;
  /** Until the engine had reported and training (or its pause) went on. */
  readonly trainingAfterSeconds: number;
  readonly longestGapMs: number;
  /** What was said of it: warnings, and counters of stats that rose. */
  readonly said: readonly string[];
}

export interface SoakReport {
  readonly seconds: number;
  readonly faults: readonly FaultReport[];
  readonly frames: number;
  readonly stepsBack: readonly { readonly atSeconds: number; readonly bySeconds: number }[];
  readonly ended: string | undefined;
  readonly samples: readonly Sample[];
  readonly slopeMbPerMinute: number;
  readonly slopeFromSeconds: number;
  readonly stats: StructureFields;
}

/** Counters that tell of a fault. */
const telling =
  /^(engine-restarts|engine-unresponsive|packets-lost|frames-stale|time-shifts|.*outages?.*|.*reconnect.*)$/;

async function start(world: World): Promise<void> {
  for (let waited = 0; waited < startPatienceSeconds; waited += 0.5) {
    await delay(500);
    const stats = await world.stats();
    if (numberField(stats, 'pairs-sent') > 3 && textField(stats, 'training-state') !== 'waiting') {
      return;
    }
    if (world.ended !== undefined) break;
  }
  throw new Error(
    `the stream did not come to training within ${startPatienceSeconds} s` +
      (world.ended === undefined ? '' : `: ${world.ended}`) +
      world.said.map(({ text }) => `\n  ${text}`).join(''),
  );
}

interface Open {
  readonly fault: Fault;
  readonly atMs: number;
  readonly endMs: number;
  readonly before: StructureFields;
  picturesMs: number;
  trainingMs: number;
  gapMs: number;
}

class Watch {
  readonly #world: World;
  readonly #rate: number;
  readonly #startMs = performance.now();
  #open: Open[] = [];
  #frames = { atMs: 0, count: 0 };
  readonly reports: FaultReport[] = [];

  constructor(world: World, rate: number) {
    this.#world = world;
    this.#rate = rate;
  }

  begin(fault: Fault, before: StructureFields): void {
    this.#open.push({
      fault,
      before,
      atMs: this.#startMs + fault.atSeconds * 1000,
      endMs: this.#startMs + fault.endSeconds * 1000,
      picturesMs: NaN,
      trainingMs: NaN,
      gapMs: 0,
    });
  }

  look(stats: StructureFields): void {
    const nowMs = performance.now();
    const { output } = this.#world;
    const gapMs = output.takeLongestGapMs();
    const seconds = (nowMs - this.#frames.atMs) / 1000;
    const isFlowing = (output.frames - this.#frames.count) / seconds > minFrameShare * this.#rate;
    this.#frames = { atMs: nowMs, count: output.frames };
    const state = textField(stats, 'training-state');
    for (const open of this.#open) {
      open.gapMs = Math.max(open.gapMs, gapMs);
      if (nowMs < open.endMs) continue;
      // Half a second of frames: what was still under way does not count.
      if (Number.isNaN(open.picturesMs) && isFlowing && nowMs > open.endMs + sampleMs) {
        open.picturesMs = nowMs - open.endMs;
      }
      const reported = this.#world.epochAtMs > open.endMs;
      const works = state === 'training' || state === 'suspended';
      if (Number.isNaN(open.trainingMs) && reported && works) open.trainingMs = nowMs - open.endMs;
    }
    this.#close(stats, (open) => nowMs > open.endMs + recoverySeconds * 1000);
  }

  end(stats: StructureFields): void {
    this.#close(stats, () => true);
  }

  #close(stats: StructureFields, isOver: (open: Open) => boolean): void {
    for (const open of this.#open.filter(isOver)) {
      this.reports.push({
        ...open.fault,
        picturesAfterSeconds: open.picturesMs / 1000,
        trainingAfterSeconds: open.trainingMs / 1000,
        longestGapMs: open.gapMs,
        said: this.#saidOf(open, stats),
      });
    }
    this.#open = this.#open.filter((open) => !isOver(open));
  }

  #saidOf({ atMs, endMs, before }: Open, stats: StructureFields): string[] {
    const untilMs = endMs + recoverySeconds * 1000;
    const warnings = this.#world.said
      .filter((said) => said.atMs >= atMs && said.atMs < untilMs)
      .map(({ text }) => text);
    const counters = Object.keys(stats)
      .filter((name) => telling.test(name) && numberField(stats, name) > numberField(before, name))
      .map((name) => `${name} ${numberField(before, name)} → ${numberField(stats, name)}`);
    return [...new Set([...warnings, ...counters])];
  }
}

async function watched(
  world: World,
  rate: number,
  schedule: Schedule,
  onMinute: (line: string) => void,
): Promise<SoakReport> {
  const startMs = performance.now();
  const watch = new Watch(world, rate);
  const waiting = faultsOf(schedule, recoverySeconds);
  const samples: Sample[] = [];
  const secondsNow = (): number => (performance.now() - startMs) / 1000;
  const framesBefore = world.output.frames;
  let stats = await world.stats();
  for (let tick = 1; secondsNow() < schedule.seconds && world.ended === undefined; tick++) {
    await delay(Math.max(0, startMs + tick * sampleMs - performance.now()));
    if (tick % looksPerReading === 0) {
      const latest = await world.stats();
      if (Object.keys(latest).length > 0) stats = latest;
    }
    const seconds = secondsNow();
    watch.look(stats);
    for (
      let next = waiting[0];
      next !== undefined && seconds >= next.atSeconds;
      next = waiting[0]
    ) {
      watch.begin(next, stats);
      void world.inflict(next);
      waiting.shift();
    }
    samples.push({ seconds, residentMb: world.residentMb(), engineMb: world.engineResidentMb() });
    if (tick % (60_000 / sampleMs) === 0) onMinute(minuteOf(seconds, samples, stats));
  }
  watch.end(stats);
  const slopeFromSeconds = Math.min(600, schedule.seconds / 3);
  return {
    seconds: secondsNow(),
    faults: watch.reports,
    frames: world.output.frames - framesBefore,
    stepsBack: world.output.stepsBack.map(({ atMs, bySeconds }) => ({
      atSeconds: (atMs - startMs) / 1000,
      bySeconds,
    })),
    ended: world.ended,
    samples,
    slopeMbPerMinute: slopeMbPerMinute(samples, slopeFromSeconds),
    slopeFromSeconds,
    stats,
  };
}

function minuteOf(seconds: number, samples: readonly Sample[], stats: StructureFields): string {
  const { residentMb = NaN, engineMb = NaN } = samples.at(-1) ?? {};
  return (
    `${(seconds / 60).toFixed(0)} min: ${residentMb.toFixed(0)} MB (engine ${engineMb.toFixed(0)}), ` +
    `${numberField(stats, 'frames')} frames, ${textField(stats, 'training-state')}, ` +
    `${textField(stats, 'model-in-use')}, ${numberField(stats, 'gain-db').toFixed(2)} dB`
  );
}

export async function soak(
  clip: Clip,
  schedule: Schedule,
  onMinute: (line: string) => void,
): Promise<SoakReport> {
  const world = await World.start(clip);
  try {
    await start(world);
    return await watched(world, framesPerSecond(clip.frameRate), schedule, onMinute);
  } finally {
    await world.stop();
  }
}
