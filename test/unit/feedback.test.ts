import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import WebSocket from 'ws';
import { backoffMs } from '../../elements/feedback/backoff.ts';
import type { FeedbackClient, FeedbackClientOptions } from '../../elements/feedback/client.ts';
import {
  ignoredInAll,
  initialReader,
  readFeedback,
  reconnected,
  type Memory,
  type Reader,
  type Training,
} from '../../elements/feedback/messages.ts';
import type { FeedbackServer, News } from '../../elements/feedback/server.ts';
import { authorityOf, feedbackClient, feedbackHello, feedbackServer } from './feedback-fixture.ts';

const news: Extract<News, { type: 'training' }> = {
  type: 'training',
  mediaTimeNs: 5e9,
  rung: 2,
  epoch: 1,
  state: 'training',
  gainDb: 1.5,
  genericGainDb: 1.2,
  epochGainDb: 0.1,
  pairs: 12,
  goodputBps: 540_000,
  packetLoss: 0.02,
};

const message = (change: Record<string, unknown> = {}): string =>
  JSON.stringify({ version: 1, session: 'a', sequence: 0, ...news, ...change });

const welcome = JSON.stringify({ type: 'welcome', version: 1, session: 'a' });

const cover: Extract<News, { type: 'memory' }> = {
  type: 'memory',
  mediaTimeNs: 7e9,
  cell: 120,
  columns: 3,
  rows: 2,
  cover: '0f7a00',
  rung: 2,
  benefit: 0.2,
};

const memory = (change: Record<string, unknown> = {}): string =>
  JSON.stringify({ version: 1, session: 'a', sequence: 0, ...cover, ...change });

describe('reading feedback', () => {
  const read = (
    texts: readonly string[],
  ): { reader: Reader; taken: Training[]; memories: Memory[] } => {
    const seen = new Map<string, number>();
    const taken: Training[] = [];
    const memories: Memory[] = [];
    let reader = initialReader;
    for (const text of texts) {
      const reading = readFeedback(reader, text, seen);
      ({ reader } = reading);
      if (reading.training) taken.push(reading.training);
      if (reading.memory) memories.push(reading.memory);
    }
    return { reader, taken, memories };
  };

  it('takes what a server says that does not know of goodput', () => {
    const { taken } = read([welcome, message({ goodputBps: undefined, packetLoss: undefined })]);
    expect(taken).toMatchObject([{ goodputBps: null, packetLoss: null }]);
  });

  it.each([{ goodputBps: -1 }, { packetLoss: 1.5 }, { goodputBps: '9' }, { goodputBps: 1e13 }])(
    'ignores goodput and loss that cannot be: %j',
    (change) => {
      const { reader, taken } = read([welcome, message(change)]);
      expect(taken).toEqual([]);
      expect(reader.ignored.malformed).toBe(1);
    },
  );

  it('takes what comes in order after a welcome', () => {
    const { reader, taken } = read([welcome, message(), message({ sequence: 3 })]);
    expect(taken.map(({ sequence }) => sequence)).toEqual([0, 3]);
    expect(reader).toMatchObject({ received: 2, lastSequence: 3 });
    expect(ignoredInAll(reader)).toBe(0);
  });

  it.each([
    ['not JSON', '{', 'malformed'],
    ['a number that JSON does not have', message().replace('1.5', 'NaN'), 'malformed'],
    ['a number without end', message().replace('1.5', '1e999'), 'malformed'],
    ['a gain that no network has', message({ gainDb: 1000 }), 'malformed'],
    ['a text for a number', message({ gainDb: '1.5' }), 'malformed'],
    ['a state that there is not', message({ state: 'winning' }), 'malformed'],
    ['no object', '[1]', 'malformed'],
    ['another version', message({ version: 2 }), 'otherVersion'],
    ['no version', message({ version: undefined }), 'otherVersion'],
    ['another run of the server', message({ session: 'b' }), 'otherSession'],
  ] as const)('counts and does not act upon %s', (_what, text, why) => {
    const { reader, taken } = read([welcome, text]);
    expect(taken).toEqual([]);
    expect(reader.ignored[why]).toBe(1);
    expect(ignoredInAll(reader)).toBe(1);
  });

  it('takes what the memory knows, in one order with the training', () => {
    const { reader, taken, memories } = read([
      welcome,
      memory({ sequence: 1 }),
      message({ sequence: 2 }),
      memory({ sequence: 2 }),
      memory({ sequence: 3, columns: 0, rows: 0, cover: '' }),
    ]);
    expect(memories.map((told) => told.cover)).toEqual(['0f7a00', '']);
    expect(taken).toHaveLength(1);
    expect(reader).toMatchObject({ received: 3, lastSequence: 3 });
    expect(reader.ignored.replayed).toBe(1);
  });

  it.each([
    ['fewer digits than cells', { cover: '0f7a0' }],
    ['more digits than cells', { cover: '0f7a000' }],
    ['a digit that is none', { cover: '0f7a0g' }],
    ['numbers for digits', { cover: [0, 1, 2, 3, 4, 5] }],
    ['a broken number of columns', { columns: 1.5, rows: 4 }],
    ['a negative grid', { columns: -3, rows: -2 }],
    ['a grid that no frame has', { columns: 1024, rows: 1024, cover: '' }],
    ['cells without a side', { cell: 0 }],
    ['a time that is none', { mediaTimeNs: null }],
    ['a time before the start', { mediaTimeNs: -1 }],
    ['a time beyond all numbers', { mediaTimeNs: 1e300 }],
  ])('counts and does not act upon a memory with %s', (_what, change) => {
    const { reader, memories } = read([welcome, memory(change)]);
    expect(memories).toEqual([]);
    expect(reader.ignored.malformed).toBe(1);
  });

  it('takes nothing twice, not over another connection either', () => {
    const seen = new Map<string, number>();
    let { reader } = readFeedback(initialReader, welcome, seen);
    ({ reader } = readFeedback(reader, message({ sequence: 4 }), seen));
    reader = reconnected(reader);
    expect(readFeedback(reader, message({ sequence: 5 }), seen).reader.ignored.otherSession).toBe(
      1,
    );
    ({ reader } = readFeedback(reader, welcome, seen));
    for (const sequence of [4, 2]) {
      const reading = readFeedback(reader, message({ sequence }), seen);
      expect(reading.training).toBeUndefined();
      ({ reader } = reading);
    }
    expect(reader.ignored.replayed).toBe(2);
    expect(readFeedback(reader, message({ sequence: 5 }), seen).training).toBeDefined();
  });

  it('survives any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const { reader } = readFeedback(initialReader, text, new Map());
        expect(ignoredInAll(reader)).toBe(1);
      }),
    );
  });
});

