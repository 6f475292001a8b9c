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
    rung: scale,
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

/** A patch in full size of waves that were smoothed on their way, each time others. */
const blurredPair = (sequence: number, mediaTimeNs: number) => {
  const side = 24;
  const margin = 2 * layers;
  const wide = side + 2 * margin;
  const wave = (x: number, y: number): number =>
    120 + 60 * Math.sign(Math.sin((x + 5 * sequence) / 3) + Math.cos((y + 3 * sequence) / 4));
  const smoothed = (x: number, y: number): number =>
    (2 * wave(x, y) + wave(x - 1, y) + wave(x + 1, y) + wave(x, y - 1) + wave(x, y + 1)) / 6;
  const low = Uint8Array.from({ length: wide ** 2 }, (_, i) =>
    smoothed((i % wide) - margin, Math.floor(i / wide) - margin),
  );
  const high = Uint8Array.from({ length: side ** 2 }, (_, i) =>
    wave(i % side, Math.floor(i / side)),
  );
  const head = { type: 'patch.pair', sequence, mediaTimeNs, x: 0, y: 0, width: side, height: side };
  return { head, blob: Uint8Array.from([...low, ...high]) };
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

  it('learns in full size, beside another rung whose network has scale 1 too', async () => {
    const { host, sent } = listener();
    const size = { scale: 1, width: 720, height: 360 } as const;
    const learning = start(1, { ...size, rung: 1, stepsPerSecond: 200 });
    const resting = start(1, { ...size, rung: 1.5, stepsPerSecond: 200 });
    let session = startSession(...learning, host);
    let timeNs = 0;
    const play = async (seconds: number, patches: boolean): Promise<void> => {
      for (const endNs = timeNs + seconds * 1e9; timeNs < endNs; timeNs += 200e6) {
        if (patches && timeNs % 400e6 === 0) {
          const { head, blob } = blurredPair(timeNs / 400e6, timeNs);
          await session.handle(head, blob);
        }
        await session.handle({ type: 'time.tick', mediaTimeNs: timeNs }, empty);
      }
    };
    const swaps = () => sent.flatMap((message) => (message.type === 'model.swap' ? [message] : []));
    await play(11, true);
    expect(swaps()[0]).toMatchObject({ rung: 1, source: 'generic' });
    const last = swaps().at(-1);
    expect(last).toMatchObject({ rung: 1, source: 'online' });
    expect(last?.gainDb).toBeGreaterThan(0.2);
    expect(reports(sent).at(-1)).toMatchObject({ rung: 1, genericGainDb: 0 });
    const learned = reports(sent).at(-1)?.pairs ?? 0;
    const before = swaps().length;
    session = startSession(...resting, host, session);
    expect(swaps().at(-1)).toMatchObject({ rung: 1.5, source: 'generic' });
    await play(5, false);
    expect(reports(sent).at(-1)).toMatchObject({ rung: 1.5, pairs: 0, held: 0 });
    session = startSession(...learning, host, session);
    await play(5, false);
    expect(reports(sent).at(-1)?.rung).toBe(1);
    expect(reports(sent).at(-1)?.pairs).toBeGreaterThanOrEqual(learned);
    expect(swaps().length).toBe(before + 1);
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
