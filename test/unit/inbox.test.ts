// What waits for a session: its order, and what has no room.
import { describe, expect, it } from 'vitest';
import { Inbox, type Waiting } from '../../elements/engine/inbox.ts';

const budget = { maxPairs: 3, maxPairBytes: 1000, maxOthers: 4 };

const message = (type: string, name: number, bytes = 10): Waiting => ({
  head: { type, name },
  blob: new Uint8Array(bytes),
  done: () => undefined,
});
const pair = (name: number, bytes?: number): Waiting => message('patch.pair', name, bytes);
const tick = (name: number): Waiting => message('time.tick', name);

function drain(inbox: Inbox, isPairWanted = true): unknown[] {
  const names = [];
  for (let next = inbox.take(isPairWanted); next; next = inbox.take(isPairWanted)) {
    names.push(next.head.name);
  }
  return names;
}

describe('the inbox', () => {
  it('hands out ticks before pairs, each in their order', () => {
    const inbox = new Inbox(budget);
    for (const waiting of [pair(1), tick(2), pair(3), tick(4)]) inbox.push(waiting);
    expect(inbox.size).toBe(4);
    expect(drain(inbox)).toEqual([2, 4, 1, 3]);
    expect(inbox.pairsDropped).toBe(0);
  });

  it('keeps pairs back while they are not wanted', () => {
    const inbox = new Inbox(budget);
    for (const waiting of [pair(1), tick(2)]) inbox.push(waiting);
    expect(drain(inbox, false)).toEqual([2]);
    expect(drain(inbox, true)).toEqual([1]);
  });

  it('drops the oldest pairs where there are too many', () => {
    const inbox = new Inbox(budget);
    for (let name = 1; name <= 5; name++) inbox.push(pair(name));
    expect(inbox.pairsDropped).toBe(2);
    expect(drain(inbox)).toEqual([3, 4, 5]);
  });

  it('drops the oldest pairs where they are too large', () => {
    const inbox = new Inbox(budget);
    for (const waiting of [pair(1, 400), pair(2, 400), pair(3, 900)]) inbox.push(waiting);
    expect(inbox.pairsDropped).toBe(2);
    expect(drain(inbox)).toEqual([3]);
  });

  it('keeps everything in its order in lockstep', () => {
    const inbox = new Inbox(budget);
    inbox.push(message('enhancer.start', 0));
    const start = inbox.take(true);
    if (start) inbox.begin(true, start);
    for (let name = 1; name <= 5; name++) inbox.push(pair(name));
    inbox.push(tick(6));
    expect(drain(inbox, false)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(inbox.pairsDropped).toBe(0);
  });

  it('drops pairs that came before the start of the session that takes over', () => {
    const inbox = new Inbox(budget);
    for (const waiting of [pair(1), message('enhancer.start', 2), pair(3)]) inbox.push(waiting);
    const start = inbox.take(true);
    expect(start?.head.name).toBe(2);
    if (start) inbox.begin(false, start);
    expect(drain(inbox)).toEqual([3]);
    expect(inbox.pairsDropped).toBe(1);
  });

  it('refuses what a session that has stopped would never come to', () => {
    const inbox = new Inbox(budget);
    for (let name = 1; name <= 4; name++) inbox.push(tick(name));
    expect(() => {
      inbox.push(tick(5));
    }).toThrow('a session that has stopped');
  });
});
