// The engine's process as elements start it: the bundle in dist, over a socket.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../../elements/bridge/index.ts';
import { Channel } from '../../elements/channel/channel.ts';
import { blobOfFloats, ChannelError, type Head } from '../../elements/channel/frame.ts';
import { fileName } from '../../elements/sr-enhancer/model-store.ts';
import { smallEnhancer } from './enhancer-start.ts';

const bundle = fileURLToPath(new URL('../../dist/elements/engine.mjs', import.meta.url));
const architecture = { scale: 2, channels: 8, layers: 3 };

const senderStart = {
  type: 'sender.start',
  scale: 2,
  rungs: [2],
  frameWidth: 1280,
  frameHeight: 720,
  framesPerSecond: 25,
  maxBitrateBps: 0,
  minVideoBitrateBps: 200_000,
  patchBitrateBps: 50_000,
  patches: 'jpeg',
  patchesPerSecond: 0,
  uplink: 'fixed:600',
  uplinkBitrateBps: 0,
  schedule: 'residual',
  streamClass: 'default',
  streamKey: '',
  feedbackUri: '',
  token: '',
  lockstep: true,
  seed: 1,
};

let folder: string;
let child: ChildProcess | undefined;
let output: { stdout: string; stderr: string };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'livesr-engine-'));
  output = { stdout: '', stderr: '' };
});

