// Training through changes of rung, over the real trainer: what a rung that comes back finds.
import { describe, expect, it } from 'vitest';
import { native } from '../../elements/bridge/index.ts';
import { blobOfFloats } from '../../elements/channel/frame.ts';
import type { EngineMessage, EnhancerStart } from '../../elements/channel/messages.ts';
import type { Host } from '../../elements/engine/contract.ts';
import { startSession } from '../../elements/engine/session.ts';
import { smallEnhancer } from './enhancer-start.ts';

const core = native();
const layers = 3;
const empty = new Uint8Array(0);

interface Told {
  readonly host: Host;
  readonly sent: EngineMessage[];
}

function listener(): Told {
  const sent: EngineMessage[] = [];
  const host: Host = {
    send: (message) => {
      sent.push(message);
    },
    log: () => undefined,
    nowMs: () => performance.now(),
  };
  return { host, sent };
}

function start(scale: number, more: Partial<EnhancerStart> = {}): [EnhancerStart, Uint8Array] {
  const architecture = { scale, channels: 8, layers };
  const generic = core.makeNetwork(architecture, 1);
  const head: EnhancerStart = {
    ...smallEnhancer,
    ...architecture,
    width: 720 / scale,
    height: 360 / scale,
    genericParameters: generic.length,
    ...more,
  };
  return [head, blobOfFloats(generic)];
}

const pair = (scale: number, sequence: number, mediaTimeNs: number) => {
  const side = 24;
  const lowSide = side / scale + 2 * layers;
  const head = { type: 'patch.pair', sequence, mediaTimeNs, x: 0, y: 0, width: side, height: side };
  const samples = lowSide * lowSide + side * side;
  return { head, blob: Uint8Array.from({ length: samples }, (_, i) => (i * 37) % 256) };
};

const reports = (sent: readonly EngineMessage[]) =>
  sent.flatMap((message) => (message.type === 'training.report' ? [message] : []));

describe('training through changes of rung', () => {
  it('finds the patches of a rung as it was left, and reports each epoch once', async () => {
    const { host, sent } = listener();
    let session = startSession(...start(2), host);
    let timeNs = 0;
    const play = async (scale: number, seconds: number, patches: boolean): Promise<void> => {
      session = startSession(...start(scale), host, session);
      for (const endNs = timeNs + seconds * 1e9; timeNs < endNs; timeNs += 200e6) {
        if (patches && timeNs % 1e9 === 0) {
          const { head, blob } = pair(scale, timeNs / 1e9, timeNs);
          await session.handle(head, blob);
        }
        await session.handle({ type: 'time.tick', mediaTimeNs: timeNs }, empty);
      }
    };
    // The changes fall on the ends of epochs, where a report is due at that very tick.
    await play(2, 10, true);
    const before = reports(sent).at(-1);
    await play(3, 10, true);
    expect(reports(sent).at(-1)?.pairs).toBeLessThanOrEqual(before?.pairs ?? 0);
    await play(2, 5.4, false);
    const after = reports(sent).at(-1);
    const all = 10;
    expect((after?.pairs ?? 0) + (after?.held ?? 0)).toBe(all);
    expect(reports(sent).map(({ epoch }) => epoch)).toEqual([0, 1, 2, 3, 4]);
    session.close();
  });

  it('begins afresh for another stream, and for another size of the same rung', async () => {
    const { host, sent } = listener();
    const first = startSession(...start(2), host);
    const { head, blob } = pair(2, 0, 0);
    await first.handle(head, blob);
    const other = startSession(...start(2, { streamKey: 'another' }), host, first);
    expect(other).not.toBe(first);
    const resized = startSession(
      ...start(2, { streamKey: 'another', width: 320, height: 180 }),
      host,
      other,
    );
    expect(resized).toBe(other);
    await resized.handle({ type: 'time.tick', mediaTimeNs: 0 }, empty);
    await resized.handle({ type: 'time.tick', mediaTimeNs: 5e9 }, empty);
    expect(reports(sent).map(({ pairs, held }) => pairs + held)).toEqual([0]);
    resized.close();
  });
});
