// What attackers do to the feedback port, with real sockets, and a sender that must get through.
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { native } from '../../elements/bridge/index.ts';
import { feedbackLimits } from '../../elements/feedback/limits.ts';
import { closeCodes } from '../../elements/feedback/messages.ts';
import type { FeedbackServer, FeedbackServerOptions } from '../../elements/feedback/server.ts';
import { StreamAuthority } from '../../elements/feedback/tokens.ts';
import { authorityOf, feedbackClient, feedbackHello, feedbackServer } from './feedback-fixture.ts';

const certificate = fileURLToPath(new URL('feedback-localhost.pem', import.meta.url));
const authorization = 'Authorization: Bearer secret\r\n';
const packet = native().writePacket(
  { scale: 2, streamId: 1, sequence: 0, runningTimeNs: 5, frameWidth: 1280, frameHeight: 720 },
  [],
);

const open: { close: () => void }[] = [];
afterEach(() => {
  for (const end of open.splice(0).reverse()) end.close();
});

async function serve(change: Partial<FeedbackServerOptions> = {}): Promise<FeedbackServer> {
  const authority = authorityOf({ stream: 'secret', other: 'of the other' });
  const server = await feedbackServer({ authority, onPacket: () => undefined, ...change });
  open.push(server);
  return server;
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

/** A TCP connection of an attacker, who ends nothing. */
async function stranger(port: number, says = '', localAddress = '127.0.0.1'): Promise<Socket> {
  const socket = connectTcp({ port, host: '127.0.0.1', localAddress, allowHalfOpen: true });
  open.push({ close: () => socket.destroy() });
  socket.on('error', () => undefined);
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
  if (says !== '') socket.write(says);
  return socket;
}

async function strangers(count: number, port: number, says = ''): Promise<Socket[]> {
  return Promise.all(Array.from({ length: count }, () => stranger(port, says)));
}

const upgrade = (headers: string): string =>
  'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n${headers}\r\n`;

/** A WebSocket with the token of "stream", and how it ends. */
async function bearer(
  port: number,
  token = 'secret',
  localAddress = '127.0.0.1',
): Promise<{ socket: WebSocket; closed: Promise<number>; heard: string[] }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, {
    headers: { authorization: `Bearer ${token}` },
    localAddress,
  });
  open.push({
    close: () => {
      socket.terminate();
    },
  });
  const heard: string[] = [];
  socket.on('error', () => undefined);
  socket.on('message', (text: Buffer) => heard.push(text.toString()));
  const closed = new Promise<number>((resolve) => socket.on('close', resolve));
  await Promise.race([once(socket, 'open'), closed]);
  return { socket, closed, heard };
}

async function member(port: number, streamKey = 'stream', token = 'secret', from = '127.0.0.1') {
  const one = await bearer(port, token, from);
  one.socket.send(JSON.stringify({ ...feedbackHello, streamKey }));
  await Promise.race([until(() => one.heard.length > 0), one.closed]);
  return one;
}

/** A sender as every other; resolves when the server has welcomed it. */
async function senderComesIn(port: number): Promise<void> {
  const client = feedbackClient(port, { token: 'secret' });
  open.push(client);
  await until(() => client.takesPatches);
  expect(client.counts.connections).toBe(1);
}

