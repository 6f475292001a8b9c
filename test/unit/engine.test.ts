// The engine's process as elements start it: the bundle in dist, over a socket.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
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

function startEngine(args: readonly string[]): ChildProcess {
  const engine = spawn(process.execPath, [bundle, ...args], {
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

async function listening(path: string): Promise<ChildProcess> {
  const engine = startEngine(['--listen', path]);
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
    expect(output).toEqual({ stdout: '', stderr: '' });
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
    expect(element.types()).toEqual(['model.swap']);
    element.channel.notify(
      { type: 'patch.pair', sequence: 0, mediaTimeNs: 0, x: 0, y: 0, width: 40, height: 40 },
      new Uint8Array(26 * 26 + 40 * 40).fill(99),
    );
    await element.ask({ type: 'time.tick', mediaTimeNs: 5e9 });
    expect(element.types()).toEqual(['model.swap', 'training.report']);
    expect(element.received[1]).toMatchObject({ steps: 100, pairs: 1, state: 'training' });
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

  it('says which rule a broken frame broke, and ends with 1', async () => {
    const engine = startEngine(['--fd', '3']);
    (engine.stdio[3] as Socket).write(Buffer.alloc(12));
    expect(await exitCode(engine)).toBe(1);
    expect(output.stderr).toMatch(/^livesr engine: frame length 0.*\n$/);
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
