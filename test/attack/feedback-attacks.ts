// Hostile clients of the feedback port. Each runs until its process is killed.
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import { hostilePacket } from './packet.ts';

export interface FeedbackTarget {
  readonly port: number;
  readonly streamKey: string;
  readonly token: string;
  /** Another stream on the same port, whose sender attacks. */
  readonly other: { readonly streamKey: string; readonly token: string };
}

export type FeedbackAttack = (target: FeedbackTarget) => Promise<void>;

/** More than a process has descriptors for by default. */
const crowd = 1004;

function stranger(port: number, greeting: string): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.on('data', () => undefined);
  if (greeting !== '') socket.write(greeting);
  return socket;
}

const upgrade = (token: string): string =>
  'GET / HTTP/1.1\r\nHost: livesr\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n' +
  `Authorization: Bearer ${token}\r\n\r\n`;

/** Keeps so many connections open; one that was closed is opened again. */
async function crowdOf(size: number, open: () => Socket): Promise<never> {
  const sockets: Socket[] = [];
  for (;;) {
    for (let index = 0; index < size; index++) {
      if (sockets[index] === undefined || sockets[index]?.destroyed) sockets[index] = open();
      if (index % 50 === 49) await delay(20);
    }
    await delay(500);
  }
}

export function helloOf(streamKey: string): string {
  return JSON.stringify({
    type: 'hello',
    version: 1,
    streamKey,
    streamClass: 'default',
    scale: 2,
    frameWidth: 1280,
    frameHeight: 720,
    memory: true,
  });
}

function client({ port, token }: { port: number; token: string }): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false,
  });
  socket.on('error', () => undefined);
  return socket;
}

/** Once open, `act` again and again until the socket is closed; then from the start. */
async function insist(
  open: () => WebSocket,
  act: (socket: WebSocket) => Promise<void>,
): Promise<never> {
  for (;;) {
    const socket = open();
    const ready = await new Promise<boolean>((resolve) => {
      socket.once('open', () => {
        resolve(true);
      });
      socket.once('close', () => {
        resolve(false);
      });
    });
    while (ready && socket.readyState === WebSocket.OPEN) await act(socket);
    await delay(50);
  }
}

const hugeAnnouncement = (index: number): Buffer =>
  hostilePacket(
    {
      scale: 2,
      streamId: 7,
      sequence: index,
      runningTimeNs: BigInt(index) * 10_000_000n,
      frameWidth: 65_535,
      frameHeight: 65_535,
    },
    [],
  );

export const feedbackAttacks: Record<string, FeedbackAttack> = {
  'opens 1004 connections and says nothing': ({ port }) => crowdOf(crowd, () => stranger(port, '')),
  'opens 1004 connections without a token and reads nothing': ({ port }) =>
    crowdOf(crowd, () => {
      const socket = stranger(port, upgrade('wrong'));
      socket.pause();
      return socket;
    }),
  'opens 1004 connections and never says hello': ({ port, other }) =>
    crowdOf(crowd, () => stranger(port, upgrade(other.token))),
  'sends a byte of its headers now and then': ({ port }) =>
    crowdOf(500, () => {
      const socket = stranger(port, 'GET / HTTP/1.1\r\nX-A: ');
      const timer = setInterval(() => socket.write('a'), 1000);
      socket.on('close', () => {
        clearInterval(timer);
      });
      return socket;
    }),
  'tries wrong tokens': ({ port }) => crowdOf(64, () => stranger(port, upgrade(String(port)))),
  'says hello as fast as it can': async ({ port, other }) => {
    await insist(
      () => client({ port, token: other.token }),
      async (socket) => {
        for (let index = 0; index < 500 && socket.bufferedAmount < 1 << 20; index++) {
          socket.send(helloOf(other.streamKey));
        }
        await delay(1);
      },
    );
  },
  'sends pings as fast as it can': async ({ port, other }) => {
    await insist(
      () => client({ port, token: other.token }),
      async (socket) => {
        for (let index = 0; index < 500 && socket.bufferedAmount < 1 << 20; index++) {
          socket.ping('ping');
        }
        await delay(1);
      },
    );
  },
  'opens 256 clients from one address': ({ port, other }) =>
    crowdOf(256, () => {
      const socket = stranger(port, upgrade(other.token));
      // A masked text frame; the mask is zero.
      const text = Buffer.from(helloOf(other.streamKey));
      const head = Buffer.from([0x81, 0x80 | 126, text.length >> 8, text.length & 255, 0, 0, 0, 0]);
      socket.write(Buffer.concat([head, text]));
      return socket;
    }),
  'feeds a stream with the token of another': async ({ port, streamKey, other }) => {
    let index = 0;
    await insist(
      () => client({ port, token: other.token }),
      async (socket) => {
        if (index % 100 === 0) socket.send(helloOf(streamKey));
        socket.send(hugeAnnouncement(index++));
        await delay(10);
      },
    );
  },
};