afterEach(() => {
  child?.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

function startEngine(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): ChildProcess {
  const engine = spawn(process.execPath, [bundle, ...args], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  engine.stdout?.on('data', (data: Buffer) => (output.stdout += data.toString()));
  engine.stderr?.on('data', (data: Buffer) => (output.stderr += data.toString()));
  child = engine;
  return engine;
}

async function exitCode(engine: ChildProcess): Promise<unknown> {
  const [code] = (await once(engine, 'close')) as [unknown];
  return code;
}

/** The element's end: collects what the engine sends. */
class Element {
  readonly channel: Channel;
  readonly received: Head[] = [];
  readonly closed: Promise<ChannelError | undefined>;

  constructor(socket: Socket) {
    let tell: (error: ChannelError | undefined) => void = () => undefined;
    this.closed = new Promise((resolve) => {
      tell = resolve;
    });
    this.channel = new Channel(socket, {
      notification: (head) => this.received.push(head),
      request: () => Promise.reject(new Error('the engine asks nothing')),
      closed: tell,
    });
  }

  ask(head: Head, blob?: Uint8Array): Promise<unknown> {
    return this.channel.request(head, blob, 60_000);
  }

  types(): string[] {
    return this.received.map(({ type }) => type);
  }
}

function overFd3(engine: ChildProcess): Element {
  return new Element(engine.stdio[3] as Socket);
}

/** An offer of 4 x 2 cells, one of them worse than the others. */
function offer(number: number): [Head, Uint8Array] {
  const errors = Uint32Array.of(9, 9, 9, 900, 9, 9, 9, 9);
  return [
    {
      type: 'frame.offer',
      offer: number,
      mediaTimeNs: number * 100e6,
      columns: 4,
      rows: 2,
      cell: 120,
    },
    new Uint8Array(errors.buffer),
  ];
}

async function listening(path: string, args: readonly string[] = []): Promise<ChildProcess> {
  const engine = startEngine(['--listen', path, ...args]);
  while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 20));
  return engine;
}

async function joined(path: string): Promise<Element> {
  const socket = connect(path);
  await once(socket, 'connect');
  return new Element(socket);
}

function enhancerStart(settings: Readonly<Record<string, unknown>>): [Head, Uint8Array] {
  const parameters = native().makeNetwork(architecture, 1);
  const head = {
    ...smallEnhancer,
    ...architecture,
    genericParameters: parameters.length,
    ...settings,
  };
  return [head, blobOfFloats(parameters)];
}

function pairAt(mediaTimeNs: number): [Head, Uint8Array] {
  return [
    { type: 'patch.pair', sequence: 0, mediaTimeNs, x: 0, y: 0, width: 40, height: 40 },
    new Uint8Array(26 * 26 + 40 * 40).fill(99),
  ];
}

describe('the engine as a child', () => {
  it('plans, selects, and ends with its element, silent on standard output', async () => {
    const engine = startEngine(['--fd', '3']);
    const element = overFd3(engine);
    element.channel.notify(senderStart);
    await element.ask(...offer(0));
    await element.ask(...offer(5));
    await element.ask({ type: 'time.tick', mediaTimeNs: 1e9, videoBytes: 70_000 });
    expect(element.received).toEqual([
      {
        type: 'plan.set',
        mediaTimeNs: 0,
        videoBitrateBps: 0.98 * 550_000,
        gainByPatchesDb: null,
        gainByVideoDb: expect.any(Number) as number,
        patchBitrateBps: 50_000,
        estimatedUplinkBps: 600_000,
      },
      { type: 'patch.select', offer: 0, cells: [] },
      { type: 'patch.select', offer: 5, cells: [3] },
      expect.objectContaining({ type: 'plan.set' }),
    ]);
    element.channel.close();
    expect(await exitCode(engine)).toBe(0);
    expect(output.stdout).toBe('');
    // Events alone: no complaint.
    for (const line of output.stderr.trim().split('\n')) expect(line).toMatch(/^livesr engine \[/);
  });

  it('selects no more than the element has room for', async () => {
    const engine = startEngine(['--fd', '3']);
    const element = overFd3(engine);
    const offered = (number: number, roomBits: number): [Head, Uint8Array] => {
      const [head, blob] = offer(number);
      return [{ ...head, roomBits }, blob];
    };
    element.channel.notify(senderStart);
    await element.ask(...offer(0));
    await element.ask(...offered(5, 1000));
    await element.ask(...offered(6, 100_000));
    const selected = element.received.filter(({ type }) => type === 'patch.select');
    expect(selected.map(({ cells }) => cells)).toEqual([[], [], [3]]);
    element.channel.close();
    expect(await exitCode(engine)).toBe(0);
  });

  it('trains: its answer to a tick comes after the report', async () => {
    const engine = startEngine(['--fd', '3']);
    const element = overFd3(engine);
    element.channel.notify(...enhancerStart({ stepsPerSecond: 20 }));
    await element.ask({ type: 'time.tick', mediaTimeNs: 0 });
    expect(element.types()).toEqual(['model.swap', 'training.state']);
    expect(element.received[1]).toMatchObject({ state: 'waiting' });
    element.channel.notify(...pairAt(0));
    await element.ask({ type: 'time.tick', mediaTimeNs: 5e9 });
    expect(element.types().slice(2)).toEqual(['training.state', 'training.report']);
    expect(element.received[2]).toMatchObject({ state: 'training' });
    expect(element.received[3]).toMatchObject({ steps: 100, pairs: 1, state: 'training' });
  });

  it('keeps what it has learned when its element goes', async () => {
    const store = join(folder, 'models');
    const engine = startEngine(['--fd', '3']);
    const element = overFd3(engine);
    element.channel.notify(...enhancerStart({ stepsPerSecond: 100, modelStore: store }));
    // Stripes that the low picture shows at less than half of their height; a margin of three.
    const low = Uint8Array.from({ length: 26 * 26 }, (_, i) => (i % 2 === 0 ? 135 : 105));
    const high = Uint8Array.from({ length: 40 * 40 }, (_, i) => ((i >> 1) % 2 === 0 ? 80 : 160));
    for (let tick = 0; tick <= 40; tick++) {
      const pair = { type: 'patch.pair', sequence: tick, x: 0, y: 0, width: 40, height: 40 };
      const mediaTimeNs = tick * 200e6;
      if (tick % 3 === 0)
        element.channel.notify({ ...pair, mediaTimeNs }, Buffer.concat([low, high]));
      await element.ask({ type: 'time.tick', mediaTimeNs });
    }
    expect(element.received.map(({ source }) => source)).toContain('online');
    expect(existsSync(store)).toBe(false);
    element.channel.close();
    expect(await exitCode(engine)).toBe(0);
    expect(readdirSync(store)).toEqual([fileName('test', architecture)]);
  });

  it('answers a ping at once, whatever its session does, and says how far that has come', async () => {
    const engine = startEngine(['--fd', '3']);
    const element = overFd3(engine);
    const ping = async (): Promise<Head> =>
      ((await element.ask({ type: 'engine.ping' })) as { head: Head }).head;
    expect(await ping()).toMatchObject({ handled: 0, waiting: 0 });
    element.channel.notify(...enhancerStart({ stepsPerSecond: 2000 }));
    element.channel.notify(...pairAt(0));
    // 20,000 steps: seconds of work for the answer to this tick.
    const work = element.ask({ type: 'time.tick', mediaTimeNs: 10e9 });
    let during = await ping();
    while (during.handled !== 2) during = await ping();
    expect(during).toMatchObject({ handled: 2, waiting: 1 });
    await work;
    expect(await ping()).toMatchObject({ handled: 3, waiting: 0 });
  });

  it('gives way to frames with all its threads once it trains, and not before', async () => {
    const engine = startEngine(['--fd', '3']);
    const pid = engine.pid ?? 0;
    const own = getPriority();
    const threads = (): number[] =>
      readdirSync(`/proc/${pid}/task`).map((thread) => getPriority(Number(thread)));
    const element = overFd3(engine);
    await element.ask({ type: 'engine.ping' });
    expect(getPriority(pid)).toBe(own);
    element.channel.notify(...enhancerStart({ stepsPerSecond: 200, trainingThreads: 2 }));
    element.channel.notify(...pairAt(0));
    await element.ask({ type: 'time.tick', mediaTimeNs: 5e9 });
    expect(getPriority(pid)).toBe(Math.max(own, 10));
    // One of libuv's threads, or more, and the second of the training threads.
    const nicer = (niceness: number): boolean => niceness >= 10;
    expect(threads().filter(nicer).length).toBeGreaterThanOrEqual(3);
  });

  it('drops the oldest of a flood of patches, answers, and trains on', async () => {
    const engine = startEngine(['--fd', '3']);
    const element = overFd3(engine);
    element.channel.notify(...enhancerStart({ lockstep: false, stepsPerSecond: 0 }));
    for (let tick = 0; tick <= 30; tick++) {
      for (let i = 0; i < 60; i++) element.channel.notify(...pairAt(tick * 200e6));
      element.channel.notify({ type: 'time.tick', mediaTimeNs: tick * 200e6 });
      await element.ask({ type: 'engine.ping' });
    }
    const { head } = (await element.ask({ type: 'engine.ping' })) as { head: Head };
    expect(head.pairsDropped).toBeGreaterThan(0);
    // Ticks go before the patches that still wait: the first epoch may be over before any was seen.
    const steps = (): number =>
      element.received.reduce((sum, message) => sum + Number(message.steps ?? 0), 0);
    for (let tick = 31; steps() === 0; tick++) {
      element.channel.notify(...pairAt(tick * 200e6));
      element.channel.notify({ type: 'time.tick', mediaTimeNs: tick * 200e6 });
      await element.ask({ type: 'engine.ping' });
    }
  });

  it('leaves out optional fields that are not as agreed, counts them, and goes on', async () => {
    const engine = startEngine(['--fd', '3']);
    const element = overFd3(engine);
    element.channel.notify(...enhancerStart({}));
    await element.ask({
      type: 'time.tick',
      mediaTimeNs: 0,
      videoBytes: 2 ** 60,
      patchBytes: 'many',
      memory: { senderTimeNs: -1 },
    });
    const { head } = (await element.ask({ type: 'engine.ping' })) as { head: Head };
    expect(head.fieldsDropped).toBe(3);
    expect(output.stderr).toContain('time.tick.memory is not as agreed');
  });

  it('keeps a log of what it did when, where it is told to, and no secrets in it', async () => {
    const log = join(folder, 'engine.log');
    const engine = startEngine(['--fd', '3'], { LIVESR_ENGINE_LOG: log });
    const element = overFd3(engine);
    const secrets = { token: 'secret-token', streamKey: 'secret-key' };
    element.channel.notify(...enhancerStart({ stepsPerSecond: 20, ...secrets }));
    await element.ask({ type: 'time.tick', mediaTimeNs: 0 });
    element.channel.notify(...pairAt(0));
    await element.ask({ type: 'time.tick', mediaTimeNs: 5e9 });
    element.channel.close();
    await exitCode(engine);
    const lines = readFileSync(log, 'utf8').trim().split('\n');
    const said = lines.map((line) => /^\S+Z \d+ (.*)$/.exec(line)?.[1] ?? line);
    const order = [
      'engine of',
      'start of srenhancer',
      'weights 1',
      'state waiting',
      'first patch',
      'state training',
      'first training',
      'first report',
      'the element has gone',
    ];
    const found = order.map((start) => said.findIndex((line) => line.startsWith(start)));
    expect(found).toEqual(order.map((_, index) => index));
    expect(lines.join()).not.toContain('secret');
    expect(statSync(log).mode & 0o777).toBe(0o600);
  });

  it('says which rule a broken frame broke, and ends with 1', async () => {
    const engine = startEngine(['--fd', '3']);
    (engine.stdio[3] as Socket).write(Buffer.alloc(12));
    expect(await exitCode(engine)).toBe(1);
    expect(output.stderr).toMatch(/^livesr engine: frame length 0.*\n$/m);
    expect(output.stdout).toBe('');
  });

  it.each([
    [{ type: 'time.tick', mediaTimeNs: 0 }, 'before a start'],
    [{ ...senderStart, seed: 'one' }, 'seed'],
    [{ type: 'no.such' }, 'no.such'],
  ])('ends with 1 on %j', async (head, reason) => {
    const engine = startEngine(['--fd', '3']);
    const element = overFd3(engine);
    element.channel.notify(head);
    expect(await exitCode(engine)).toBe(1);
    expect(output.stderr).toContain(reason);
  });

  it('goes on from a second start on the same connection', async () => {
    const engine = startEngine(['--fd', '3']);
    const element = overFd3(engine);
    element.channel.notify(senderStart);
    element.channel.notify({ ...senderStart, uplink: 'fixed:1000' });
    await element.ask({ type: 'time.tick', mediaTimeNs: 0, videoBytes: 0 });
    expect(element.received.map((head) => head.videoBitrateBps)).toEqual([
      0.98 * 550_000,
      0.98 * 950_000,
    ]);
  });

  it('reads a trace, and says what is wrong with a bad one while it goes on', async () => {
    const good = join(folder, 'good.up');
    const bad = join(folder, 'bad.up');
    writeFileSync(good, Array.from({ length: 50 }, (_, i) => `${(i + 1) * 20}\n`).join(''));
    writeFileSync(bad, '3\n2\n');
    const engine = startEngine(['--fd', '3']);
    const element = overFd3(engine);
    element.channel.notify({ ...senderStart, uplink: `trace:${good}` });
    element.channel.notify({ ...senderStart, uplink: `trace:${bad}`, maxBitrateBps: 900_000 });
    await element.ask({ type: 'time.tick', mediaTimeNs: 0, videoBytes: 0 });
    expect(element.received.map((head) => head.estimatedUplinkBps)).toEqual([600_000, 900_000]);
    element.channel.close();
    expect(await exitCode(engine)).toBe(0);
    expect(output.stderr).toContain('bad.up, line 2: time runs backward');
  });
});

describe('the engine as a server', () => {
  it('serves many elements, outlives them, and removes its socket when told to stop', async () => {
    const path = join(folder, 'engine.sock');
    const engine = await listening(path);
    const first = await joined(path);
    const second = await joined(path);
    for (const element of [first, second]) {
      element.channel.notify(senderStart);
      await element.ask(...offer(0));
      expect(element.types()).toEqual(['plan.set', 'patch.select']);
    }
    first.channel.notify({ type: 'no.such' });
    await first.closed;
    await second.ask(...offer(1));
    expect(output.stderr).toContain('no.such');
    engine.kill('SIGTERM');
    expect(await exitCode(engine)).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  it('lets its own user alone join', async () => {
    const path = join(folder, 'engine.sock');
    await listening(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('does not listen where others could put a socket of theirs', async () => {
    chmodSync(folder, 0o777);
    expect(await exitCode(startEngine(['--listen', join(folder, 'engine.sock')]))).toBe(1);
    expect(output.stderr).toContain('a folder of your own');
  });

  it('reads no file that an element names, unless it lies in a folder that is allowed', async () => {
    const inside = join(folder, 'allowed');
    mkdirSync(inside);
    const trace = Array.from({ length: 50 }, (_, i) => `${(i + 1) * 20}\n`).join('');
    writeFileSync(join(inside, 'good.up'), trace);
    writeFileSync(join(folder, 'other.up'), trace);
    symlinkSync(join(folder, 'other.up'), join(inside, 'link.up'));
    const path = join(folder, 'engine.sock');
    await listening(path, ['--allow', inside]);
    const start = { ...senderStart, maxBitrateBps: 900_000 };
    for (const [name, rate] of [
      ['allowed/good.up', 600_000],
      ['other.up', 900_000],
      ['allowed/../other.up', 900_000],
      ['allowed/link.up', 900_000],
    ] as const) {
      const element = await joined(path);
      element.channel.notify({ ...start, uplink: `trace:${folder}/${name}` });
      await element.ask({ type: 'time.tick', mediaTimeNs: 0, videoBytes: 0 });
      const plan = element.received.find(({ type }) => type === 'plan.set');
      expect([name, plan?.estimatedUplinkBps]).toEqual([name, rate]);
      const warning = element.received.find(({ type }) => type === 'engine.warning');
      if (rate === 900_000) expect(warning?.remedy).toContain('--allow');
      else expect(warning).toBeUndefined();
    }
    const element = await joined(path);
    element.channel.notify(...enhancerStart({ modelStore: join(folder, 'models') }));
    await element.ask({ type: 'time.tick', mediaTimeNs: 0 });
    expect(element.types()).toContain('engine.warning');
    element.channel.close();
  });

  it('takes over the socket of a dead engine, but not that of a live one', async () => {
    const path = join(folder, 'engine.sock');
    const dead = await listening(path);
    dead.kill('SIGKILL');
    await exitCode(dead);
    expect(existsSync(path)).toBe(true);
    const alive = startEngine(['--listen', path]);
    for (;;) {
      const answered = await joined(path).catch(() => undefined);
      answered?.channel.close();
      if (answered) break;
    }
    const late = startEngine(['--listen', path]);
    expect(await exitCode(late)).toBe(1);
    expect(output.stderr).toContain('another engine');
    alive.kill('SIGKILL');
  });

  it('leaves a file alone that is no socket', async () => {
    const path = join(folder, 'precious.txt');
    writeFileSync(path, 'text');
    expect(await exitCode(startEngine(['--listen', path]))).toBe(1);
    expect(readFileSync(path, 'utf8')).toBe('text');
  });
});

describe('the engine called wrongly', () => {
  it.each([[[]], [['--fd', 'x']], [['--fd', '3', '--listen', 'p']], [['--no-such']]])(
    'ends with 2 and its usage: %j',
    async (args) => {
      expect(await exitCode(startEngine(args))).toBe(2);
      expect(output.stderr).toContain('usage');
    },
  );

  it('says so when the file descriptor is not a socket', async () => {
    expect(await exitCode(startEngine(['--fd', '77']))).toBe(1);
    expect(output.stderr).toContain('77');
  });
});
