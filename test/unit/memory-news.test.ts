import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EnhancerTick } from '../../elements/channel/messages.ts';
import { memory as memorySchema, mostMessageBytes } from '../../elements/feedback/messages.ts';
import { memoryNews } from '../../elements/sr-enhancer/memory-news.ts';

const tick = (seconds: number, memory: EnhancerTick['memory'] = null): EnhancerTick => ({
  type: 'time.tick',
  mediaTimeNs: seconds * 1e9,
  videoBytes: null,
  patchBytes: 0,
  packets: 0,
  packetsLost: 0,
  memory,
});
const grid = { cell: 120, columns: 2, rows: 2, senderTimeNs: 4.5e9, benefit: 0.25 };
const shares = Uint8Array.of(255, 0, 128, 254);

describe('news of the memory', () => {
  it('comes with the first tick of each second, in digits that promise too little', () => {
    expect(memoryNews(undefined, tick(5, grid), shares, 2)).toBeUndefined();
    expect(memoryNews(tick(5), tick(5.8, grid), shares, 2)).toBeUndefined();
    expect(memoryNews(tick(5.8), tick(6, grid), shares, 1.5)).toEqual({
      type: 'memory',
      mediaTimeNs: 4.5e9,
      rung: 1.5,
      cell: 120,
      columns: 2,
      rows: 2,
      cover: 'f07e',
      benefit: 0.25,
    });
  });

  it('says that there is none, where there is none', () => {
    expect(memoryNews(tick(5.8), tick(6), new Uint8Array(0), 2)).toMatchObject({
      mediaTimeNs: 6e9,
      columns: 0,
      rows: 0,
      cover: '',
      benefit: null,
    });
  });

  it.each([
    ['too few bytes', grid, 3],
    ['too many bytes', grid, 5],
    ['bytes of no memory', null, 4],
  ])('closes the channel on %s', (_what, memory, bytes) => {
    expect(() => memoryNews(tick(5.8), tick(6, memory), new Uint8Array(bytes), 2)).toThrow(
      'must carry',
    );
  });

  it('is a message that a sender takes, whatever the grid', () => {
    fc.assert(
      fc.property(fc.nat(128), fc.nat(64), fc.nat(), (columns, rows, senderTimeNs) => {
        const memory = { cell: 120, columns, rows, senderTimeNs, benefit: null };
        const news = memoryNews(
          tick(0),
          tick(1, memory),
          new Uint8Array(columns * rows).fill(99),
          2,
        );
        const text = JSON.stringify({ version: 1, session: 'a', sequence: 0, ...news });
        expect(memorySchema.safeParse(JSON.parse(text)).success).toBe(true);
        expect(text.length).toBeLessThan(mostMessageBytes);
      }),
    );
  });
});
