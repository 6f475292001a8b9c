// Feedback from one engine to another, as elements start them: a server that trains and a sender.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { native } from '../../elements/bridge/index.ts';
import { Channel } from '../../elements/channel/channel.ts';
import { blobOfFloats, type Head } from '../../elements/channel/frame.ts';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { smallEnhancer } from './enhancer-start.ts';

const bundle = fileURLToPath(new URL('../../dist/elements/engine.mjs', import.meta.url));
const certificate = fileURLToPath(new URL('feedback-localhost.pem', import.meta.url));
const engines: ChildProcess[] = [];

afterEach(() => {
  for (const engine of engines.splice(0)) engine.kill('SIGKILL');
});

interface Element {
  readonly channel: Channel;
  readonly received: Head[];
  /** What the engine said on standard error. */
  readonly said: () => string;
}

function startEngine(): Element {
  const engine = spawn(process.execPath, [bundle, '--fd', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_EXTRA_CA_CERTS: certificate },
  });
  engines.push(engine);
  let said = '';
  engine.stderr?.on('data', (data: Buffer) => (said += data.toString()));
  const received: Head[] = [];
  const channel = new Channel(engine.stdio[3] as Socket, {
    notification: (head) => received.push(head),
    request: () => Promise.reject(new Error('the engine asks nothing')),
    closed: () => undefined,
  });
  return { channel, received, said: () => said };
}

const architecture = { scale: 2, channels: 8, layers: 3 };

/** A server with one epoch of training behind it each time that it is told of 5 s more. */
function startServer(
  port: number,
  certificateFile: string,
): Element & { epoch: () => Promise<void> } {
  const server = startEngine();
  const parameters = new Float32Array(native().parameterCount(architecture)).fill(0.01);
  server.channel.notify(
    {
      ...smallEnhancer,
      ...architecture,
      streamKey: 'stream',
      feedbackListen: `127.0.0.1:${port}`,
      feedbackCertificate: certificateFile,
      token: 'secret',
      stepsPerSecond: 5,
      genericParameters: parameters.length,
    },
    blobOfFloats(parameters),
  );
  let seconds = 0;
  return {
    ...server,
    epoch: async () => {
      await server.channel.request(
        { type: 'time.tick', mediaTimeNs: seconds * 1e9 },
        undefined,
        3e4,
      );
      seconds += 5;
    },
  };
}

function startSender(
  uri: string,
  token: string,
): Element & { tick: () => Promise<Head | undefined> } {
  const sender = startEngine();
  sender.channel.notify({
    type: 'sender.start',
    scale: 2,
    rungs: [2],
    frameWidth: 640,
    frameHeight: 360,
    framesPerSecond: 25,
    maxBitrateBps: 600_000,
    minVideoBitrateBps: 200_000,
    patchBitrateBps: 0,
    patches: 'residual',
    patchesPerSecond: 0,
    uplink: 'auto',
    uplinkBitrateBps: 0,
    schedule: 'residual',
    streamClass: 'default',
    streamKey: 'stream',
    feedbackUri: uri,
    token,
    lockstep: true,
    seed: 1,
  });
  let ticks = 0;
  return {
    ...sender,
    tick: async () => {
      await sender.channel.request(
        { type: 'time.tick', mediaTimeNs: ticks++ * 200e6, videoBytes: 15_000 },
        undefined,
        3e4,
      );
      return sender.received.findLast(({ type }) => type === 'feedback.state');
    },
  };
}

it.each([
  ['in the clear', 'ws', ''],
  ['by TLS', 'wss', certificate],
])('training reports come to the sender %s', async (_how, scheme, certificateFile) => {
  expect(existsSync(bundle)).toBe(true);
  const port = await freeUdpPort();
  const server = startServer(port, certificateFile);
  const sender = startSender(`${scheme}://localhost:${port}`, 'secret');
  for (;;) {
    const state = await sender.tick();
    if (Number(state?.received) >= 2) break;
    await server.epoch();
  }
  const state = await sender.tick();
  expect(state).toMatchObject({ connected: true, ignored: 0 });
  await server.epoch();
  const counts = server.received.findLast(({ type }) => type === 'feedback.counts');
  expect(counts).toMatchObject({ connections: 1, clients: 1, wrongTokens: 0 });
});

it('a sender with a wrong token is refused, and its stream goes on', async () => {
  const port = await freeUdpPort();
  const server = startServer(port, '');
  await server.epoch();
  const sender = startSender(`ws://127.0.0.1:${port}`, 'guess');
  while (!sender.said().includes('does not take the token')) await sender.tick();
  expect(server.said()).toContain('senders with a wrong token (1 so far)');
  const plans = sender.received.filter(({ type }) => type === 'plan.set');
  expect(plans.length).toBeGreaterThan(0);
});

it('an address that cannot be had is said, and training goes on', async () => {
  const server = startServer(70_000, '');
  await server.epoch();
  await server.epoch();
  const warning = server.received.find(({ type }) => type === 'engine.warning');
  expect(warning?.cause).toMatch(/feedback-listen 127\.0\.0\.1:70000: .*there is no feedback/);
  expect(server.received.some(({ type }) => type === 'training.report')).toBe(true);
});
