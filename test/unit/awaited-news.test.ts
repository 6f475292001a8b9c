import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Training } from '../../elements/feedback/messages.ts';
import { AwaitedNews } from '../../elements/patch-sender/awaited-news.ts';

const news = (epoch: number): Training => ({
  type: 'training',
  version: 1,
  session: 's',
  sequence: epoch,
  mediaTimeNs: (epoch + 1) * 5e9,
  rung: 2,
  epoch,
  state: 'training',
  gainDb: 1,
  genericGainDb: 0.5,
  epochGainDb: 0.1,
  pairs: 10,
  goodputBps: 500_000,
  packetLoss: 0,
});

const awaitEpochs = (log: (line: string) => void = () => undefined): AwaitedNews<Training> =>
  new AwaitedNews({ what: 'epoch', periodNs: 5e9, periodOf: ({ epoch }) => epoch, log });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('news in lockstep', () => {
  it('is due one second after the end of its epoch, however early it came', async () => {
    const awaited = awaitEpochs();
    awaited.came(news(0));
    expect(await awaited.dueAt(5.8e9)).toEqual([]);
    expect(await awaited.dueAt(6e9)).toEqual([news(0)]);
    expect(await awaited.dueAt(6.2e9)).toEqual([]);
  });

  it('is waited for when it is due', async () => {
    const awaited = awaitEpochs();
    let told: readonly Training[] | undefined;
    const waiting = awaited.dueAt(11e9).then((due) => (told = due));
    awaited.came(news(0));
    await vi.advanceTimersByTimeAsync(0);
    expect(told).toBeUndefined();
    awaited.came(news(1));
    await waiting;
    expect(told).toEqual([news(0), news(1)]);
  });

  it('that never comes is waited for once, and said', async () => {
    const said: string[] = [];
    const awaited = awaitEpochs((line) => said.push(line));
    const waiting = awaited.dueAt(6e9);
    await vi.advanceTimersByTimeAsync(25_000);
    expect(await waiting).toEqual([]);
    expect(await awaited.dueAt(11e9)).toEqual([]);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('epoch 0 did not come within 25 s');
  });

  it('is waited for no longer when the sender ends', async () => {
    const awaited = awaitEpochs();
    const waiting = awaited.dueAt(6e9);
    awaited.close();
    expect(await waiting).toEqual([]);
  });
});