describe('the wait before the next attempt', () => {
  it('doubles to half a minute, a fifth more or less', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8, 100].map((n) => backoffMs(n, 0.5))).toEqual([
      500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000,
    ]);
    expect(backoffMs(1, 0)).toBeCloseTo(400);
    expect(backoffMs(1, 1)).toBeCloseTo(600);
  });
});

describe('the channel', () => {
  const open: { close: () => void }[] = [];
  afterEach(() => {
    for (const end of open.splice(0)) end.close();
  });

  const serve = async (token = '', port = 0, log: string[] = []): Promise<FeedbackServer> => {
    const server = await feedbackServer({
      port,
      authority: authorityOf({ stream: token }),
      log: (line) => log.push(line),
    });
    open.push(server);
    return server;
  };

  interface Watched {
    readonly client: FeedbackClient;
    readonly log: string[];
    /** The next message. */
    readonly next: () => Promise<Training>;
  }

  const connect = (port: number, change: Partial<FeedbackClientOptions> = {}): Watched => {
    const log: string[] = [];
    const come: Training[] = [];
    const waiting: ((training: Training) => void)[] = [];
    const client = feedbackClient(port, { log: (line) => log.push(line), ...change });
    client.onTraining = (training) => {
      const taker = waiting.shift();
      if (taker) taker(training);
      else come.push(training);
    };
    open.push(client);
    const next = (): Promise<Training> =>
      new Promise((resolve) => {
        const first = come.shift();
        if (first) resolve(first);
        else waiting.push(resolve);
      });
    return { client, log, next };
  };

  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
  };

  it('brings what the server publishes, the latest at once', async () => {
    const server = await serve();
    server.publish('stream', news);
    server.publish('other', { ...news, epoch: 9 });
    const { client, next } = connect(server.port);
    expect(await next()).toMatchObject({ ...news, sequence: 0 });
    server.publish('stream', { ...news, epoch: 2 });
    expect(await next()).toMatchObject({ epoch: 2, sequence: 2 });
    expect(client.counts).toMatchObject({
      connected: true,
      received: 2,
      ignored: 0,
      connections: 1,
    });
    expect(client.counts).toMatchObject({ goodputBps: 540_000, packetLoss: 0.02 });
  });

  it('tells of the memory those who understand it, and of all the latest in its order', async () => {
    const server = await serve();
    server.publish('stream', cover);
    server.publish('stream', news);
    server.publish('stream', { ...cover, cover: 'ffffff' });
    const { client, next } = connect(server.port);
    const memories: Memory[] = [];
    client.onMemory = (told) => memories.push(told);
    await next();
    await until(() => memories.length > 0);
    expect(memories).toMatchObject([{ cover: 'ffffff', sequence: 2 }]);
    expect(client.counts).toMatchObject({ received: 2, ignored: 0 });

    const before = new WebSocket(`ws://127.0.0.1:${server.port}`);
    open.push(before);
    await once(before, 'open');
    const heard: string[] = [];
    before.on('message', (text: Buffer) => heard.push(text.toString()));
    // As a sender says it that does not know of memory.
    before.send(JSON.stringify({ ...feedbackHello, memory: undefined }));
    await until(() => heard.length === 2);
    server.publish('stream', cover);
    server.publish('stream', { ...news, epoch: 2 });
    await until(() => heard.length === 3);
    const types = heard.map((text) => (JSON.parse(text) as { type: string }).type);
    expect(types).toEqual(['welcome', 'training', 'training']);
  });

  it('refuses a wrong token and says so once, and takes the right one', async () => {
    const serverLog: string[] = [];
    const server = await serve('secret', 0, serverLog);
    server.publish('stream', news);
    const wrong = connect(server.port, { token: 'guess' });
    await until(() => server.counts.wrongTokens >= 2);
    expect(wrong.log).toEqual([expect.stringContaining('does not take the token')]);
    expect(wrong.client.counts.connected).toBe(false);
    expect(serverLog[0]).toContain('wrong token');
    const right = connect(server.port, { token: 'secret' });
    expect((await right.next()).epoch).toBe(1);
  });

  it('comes back when the server does, and takes up its new run', async () => {
    const first = await serve();
    const { port } = first;
    first.publish('stream', news);
    const { client, next } = connect(port);
    await next();
    first.close();
    await until(() => !client.counts.connected);
    const second = await serve('', port);
    second.publish('stream', { ...news, epoch: 7 });
    expect((await next()).epoch).toBe(7);
    expect(client.counts).toMatchObject({ connections: 2, ignored: 0 });
  });

  it.each([
    ['no hello', 'nonsense'],
    [
      'a hello of another version',
      JSON.stringify({ type: 'hello', version: 2, streamKey: 'stream' }),
    ],
  ])('closes on %s', async (_what, text) => {
    const server = await serve();
    const stranger = new WebSocket(`ws://127.0.0.1:${server.port}`);
    await once(stranger, 'open');
    stranger.send(text);
    const [code] = (await once(stranger, 'close')) as [number];
    expect(code).toBe(4001);
    expect(server.counts.wrongHellos).toBe(1);
  });

  it('says what is wrong with an address that cannot be had', async () => {
    const { port } = await serve();
    await expect(serve('', port)).rejects.toThrow('EADDRINUSE');
  });

  it('says once that nobody answers', async () => {
    const { log } = connect(1);
    await until(() => log.length > 0);
    expect(log[0]).toContain('feedback from ws://127.0.0.1:1');
  });

  it.each([
    ['ws://server.example:7002', 1],
    ['ws://user:x@server.example:7002', 1],
    ['ws://127.0.0.1:1', 0],
    ['ws://localhost:1', 0],
    ['ws://[::1]:1', 0],
    ['wss://server.example:7002', 0],
  ])('says where a token would go in the clear: %s', (uri, times) => {
    const { log, client } = connect(1, { uri, token: 'secret' });
    client.close();
    const said = log.filter((line) => line.includes('in the clear'));
    expect(said).toHaveLength(times);
    expect(said.join()).not.toMatch(/secret|user/);
  });

  it('says that a URI is none', () => {
    expect(connect(1, { uri: 'ws://' }).log[0]).toContain('cannot be used');
  });
});
