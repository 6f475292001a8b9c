// One attack on a real server: a warm-up, the attack for so many seconds, and what it did.
import { setTimeout as delay } from 'node:timers/promises';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { numberField, textField, type StructureFields } from '../../elements/measure/structure.ts';
import { feedbackAttacks } from './feedback-attacks.ts';
import { HonestSenders, type HonestCounts } from './honest-sender.ts';
import { isEngine, processTree, treeResidentBytes } from './memory.ts';
import { delaysMs, percentile } from './probe.ts';
import { RoleProcess } from './roles.ts';
import { ServedStream, SharedEngine } from './servers.ts';
import { streamAttacks } from './stream-attacks.ts';

export const engineStop = 'stops the engine (SIGSTOP)';
export const attackNames: readonly string[] = [
  ...Object.keys(streamAttacks),
  ...Object.keys(feedbackAttacks),
  engineStop,
];

/** Of both streams, unless an attack changes it. */
export const framesPerSecond = 30;
const sampleMs = 250;
const warmUpSeconds = 25;
const tokens = { victim: 'token-of-both', neighbour: 'token-of-both' };

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
  /** The victim's last stats. */
  readonly stats: StructureFields;
}

interface Scene {
  readonly engine: SharedEngine | undefined;
  readonly victim: ServedStream;
  readonly neighbour: ServedStream;
  readonly roles: readonly RoleProcess[];
  readonly senders: HonestSenders | undefined;
}

async function stage(attack: string): Promise<Scene> {
  const isFeedback = attack in feedbackAttacks;
  const engine = attack === engineStop ? undefined : new SharedEngine();
  await engine?.ready();
  const feedbackPort = await freeUdpPort();
  const properties = (stream: 'victim' | 'neighbour'): string =>
    isFeedback ? `feedback-listen=127.0.0.1:${feedbackPort} token=${tokens[stream]}` : '';
  const victim = await ServedStream.start({
    name: 'victim',
    properties: properties('victim'),
    engineSocket: engine?.socket,
  });
  const neighbour = await ServedStream.start({
    name: 'neighbour',
    properties: properties('neighbour'),
    engineSocket: engine?.socket,
  });
  await delay(1000);
  const roles = [
    new RoleProcess({ kind: 'player', uri: victim.uri, material: 'victim', attack }),
    new RoleProcess({ kind: 'player', uri: neighbour.uri, material: 'neighbour', attack: 'none' }),
  ];
  if (!isFeedback) return { engine, victim, neighbour, roles, senders: undefined };
  const target = {
    port: feedbackPort,
    streamKey: 'victim',
    token: tokens.victim,
    otherToken: tokens.neighbour,
  };
  roles.push(new RoleProcess({ kind: 'flooder', target, attack }));
  const senders = new HonestSenders({
    port: feedbackPort,
    token: tokens.victim,
    streamKey: 'victim',
  });
  return { engine, victim, neighbour, roles, senders };
}

/** Until both streams train, or nobody waits any longer. */
async function warmUp({ victim, neighbour }: Scene): Promise<void> {
  const startMs = performance.now();
  while (performance.now() - startMs < warmUpSeconds * 1000) {
    await delay(sampleMs);
    const all = [await victim.stats(), await neighbour.stats()];
    const trains = all.every(
      (stats) => numberField(stats, 'pairs-sent') > 5 && numberField(stats, 'frames') > 90,
    );
    if (trains || victim.ended !== undefined) return;
  }
}

function engineOf(scene: Scene): number | undefined {
  if (scene.engine) return scene.engine.processId;
  return processTree(scene.victim.pipeline.processId ?? 0).find(isEngine);
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

export async function runAttack(attack: string, seconds: number): Promise<Outcome> {
  const scene = await stage(attack);
  const { victim, neighbour, engine } = scene;
  try {
    await warmUp(scene);
    const before = { victim: await victim.stats(), neighbour: await neighbour.stats() };
    const resident = (): number =>
      treeResidentBytes([victim.pipeline.processId ?? 0, engine?.processId ?? 0]) / 1e6;
    const residentMbBefore = resident();
    const fromMs = performance.now();
    const sentBefore = scene.roles.map(({ sent }) => sent);
    let maxResidentMb = 0;
    let last = before;
    for (const role of scene.roles) role.attack();
    void scene.senders?.comeAndGo();
    const stopped = attack === engineStop ? engineOf(scene) : undefined;
    if (stopped !== undefined) process.kill(stopped, 'SIGSTOP');
    while (performance.now() - fromMs < seconds * 1000 && victim.ended === undefined) {
      await delay(sampleMs);
      maxResidentMb = Math.max(maxResidentMb, resident());
      last = {
        victim: orBefore(await victim.stats(), last.victim),
        neighbour: orBefore(await neighbour.stats(), last.neighbour),
      };
    }
    const span = { fromMs, toMs: performance.now() };
    const sent = scene.roles.map((role, index) => role.sent - (sentBefore[index] ?? 0));
    return {
      attack,
      seconds,
      victim: figures(victim, span, sent[0] ?? 0, before.victim, last.victim),
      neighbour: figures(neighbour, span, sent[1] ?? 0, before.neighbour, last.neighbour),
      maxResidentMb,
      residentMbBefore,
      senders: scene.senders?.counts,
      stats: last.victim,
    };
  } finally {
    scene.senders?.close();
    for (const role of scene.roles) await role.stop();
    await victim.stop();
    await neighbour.stop();
    await engine?.stop();
  }
}
