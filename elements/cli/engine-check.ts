// For `livesr doctor`: starts an engine with the node and the script that an element takes, and has it
// train on a synthetic patch for a moment.
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { marginOf, native, type Native } from '../bridge/index.ts';
import { Channel } from '../channel/channel.ts';
import { blobOfFloats, type Head } from '../channel/frame.ts';
import { distDirectory } from '../measure/environment.ts';

export interface EngineFinding {
  readonly node: string | null;
  /** From its start to its first word, and from the first patch to training. */
  readonly startMs: number | null;
  readonly trainingMs: number | null;
  readonly stepsPerSecond: number | null;
  /** null: it works. */
  readonly problem: string | null;
}

const architecture = { scale: 2, channels: 16, layers: 4 };
const side = 80;
/** As the element has it (docs/protocol.md). */
const startPatienceMs = 20_000;
const trainPatienceMs = 10_000;
const trainedMs = 1000;

const nothing: EngineFinding = {
  node: null,
  startMs: null,
  trainingMs: null,
  stepsPerSecond: null,
  problem: null,
};

/** As plugin/gst/engine/engine_process.cpp finds them; throws an Error that says what is missing. */
export function findEngine(environment: NodeJS.ProcessEnv): { node: string; script: string } {
  const script = environment.LIVESR_ENGINE ?? join(distDirectory, 'elements', 'engine.mjs');
  if (!existsSync(script)) throw new Error(`there is no ${script}: run \`npm run build\``);
  const chosen = environment.LIVESR_NODE;
  if (chosen !== undefined && chosen !== '') {
    if (isProgram(chosen)) return { node: chosen, script };
    throw new Error(`LIVESR_NODE is ${chosen}, which is no program: set it to node's path`);
  }
  for (const folder of (environment.PATH ?? '').split(delimiter)) {
    const node = join(folder === '' ? '.' : folder, 'node');
    if (isProgram(node)) return { node, script };
  }
  throw new Error('there is no node on PATH: install Node.js 20.19 or newer, or set LIVESR_NODE');
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Stripes, of which the low picture shows half the height. */
function syntheticPair(): Uint8Array {
  const lowSide = side / 2 + 2 * marginOf(architecture);
  const low = Uint8Array.from({ length: lowSide ** 2 }, (_, i) => (i % 2 === 0 ? 135 : 105));
  const high = Uint8Array.from({ length: side ** 2 }, (_, i) => ((i >> 1) % 2 === 0 ? 80 : 160));
  return Buffer.concat([low, high]);
}

function startOf(core: Native): [Head, Uint8Array] {
  const parameters = core.makeNetwork(architecture, 1);
  const head = {
    type: 'enhancer.start',
    streamKey: '',
    rung: architecture.scale,
    ...architecture,
    width: 640,
    height: 360,
    training: 'continuous',
    modelStore: '',
    feedbackListen: '',
    feedbackCertificate: '',
    token: '',
    lockstep: false,
    stepsPerSecond: 0,
    trainingThreads: 1,
    seed: 1,
    genericParameters: parameters.length,
    liveParameters: 0,
    liveSource: 'generic',
  };
  return [head, blobOfFloats(parameters)];
}

/** Never rejects: what goes wrong is the finding. */
export async function checkEngine(environment: NodeJS.ProcessEnv): Promise<EngineFinding> {
  let found: { node: string; script: string };
  let core: Native;
  try {
    found = findEngine(environment);
    core = native();
  } catch (error) {
    const [cause] = (error instanceof Error ? error.message : String(error)).split('\n');
    return { ...nothing, problem: `not started: ${cause ?? ''}` };
  }
  const { node, script } = found;
  const began = performance.now();
  const child = spawn(node, [script, '--fd', '3'], {
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    // Events have a bracket (elements/engine/log.ts).
    for (const line of text.split('\n')) {
      if (line.trim() !== '' && !line.startsWith('livesr engine [')) complaint = line.trim();
    }
  });
  const received: Head[] = [];
  let wake = (): void => undefined;
  let isOver = false;
  const over = (why: string): void => {
    isOver = true;
    complaint ||= why;
    wake();
  };
  child.on('error', (error) => {
    over(error.message);
  });
  child.on('exit', (code, signal) => {
    over(`it ended (${signal ?? `exit code ${code ?? '?'}`})`);
  });
  const channel = new Channel(child.stdio[3] as Socket, {
    notification: (head) => {
      received.push(head);
      wake();
    },
    request: () => Promise.reject(new Error('an engine makes no requests')),
    closed: () => undefined,
  });
  /** Milliseconds until one came; undefined: none did in time. */
  const until = async (
    matches: (head: Head) => boolean,
    patienceMs: number,
  ): Promise<number | undefined> => {
    const since = performance.now();
    for (;;) {
      if (received.some(matches)) return performance.now() - since;
      const leftMs = patienceMs - (performance.now() - since);
      if (leftMs <= 0 || isOver) return undefined;
      await Promise.race([
        new Promise<void>((resolve) => (wake = resolve)),
        delay(leftMs, undefined, { ref: false }),
      ]);
    }
  };
  try {
    return await train();
  } finally {
    channel.close();
    child.kill('SIGKILL');
  }

  async function train(): Promise<EngineFinding> {
    const finding = { ...nothing, node };
    channel.notify(...startOf(core));
    channel.notify({ type: 'time.tick', mediaTimeNs: 0 });
    if ((await until(() => true, startPatienceMs)) === undefined) {
      const silent = `it said nothing for ${startPatienceMs / 1000} s; is ${node} Node.js 20.19 or newer?`;
      return { ...finding, problem: complaint || silent };
    }
    const startMs = performance.now() - began;
    const pair = { sequence: 0, mediaTimeNs: 0, x: 0, y: 0, width: side, height: side };
    channel.notify({ type: 'patch.pair', ...pair }, syntheticPair());
    const trainingMs = await until(({ state }) => state === 'training', trainPatienceMs);
    if (trainingMs === undefined) {
      const silent = `it does not train within ${trainPatienceMs / 1000} s of a patch`;
      return { ...finding, startMs, problem: complaint || silent };
    }
    // Live it trains in what is left of 200 ms after each tick.
    for (let tick = 1; tick <= trainedMs / 200; tick++) {
      channel.notify({ type: 'time.tick', mediaTimeNs: tick * 200e6 });
      await delay(200);
    }
    channel.notify({ type: 'time.tick', mediaTimeNs: 5e9 });
    await until(({ type }) => type === 'training.report', trainPatienceMs);
    const steps = received.find(({ type }) => type === 'training.report')?.steps;
    if (typeof steps !== 'number' || steps === 0) {
      return { ...finding, startMs, trainingMs, problem: complaint || 'it ran no training steps' };
    }
    return { ...finding, startMs, trainingMs, stepsPerSecond: (steps * 1000) / trainedMs };
  }
}
