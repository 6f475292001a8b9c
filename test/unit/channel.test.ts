import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Channel, type ChannelHandlers } from '../../elements/channel/channel.ts';
import {
  blobOfFloats,
  ChannelError,
  encodeFrame,
  floatsOfBlob,
  FrameDecoder,
  maxLength,
  type Frame,
  type Head,
} from '../../elements/channel/frame.ts';
import {
  enhancerStart,
  enhancerTick,
  parseHead,
  patchSelect,
  planSet,
  senderMessage,
  senderStart,
} from '../../elements/channel/messages.ts';

const frameSchema = z.object({
  name: z.string(),
  kind: z.enum(['notification', 'request', 'response']),
  // As it stands in the file: the order of the keys is part of the bytes.
  head: z.custom<Head>((value) => typeof value === 'object' && value !== null && 'type' in value),
  blob: z.string(),
  frame: z.string(),
});
const golden = z
  .object({
    frames: z.array(frameSchema).min(5),
    broken: z.array(z.object({ name: z.string(), rule: z.string(), frame: z.string() })).min(5),
  })
  .parse(JSON.parse(readFileSync(new URL('../golden/channel.json', import.meta.url), 'utf8')));

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex, 'hex');
}

function decodeAll(chunks: readonly Uint8Array[]): Frame[] {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  for (const chunk of chunks) decoder.push(chunk, (frame) => frames.push(frame));
  return frames;
}

/** Cuts bytes into chunks of the sizes given, over and over. */
function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

describe('the frame codec', () => {
  it.each(golden.frames)('writes the golden bytes of $name', ({ kind, head, blob, frame }) => {
    expect(encodeFrame(kind, head, bytesOf(blob)).toString('hex')).toBe(frame);
  });

  it.each(golden.frames)('reads the golden bytes of $name', ({ kind, head, blob, frame }) => {
    expect(decodeAll([bytesOf(frame)])).toEqual([{ kind, head, blob: bytesOf(blob) }]);
  });

  it.each(golden.broken)('refuses $name and names the rule', ({ rule, frame }) => {
    const decode = (): Frame[] => decodeAll([bytesOf(frame)]);
    expect(decode).toThrow(ChannelError);
    expect(decode).toThrow(rule);
  });

  it('gives back what was encoded, in whatever chunks it comes', () => {
    const frame = fc.record({
      kind: fc.constantFrom('notification', 'request', 'response'),
      head: fc
        .record({ type: fc.string(), id: fc.maxSafeInteger() })
        .map(({ type, id }) => ({ type, id, nested: { text: type } })),
      blob: fc.uint8Array({ maxLength: 300 }),
    });
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 }),
        (frames, sizes) => {
          const stream = Buffer.concat(frames.map((f) => encodeFrame(f.kind, f.head, f.blob)));
          const decoded = decodeAll(cut(stream, sizes));
          expect(decoded.map((f) => ({ ...f, blob: [...f.blob] }))).toEqual(
            frames.map((f) => ({ ...f, blob: [...f.blob] })),
          );
        },
      ),
    );
  });

  it('throws nothing but ChannelError on damaged bytes, and stays broken', () => {
    const whole = Buffer.concat(golden.frames.map(({ frame }) => bytesOf(frame)));
    const damage = fc.record({ at: fc.nat(whole.length - 1), value: fc.nat(255) });
    let refused = 0;
    fc.assert(
      fc.property(
        fc.array(damage, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 200 }),
        (damages, size) => {
          const bytes = Buffer.from(whole);
          for (const { at, value } of damages) bytes[at] = value;
          const decoder = new FrameDecoder();
          const push = (chunk: Uint8Array): void => {
            decoder.push(chunk, () => undefined);
          };
          try {
            for (const chunk of cut(bytes, [size])) push(chunk);
          } catch (error) {
            expect(error).toBeInstanceOf(ChannelError);
            expect(() => {
              push(whole);
            }).toThrow(ChannelError);
            refused++;
          }
        },
      ),
      { numRuns: 500 },
    );
    expect(refused).toBeGreaterThan(50);
  });

  it('delivers the frames that stand before a broken one', () => {
    const [first] = golden.frames;
    const [broken] = golden.broken;
    const delivered: Frame[] = [];
    const bytes = Buffer.concat([bytesOf(first?.frame ?? ''), bytesOf(broken?.frame ?? '')]);
    expect(() => {
      new FrameDecoder().push(bytes, (frame) => delivered.push(frame));
    }).toThrow(ChannelError);
    expect(delivered).toHaveLength(1);
  });

  it('refuses a head that is nested too deep', () => {
    const head = { type: 'deep', value: JSON.parse('['.repeat(40) + ']'.repeat(40)) as unknown };
    expect(() => decodeAll([encodeFrame('notification', head)])).toThrow('nested');
  });

  it('refuses to write more than a frame may hold', () => {
    const blob = new Uint8Array(maxLength);
    expect(() => encodeFrame('notification', { type: 'big' }, blob)).toThrow(ChannelError);
  });

  it('carries float32 parameters wherever the blob starts', () => {
    const floats = Float32Array.of(0.5, -3e-9, 7e7);
    const bytes = Buffer.concat([Buffer.alloc(1), blobOfFloats(floats)]);
    expect(floatsOfBlob(bytes.subarray(1))).toEqual(floats);
    expect(() => floatsOfBlob(bytes)).toThrow(ChannelError);
  });
});

