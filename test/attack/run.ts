// One attack on a real server, or all of them in turn: what each did.
import { setTimeout as delay } from 'node:timers/promises';
import { numberField, textField, type StructureFields } from '../../elements/measure/structure.ts';
import { feedbackAttacks } from './feedback-attacks.ts';
import type { HonestCounts } from './honest-sender.ts';
import { treeResidentBytes } from './memory.ts';
import { delaysMs, percentile } from './probe.ts';
import type { ServedStream } from './servers.ts';
import { Stage, type Attacks } from './stage.ts';
import { streamAttacks } from './stream-attacks.ts';

export const engineStop = 'stops the engine (SIGSTOP)';
export const attackNames: readonly string[] = [
  ...Object.keys(streamAttacks),
  ...Object.keys(feedbackAttacks),
  engineStop,
];

const sampleMs = 250;

/** Of both streams, unless an attack changes it. */
export const framesPerSecond = 30;

export interface Figures {
  /** By its player, of those that should be shown. */
  readonly framesSent: number;
  readonly framesIn: number;
  readonly framesOut: number;
  readonly delayP99Ms: number;
  readonly delayMaxMs: number;
  /** As the element's stats say. */
  readonly latencyP99Ms: number;
  readonly pairs: number;
  readonly steps: number;
  readonly engineRestarts: number;
  readonly state: string;
  readonly warnings: readonly string[];
  readonly ended: string | undefined;
}

export interface Outcome {
  readonly attack: string;
  readonly seconds: number;
  readonly victim: Figures;
  readonly neighbour: Figures;
  /** Of the victim's server and the engine together. */
  readonly maxResidentMb: number;
  readonly residentMbBefore: number;
  readonly senders: HonestCounts | undefined;
  readonly engineLog: readonly string[];
  /** The victim's last stats. */
  readonly stats: StructureFields;
}

function figures(
  stream: ServedStream,
  span: { readonly fromMs: number; readonly toMs: number },
  framesSent: number,
  before: StructureFields,
  after: StructureFields,
): Figures {
  const inside = (passages: readonly { readonly atMs: number }[]): number =>
    passages.filter(({ atMs }) => atMs >= span.fromMs && atMs < span.toMs).length;
  const delays = delaysMs(stream.probe, span.fromMs, span.toMs - 1000);
  const epochs = stream.epochs.filter(({ atMs }) => atMs > span.fromMs && atMs <= span.toMs);
  return {
    framesSent,
    framesIn: inside(stream.probe.passages('in')),
    framesOut: inside(stream.probe.passages('out')),
    delayP99Ms: percentile(delays, 0.99),
    delayMaxMs: Math.max(0, ...delays),
    latencyP99Ms: numberField(after, 'latency-p99-ms'),
    pairs: numberField(after, 'pairs-sent') - numberField(before, 'pairs-sent'),
    steps: epochs.reduce((sum, { steps }) => sum + steps, 0),
    engineRestarts: numberField(after, 'engine-restarts') - numberField(before, 'engine-restarts'),
    state: textField(after, 'training-state'),
    warnings: [...new Set(stream.warnings)],
    ended: stream.ended,
  };
}

/** A pipeline that has ended says nothing any more. */
function orBefore(stats: StructureFields, before: StructureFields): StructureFields {
  return Object.keys(stats).length > 0 ? stats : before;
}

async function observe(stage: Stage, attacks: Attacks, seconds: number): Promise<Outcome> {
  const { victim, neighbour, players, senders } = stage;
  const read = async (before?: { victim: StructureFields; neighbour: StructureFields }) => ({
    victim: orBefore(await victim.stats(), before?.victim ?? {}),
    neighbour: orBefore(await neighbour.stats(), before?.neighbour ?? {}),
  });
  const resident = (): number => treeResidentBytes(stage.processIds) / 1e6;
  const before = await read();
  const residentMbBefore = resident();
  const sendersBefore = senders?.counts;
  const sentBefore = { victim: players.victim.sent, neighbour: players.neighbour.sent };
  const fromMs = performance.now();
  let maxResidentMb = 0;
  let last = before;
  const flooder = stage.begin(attacks);
  while (performance.now() - fromMs < seconds * 1000 && victim.ended === undefined) {
    await delay(sampleMs);
    maxResidentMb = Math.max(maxResidentMb, resident());
    last = await read(last);
  }
  const span = { fromMs, toMs: performance.now() };
  const sent = (who: 'victim' | 'neighbour'): number => players[who].sent - sentBefore[who];
  const outcome: Outcome = {
    attack: [attacks.stream, attacks.feedback, attacks.stopsEngine ? engineStop : undefined]
      .filter((name) => name !== undefined)
      .join(' + '),
    seconds: (span.toMs - span.fromMs) / 1000,
    victim: figures(victim, span, sent('victim'), before.victim, last.victim),
    neighbour: figures(neighbour, span, sent('neighbour'), before.neighbour, last.neighbour),
    maxResidentMb,
    residentMbBefore,
    senders: senders && sendersBefore && countsSince(sendersBefore, senders.counts),
    engineLog: [...stage.engineLog],
    stats: last.victim,
  };
  await flooder?.stop();
  return outcome;
}

function countsSince(before: HonestCounts, now: HonestCounts): HonestCounts {
  return {
    attempts: now.attempts - before.attempts,
    welcomed: now.welcomed - before.welcomed,
    news: now.news - before.news,
    lost: now.lost - before.lost,
  };
}

/** On a server of its own. */
export async function runAttack(name: string, seconds: number): Promise<Outcome> {
  const isFeedback = name in feedbackAttacks;
  const stage = await Stage.set({
    ownEngine: name === engineStop,
    feedback: isFeedback,
    streamAttacks: name in streamAttacks ? [name] : [],
  });
  try {
    await stage.warmUp();
    if (isFeedback) void stage.senders?.comeAndGo();
    const attacks =
      name === engineStop
        ? { stopsEngine: true }
        : isFeedback
          ? { feedback: name }
          : { stream: name };
    return await observe(stage, attacks, seconds);
  } finally {
    await stage.clear();
  }
}

/** All on one server, one of the stream and one of the feedback port at a time. */
export async function runTogether(
  seconds: number,
  onOutcome: (outcome: Outcome) => void,
): Promise<void> {
  const streams = Object.keys(streamAttacks).filter((name) => !streamAttacks[name]?.fromStart);
  const feedbacks = Object.keys(feedbackAttacks);
  const stage = await Stage.set({
    ownEngine: false,
    feedback: true,
    streamAttacks: streams,
  });
  try {
    await stage.warmUp();
    void stage.senders?.comeAndGo();
    for (const [index, stream] of streams.entries()) {
      const feedback = feedbacks[index - 1];
      onOutcome(
        await observe(stage, { stream, ...(feedback === undefined ? {} : { feedback }) }, seconds),
      );
      if (stage.victim.ended !== undefined) return;
    }
  } finally {
    await stage.clear();
  }
}
