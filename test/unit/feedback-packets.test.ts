// Patch packets over the feedback channel: what the server lets through, and from whom.
import { afterEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import WebSocket from 'ws';
import { native } from '../../elements/bridge/index.ts';
import type { FeedbackClient } from '../../elements/feedback/client.ts';
import { fullAllowance, spend } from '../../elements/feedback/allowance.ts';
import { feedbackLimits, senderAllowance } from '../../elements/feedback/limits.ts';
import { isPacket, mostPacketBytes } from '../../elements/feedback/packets.ts';
import { openPublisher } from '../../elements/feedback/publisher.ts';
import type { FeedbackServer } from '../../elements/feedback/server.ts';
import { authorityOf, feedbackClient, feedbackServer } from './feedback-fixture.ts';

const packet = native().writePacket(
  { scale: 2, streamId: 1, sequence: 0, runningTimeNs: 5, frameWidth: 1280, frameHeight: 720 },
  [],
);

describe('a packet', () => {
  it('is told by its label and its size', () => {
    expect(isPacket(packet)).toBe(true);
    expect(isPacket(packet.subarray(0, 20))).toBe(false);
    expect(isPacket(packet.subarray(1))).toBe(false);
    expect(isPacket(new Uint8Array(100))).toBe(false);
    const large = new Uint8Array(mostPacketBytes + 1);
    large.set(packet);
    expect(isPacket(large)).toBe(false);
    expect(isPacket(large.subarray(0, mostPacketBytes))).toBe(true);
  });

  it.each([feedbackLimits, senderAllowance])(
    'goes through at no more than the rate, however they come: %j',
    (rate) => {
      const { messagesPerSecond, bytesPerSecond, burstSeconds } = rate;
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat(mostPacketBytes), fc.nat(300)), { maxLength: 300 }),
          (packets) => {
            let nowMs = 0;
            let allowance = fullAllowance(rate, nowMs);
            let bytes = 0;
            let count = 0;
            for (const [size, gapMs] of packets) {
              nowMs += gapMs;
              const left = spend(allowance, rate, size, nowMs);
              if (!left) continue;
              allowance = left;
              bytes += size;
              count++;
            }
            const seconds = burstSeconds + nowMs / 1000;
            expect(bytes).toBeLessThanOrEqual(bytesPerSecond * seconds + 1);
            expect(count).toBeLessThanOrEqual(messagesPerSecond * seconds + 1);
          },
        ),
      );
    },
  );

  it('that a sender may send is one that a server takes, after any delay on the way', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3000), { maxLength: 400 }), (gapsMs) => {
        let nowMs = 0;
        let sending = fullAllowance(senderAllowance, nowMs);
        let hearing = fullAllowance(feedbackLimits, nowMs);
        for (const [index, gapMs] of gapsMs.entries()) {
          nowMs += index % 50 === 0 ? gapMs : 0;
          const sent = spend(sending, senderAllowance, 2000, nowMs);
          if (!sent) continue;
          sending = sent;
          // Late by up to two seconds, and then all at once.
          const heard = spend(hearing, feedbackLimits, 2000, Math.ceil(nowMs / 2000) * 2000);
          expect(heard).toBeDefined();
          hearing = heard ?? hearing;
        }
      }),
    );
  });
});

describe('the server', () => {
  const open: { close: () => void }[] = [];
  afterEach(() => {
    for (const end of open.splice(0)) end.close();
  });

  const serve = async (token: string, got: [string, Uint8Array][]): Promise<FeedbackServer> => {
    const server = await feedbackServer({
      authority: authorityOf({ stream: token, other: 'of the other' }),
      onPacket: (streamKey, bytes) => got.push([streamKey, bytes]),
    });
    open.push(server);
    return server;
  };

  const connect = (port: number, token: string): FeedbackClient => {
    const client = feedbackClient(port, { token });
    open.push(client);
    return client;
  };

  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
  };

  it('hands packets on with the stream they are of, and counts what is none', async () => {
    const got: [string, Uint8Array][] = [];
    const server = await serve('secret', got);
    const client = connect(server.port, 'secret');
    await until(() => client.takesPatches);
    expect(client.sendPacket(packet)).toBe(true);
    expect(client.sendPacket(new Uint8Array(100))).toBe(true);
    expect(client.sendPacket(packet)).toBe(true);
    await until(() => got.length === 2 && server.counts.packetsRefused === 1);
    expect(got[0]?.[0]).toBe('stream');
    expect(Buffer.from(got[0]?.[1] ?? []).equals(packet)).toBe(true);
    expect(client.counts.connected).toBe(true);
  });

  it('gets no more of a client than it takes, and the connection stays', async () => {
    const got: [string, Uint8Array][] = [];
    const server = await serve('secret', got);
    const client = connect(server.port, 'secret');
    await until(() => client.takesPatches);
    let sent = 0;
    for (let i = 0; i < 1000; i++) sent += client.sendPacket(packet) ? 1 : 0;
    expect(sent).toBeGreaterThanOrEqual(80);
    expect(sent).toBeLessThan(1000);
    await until(() => got.length === sent);
    expect(client.counts.connected).toBe(true);
    expect(server.counts).toMatchObject({ packets: sent, packetsRefused: 0, tooMuch: 0 });
  });

  it('without a token takes none, and the client sends none', async () => {
    const got: [string, Uint8Array][] = [];
    const server = await serve('', got);
    const client = connect(server.port, '');
    await until(() => client.counts.connected);
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}`);
    const closed = new Promise<number>((resolve) => socket.on('close', resolve));
    socket.on('open', () => {
      socket.send(
        JSON.stringify({
          type: 'hello',
          version: 1,
          streamKey: 'stream',
          streamClass: '',
          scale: 2,
          frameWidth: 1,
          frameHeight: 1,
        }),
      );
      socket.send(packet);
    });
    expect(await closed).toBe(4001);
    expect(client.takesPatches).toBe(false);
    expect(client.sendPacket(packet)).toBe(false);
    expect(got).toEqual([]);
  });

  it('takes none before the hello', async () => {
    const got: [string, Uint8Array][] = [];
    const server = await serve('secret', got);
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}`, {
      headers: { authorization: 'Bearer secret' },
    });
    const closed = new Promise<number>((resolve) => socket.on('close', resolve));
    socket.on('open', () => {
      socket.send(packet);
    });
    expect(await closed).toBe(4001);
    expect(got).toEqual([]);
  });

  it('gives each stream of an engine its own packets, until it ends', async () => {
    const got: Record<string, number> = { stream: 0, other: 0 };
    const settings = (streamKey: string) => ({
      feedbackListen: `127.0.0.1:${port}`,
      feedbackCertificate: '',
      token: `secret of ${streamKey}`,
      tokensFile: '',
      streamKey,
    });
    const probe = await serve('x', []);
    const { port } = probe;
    probe.close();
    const host = { log: () => undefined, nowMs: () => performance.now(), warn: () => undefined };
    const publishers = ['stream', 'other'].map((key) =>
      openPublisher(settings(key), host, () => (got[key] = (got[key] ?? 0) + 1)),
    );
    for (const publisher of publishers) if (publisher) open.push(publisher);
    const client = connect(port, 'secret of stream');
    await until(() => client.takesPatches);
    client.sendPacket(packet);
    await until(() => got.stream === 1);
    publishers[0]?.close();
    client.sendPacket(packet);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(got).toEqual({ stream: 1, other: 0 });
  });
});