describe('strangers at the feedback port', () => {
  it.each([
    ['say nothing', ''],
    ['begin a request', 'GET / HTTP/1.1\r\nHost: x\r\nX: '],
    ['have a wrong token', upgrade('Authorization: Bearer guess\r\n')],
    ['want something else', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['send what is no HTTP', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['have a token and say no hello', upgrade(authorization)],
  ])(
    'that %s, 1,100 of them and none ends its connection, shut nobody out',
    async (_what, says) => {
      const server = await serve();
      await strangers(1100, server.port, says);
      await senderComesIn(server.port);
      expect(server.counts.connections).toBeLessThanOrEqual(
        feedbackLimits.maxStrangersOfAddress + server.counts.clients,
      );
      expect(server.counts.clients).toBe(1);
    },
  );

  it('with a wrong token are refused, and their sockets are gone though they keep them', async () => {
    const server = await serve();
    const refused = await strangers(50, server.port, upgrade('Authorization: Bearer guess\r\n'));
    const answers = await Promise.all(
      refused.map(async (socket) => String((await once(socket, 'data'))[0])),
    );
    expect(new Set(answers.map((answer) => answer.split('\r\n')[0]))).toEqual(
      new Set(['HTTP/1.1 401 Unauthorized']),
    );
    await until(() => server.counts.connections === 0);
    expect(server.counts).toMatchObject({ wrongTokens: 50, clients: 0 });
  });

  it('that are slow with their request lose their connection', async () => {
    const server = await serve({ limits: { requestMs: 100 } });
    await strangers(5, server.port, 'GET / HTTP/1.1\r\nHost: x\r\nX: ');
    await until(() => server.counts.late === 5);
    await until(() => server.counts.connections === 0);
  });

  it('that never finish their TLS handshake lose their connection', async () => {
    const server = await serve({ certificate, limits: { requestMs: 100 } });
    await strangers(5, server.port);
    await until(() => server.counts.late === 5 && server.counts.connections === 0);
  });

  it('that say no hello lose their connection', async () => {
    const server = await serve({ limits: { helloMs: 100 } });
    const { closed } = await bearer(server.port);
    expect(await closed).toBe(closeCodes.late);
    expect(server.counts.late).toBe(1);
  });

  it('of one address do not push out those of another', async () => {
    const server = await serve();
    const quiet = await stranger(server.port, '', '127.0.0.2');
    await strangers(500, server.port);
    await until(() => server.counts.evicted >= 400);
    expect(quiet.readableEnded || quiet.destroyed).toBe(false);
  });
});

describe('a client of the feedback port', () => {
  it('says hello once', async () => {
    const server = await serve();
    const { socket, closed } = await member(server.port);
    socket.send(JSON.stringify(feedbackHello));
    expect(await closed).toBe(closeCodes.secondHello);
    expect(server.counts).toMatchObject({ wrongHellos: 1, clients: 0 });
  });

  it.each([
    [
      'hellos',
      (socket: WebSocket) => {
        socket.send(JSON.stringify(feedbackHello));
      },
      5000,
    ],
    [
      'patch packets',
      (socket: WebSocket) => {
        socket.send(packet);
      },
      5000,
    ],
    [
      'pings',
      (socket: WebSocket) => {
        socket.ping();
      },
      5000,
    ],
    [
      'pongs',
      (socket: WebSocket) => {
        socket.pong();
      },
      5000,
    ],
    [
      'bytes',
      (socket: WebSocket) => {
        socket.send(new Uint8Array(60_000));
      },
      100,
    ],
  ])('that sends a flood of %s loses its connection', async (_what, send, count) => {
    const got: Uint8Array[] = [];
    const server = await serve({ onPacket: (_streamKey, bytes) => got.push(bytes) });
    const { socket, closed } = await member(server.port);
    for (let i = 0; i < count; i++) send(socket);
    await closed;
    await until(() => server.counts.connections === 0);
    expect(server.counts.tooMuch).toBe(1);
    const { messagesPerSecond, burstSeconds } = feedbackLimits;
    expect(got.length).toBeLessThanOrEqual(2 * messagesPerSecond * burstSeconds);
    await senderComesIn(server.port);
  });

  it('that sends a message in endless pieces loses its connection', async () => {
    const server = await serve();
    const { socket, closed } = await member(server.port);
    for (let i = 0; i < 5000; i++) socket.send('', { fin: false });
    await closed;
    await until(() => server.counts.connections === 0);
  });

  it('adds nothing to what a stream takes of patch packets when there are many of it', async () => {
    const got: string[] = [];
    const server = await serve({ onPacket: (streamKey) => got.push(streamKey) });
    const { messagesPerSecond, burstSeconds } = feedbackLimits;
    const each = messagesPerSecond * burstSeconds - 10;
    const clients = await Promise.all([1, 2, 3, 4, 5].map(() => member(server.port)));
    for (const { socket } of clients) for (let i = 0; i < each; i++) socket.send(packet);
    await until(() => server.counts.packets + server.counts.packetsRefused === 5 * each);
    expect(server.counts.tooMuch).toBe(0);
    expect(got.length).toBe(server.counts.packets);
    expect(got.length).toBeLessThan(3 * each);
    await member(server.port, 'other', 'of the other').then(({ socket }) => {
      socket.send(packet);
    });
    await until(() => got.includes('other'));
  });

  it('with the token of one stream neither hears nor feeds another', async () => {
    const got: string[] = [];
    const server = await serve({ onPacket: (streamKey) => got.push(streamKey) });
    const { socket, closed, heard } = await member(server.port, 'other', 'secret');
    socket.send(packet);
    expect(await closed).toBe(closeCodes.wrongToken);
    expect(heard).toEqual([]);
    expect(got).toEqual([]);
    expect(server.counts).toMatchObject({ wrongTokens: 1, clients: 0 });
  });

  it('says in its log what is wrong with its token', async () => {
    const server = await serve();
    const log: string[] = [];
    const client = feedbackClient(server.port, {
      token: 'secret',
      hello: { ...feedbackHello, streamKey: 'other' },
      log: (line) => log.push(line),
    });
    open.push(client);
    await until(() => server.counts.wrongTokens >= 2);
    expect(log).toEqual([expect.stringMatching(/does not open.*set token and stream-key/)]);
  });

  it('gets in again when its stream has as many as it may have; the oldest goes', async () => {
    const server = await serve();
    const first = await member(server.port);
    const others = feedbackLimits.maxClientsOfStream - 1;
    for (let i = 0; i < others; i++) await member(server.port);
    await senderComesIn(server.port);
    expect(await first.closed).toBe(closeCodes.noRoom);
    expect(server.counts).toMatchObject({ clients: others + 1, evicted: 1 });
  });

  it('of another address comes in when one address has all that it may have', async () => {
    const limits = { maxClientsOfAddress: 3 };
    const server = await serve({ limits });
    for (let i = 0; i < 3; i++) await member(server.port);
    expect(await (await member(server.port)).closed).toBe(closeCodes.noRoom);
    await member(server.port, 'other', 'of the other', '127.0.0.2');
    expect(server.counts.clients).toBe(4);
  });

  it('loses its connection when its token is taken back', async () => {
    const authority = new StreamAuthority(() => undefined);
    authority.add('stream', { token: 'secret', tokensFile: '' });
    const server = await serve({ authority, limits: { pingMs: 50 } });
    const { closed } = await member(server.port);
    authority.leave('stream');
    authority.add('stream', { token: 'another', tokensFile: '' });
    expect(await closed).toBe(closeCodes.wrongToken);
  });

  it('that does not answer pings loses its connection', async () => {
    const server = await serve({ limits: { pingMs: 50 } });
    const socket = await stranger(server.port, upgrade(authorization));
    const hello = Buffer.from(JSON.stringify(feedbackHello));
    // A frame with the mask 0.
    socket.write(Buffer.concat([Buffer.from([0x81, 0xfe, 0, hello.length, 0, 0, 0, 0]), hello]));
    await until(() => server.counts.clients === 1);
    await until(() => server.counts.connections === 0);
    expect(server.counts.late).toBe(1);
  });
});