describe('the messages', () => {
  it('are the golden ones', () => {
    const schemas = {
      'time.tick': enhancerTick,
      'sender.start': senderStart,
      'plan.set': planSet,
      'patch.select': patchSelect,
    };
    for (const [type, schema] of Object.entries(schemas)) {
      const heads = golden.frames.map(({ head }) => head);
      const head = heads.findLast((frame) => frame.type === type) ?? { type: 'none' };
      expect({ id: head.id, ...parseHead<object>(schema, head) }).toEqual(head);
    }
  });

  it('are refused with the fields at fault', () => {
    const head = { type: 'frame.offer', offer: -1, mediaTimeNs: 0, columns: 1, rows: 1, cell: 120 };
    expect(() => parseHead(senderMessage, head)).toThrow(/frame\.offer.*offer/);
    expect(() => parseHead(enhancerStart, { type: 'enhancer.start' })).toThrow(/genericParameters/);
    expect(() => parseHead(senderMessage, { type: 'no.such' })).toThrow(ChannelError);
  });
});

/** Two ends of a real Unix socket. */
async function socketPair(): Promise<[Socket, Socket]> {
  const folder = mkdtempSync(join(tmpdir(), 'livesr-channel-'));
  const path = join(folder, 'socket');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const one = connect(path);
  const other = await accepted;
  server.close();
  rmSync(folder, { recursive: true });
  return [one, other];
}

interface End {
  readonly channel: Channel;
  readonly seen: string[];
  readonly closed: Promise<ChannelError | undefined>;
}

function end(stream: Duplex, request?: ChannelHandlers['request']): End {
  const seen: string[] = [];
  let tellClosed: (error: ChannelError | undefined) => void = () => undefined;
  const closed = new Promise<ChannelError | undefined>((resolve) => {
    tellClosed = resolve;
  });
  const channel = new Channel(stream, {
    notification: (head) => {
      seen.push(head.type);
    },
    request: request ?? (() => Promise.resolve({})),
    closed: tellClosed,
  });
  return { channel, seen, closed };
}

describe('a channel', () => {
  it('answers requests after the notifications that came first, with type and id of the request', async () => {
    const [one, other] = await socketPair();
    const a = end(one);
    const b = end(other, (head, blob) => {
      b.channel.notify({ type: 'before' });
      return Promise.resolve({ fields: { echoed: head.value }, blob });
    });
    const response = await a.channel.request({ type: 'ask', value: 5 }, Buffer.from('xyz'), 5000);
    expect(response.head).toMatchObject({ type: 'ask', echoed: 5 });
    expect(Buffer.from(response.blob).toString()).toBe('xyz');
    expect(a.seen).toEqual(['before']);
  });

  it('rejects what is pending when the other side goes', async () => {
    const [one, other] = await socketPair();
    const a = end(one);
    const b = end(other, () => new Promise(() => undefined));
    const pending = a.channel.request({ type: 'ask' }, undefined, 60_000);
    b.channel.close();
    await expect(pending).rejects.toThrow(ChannelError);
    expect(await a.closed).toBeUndefined();
    await expect(a.channel.request({ type: 'ask' }, undefined, 60_000)).rejects.toThrow('closed');
  });

  it('rejects a request whose deadline passes, and ignores the late answer', async () => {
    const [one, other] = await socketPair();
    const a = end(one);
    let answer: () => void = () => undefined;
    end(other, (head) =>
      head.type === 'late'
        ? new Promise((resolve) => {
            answer = () => {
              resolve({});
            };
          })
        : Promise.resolve({}),
    );
    await expect(a.channel.request({ type: 'late' }, undefined, 10)).rejects.toThrow('10 ms');
    answer();
    await expect(a.channel.request({ type: 'next' }, undefined, 5000)).resolves.toBeDefined();
  });

  it('closes with the reason when it gets broken bytes', async () => {
    const [one, other] = await socketPair();
    const a = end(one);
    other.write(Buffer.alloc(12));
    expect((await a.closed)?.message).toContain('frame length 0');
    expect(a.channel.open).toBe(false);
  });

  it('closes with the reason when the other side goes inside a frame', async () => {
    const [one, other] = await socketPair();
    const a = end(one);
    other.end(Buffer.from([9]));
    expect((await a.closed)?.message).toContain('inside a frame');
  });

  it('closes with the reason when a request handler fails', async () => {
    const [one, other] = await socketPair();
    const a = end(one);
    const b = end(other, () => Promise.reject(new Error('cannot answer that')));
    const pending = a.channel.request({ type: 'ask' }, undefined, 60_000);
    expect((await b.closed)?.message).toContain('cannot answer that');
    await expect(pending).rejects.toThrow(ChannelError);
  });

  it('closes when the other side reads nothing any more', async () => {
    const stalled = new Duplex({ read: () => undefined, write: () => undefined });
    const a = end(stalled);
    for (let i = 0; i < 10; i++) a.channel.notify({ type: 'big' }, new Uint8Array(1024 * 1024));
    expect((await a.closed)?.message).toContain('unread');
  });
});
