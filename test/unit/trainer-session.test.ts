// The trainer's control loop over the real trainer, in lockstep: what it sends for what it gets.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { native } from '../../elements/bridge/index.ts';
import { blobOfFloats, ChannelError, floatsOfBlob } from '../../elements/channel/frame.ts';
import type { EngineMessage, EnhancerStart } from '../../elements/channel/messages.ts';
import { seededRandom } from '../../elements/patch-sender/random.ts';
import { EnhancerSession } from '../../elements/sr-enhancer/session.ts';
import { smallEnhancer } from './enhancer-start.ts';

const architecture = { scale: 2, channels: 8, layers: 3 };
const core = native();
const generic = core.makeNetwork(architecture, 1);
const side = 40;
const lowSide = side / 2 + 2 * architecture.layers;

interface Sent {
  readonly message: EngineMessage;
  readonly blob: Uint8Array | undefined;
}

class Harness {
  readonly sent: Sent[] = [];
  readonly session: EnhancerSession;
  #sequence = 0;

  constructor(start: Partial<EnhancerStart> = {}, parameters = generic) {
    const full: EnhancerStart = {
      ...smallEnhancer,
      ...architecture,
      genericParameters: generic.length,
      liveParameters: parameters.length - generic.length,
      ...start,
    };
    this.session = new EnhancerSession(full, blobOfFloats(parameters), {
      send: (message, blob) => {
        this.sent.push({ message, blob: blob && Uint8Array.from(blob) });
      },
      log: () => undefined,
      nowMs: () => performance.now(),
    });
  }

  patch(mediaTimeNs: number, low: Uint8Array, high: Uint8Array): Promise<void> {
    const head = {
      type: 'patch.pair',
      sequence: this.#sequence++,
      mediaTimeNs,
      x: 0,
      y: 0,
      width: side,
      height: side,
    };
    return this.session.handle(head, Buffer.concat([low, high]));
  }

  tick(mediaTimeNs: number): Promise<void> {
    return this.session.handle({ type: 'time.tick', mediaTimeNs }, new Uint8Array(0));
  }

  sceneCut(mediaTimeNs: number): Promise<void> {
    return this.session.handle({ type: 'scene.cut', mediaTimeNs }, new Uint8Array(0));
  }

  get warnings(): string[] {
    return this.sent.flatMap(({ message }) =>
      message.type === 'engine.warning' ? [`${message.cause} ${message.remedy}`] : [],
    );
  }

  get states(): string[] {
    return this.sent.flatMap(({ message }) =>
      message.type === 'training.state' ? [message.state] : [],
    );
  }

  get sources(): string[] {
    return this.sent.flatMap(({ message }) =>
      message.type === 'model.swap' ? [message.source] : [],
    );
  }

  get reports(): Extract<EngineMessage, { type: 'training.report' }>[] {
    return this.sent.flatMap(({ message }) =>
      message.type === 'training.report' ? [message] : [],
    );
  }
}

/** Fine stripes that the low picture shows at half their height: what a network can learn to undo. */
function faded(random: () => number): [Uint8Array, Uint8Array] {
  const level = 80 + Math.floor(random() * 90);
  const phase = random() < 0.5 ? 0 : 1;
  const { scale, layers } = architecture;
  const stripe = (lowX: number): number => ((lowX + phase) % 2 === 0 ? 1 : -1);
  const low = Uint8Array.from(
    { length: lowSide * lowSide },
    (_, i) => level + 15 * stripe((i % lowSide) - layers + lowSide),
  );
  const high = Uint8Array.from(
    { length: side * side },
    (_, i) => level + 40 * stripe(Math.floor((i % side) / scale)),
  );
  return [low, high];
}

/** The same stripes, to be left as they are. */
function tamed(random: () => number): [Uint8Array, Uint8Array] {
  const [low, high] = faded(random);
  const level = high.reduce((sum, value) => sum + value, 0) / high.length;
  return [low, high.map((value) => level + ((value - level) * 15) / 40)];
}

/** Noise over a flat picture: bicubic is the best there is, and training can only do harm. */
function noise(random: () => number): [Uint8Array, Uint8Array] {
  const level = 60 + Math.floor(random() * 120);
  const low = new Uint8Array(lowSide * lowSide).fill(level);
  const high = Uint8Array.from({ length: side * side }, () => level + random() * 60 - 30);
  return [low, high];
}

/** A stream of `seconds`, two patches a second of the kind given. */
async function stream(
  harness: Harness,
  seconds: number,
  kind: (random: () => number) => [Uint8Array, Uint8Array],
): Promise<void> {
  const random = seededRandom(9);
  for (let tick = 0; tick <= seconds * 5; tick++) {
    const mediaTimeNs = tick * 200e6;
    if (tick % 5 === 1 || tick % 5 === 3) await harness.patch(mediaTimeNs, ...kind(random));
    await harness.tick(mediaTimeNs);
  }
}

describe('the trainer of a stream', () => {
  it('shows generic weights first', () => {
    const { sent } = new Harness();
    expect(sent).toHaveLength(2);
    expect(sent[1]?.message).toEqual({ type: 'training.state', rung: 2, state: 'waiting' });
    expect(sent[0]?.message).toEqual({
      type: 'model.swap',
      version: 1,
      rung: 2,
      source: 'generic',
      gainDb: null,
    });
    expect(floatsOfBlob(sent[0]?.blob ?? new Uint8Array(0))).toEqual(generic);
  });

  it('says that it trains with the first patch, not at the end of an epoch', async () => {
    const harness = new Harness();
    await harness.patch(0, ...faded(seededRandom(1)));
    expect(harness.states).toEqual(['waiting', 'training']);
  });

  it('says that it pauses when no more patches come', async () => {
    const harness = new Harness({ stepsPerSecond: 1000 });
    await harness.patch(0, ...faded(seededRandom(1)));
    await harness.tick(0);
    await harness.tick(2e9);
    expect(harness.states).toEqual(['waiting', 'training', 'suspended']);
    await harness.patch(2e9, ...faded(seededRandom(2)));
    expect(harness.states.at(-1)).toBe('training');
  });

  it('trains on when media time begins again after 100 days', async () => {
    const harness = new Harness({ stepsPerSecond: 20 });
    const random = seededRandom(1);
    const last = 100 * 24 * 3600e9;
    const steps: number[] = [];
    for (let second = -6; second <= 16; second++) {
      const mediaTimeNs = second < 0 ? last + second * 1e9 : second * 1e9;
      await harness.patch(mediaTimeNs, ...faded(random));
      await harness.tick(mediaTimeNs);
      const report = harness.reports.at(-1);
      if (report?.mediaTimeNs === mediaTimeNs) steps.push(report.steps);
    }
    // Epochs of five seconds, but for what the end of the period cuts off.
    expect(steps).toHaveLength(5);
    expect(steps.slice(-3)).toEqual([100, 100, 100]);
  });

  it('goes on from the live weights that a restart hands over', () => {
    const live = generic.map((value) => value + 0.01);
    const both = Float32Array.of(...generic, ...live);
    const { sent, sources } = new Harness({ liveSource: 'online' }, both);
    expect(sources).toEqual(['online']);
    expect(floatsOfBlob(sent[0]?.blob ?? new Uint8Array(0))).toEqual(live);
  });

  it('stays with bicubic when the engine before it had fallen back to it', async () => {
    const harness = new Harness({ liveSource: 'bicubic' });
    expect(harness.sources).toEqual(['bicubic']);
    expect(harness.sent[0]?.blob).toBeUndefined();
    await harness.tick(0);
    expect(harness.sources).toEqual(['bicubic']);
  });

  it('suspends training when nothing more is gained, and resumes when the scene changes', async () => {
    const harness = new Harness({ training: 'adaptive' });
    await stream(harness, 90, faded);
    const states = harness.reports.map(({ state }) => state);
    const suspendedAt = states.indexOf('suspended');
    expect(suspendedAt).toBeGreaterThan(1);
    expect(states.slice(suspendedAt)).toEqual(states.slice(suspendedAt).map(() => 'suspended'));
    expect(harness.reports.at(-1)?.steps).toBe(0);
    expect(harness.reports.at(-1)?.leadDb).toBeGreaterThan(1);
    await harness.sceneCut(90.1e9);
    for (let tick = 451; tick <= 480; tick++) {
      if (tick % 5 === 1) await harness.patch(tick * 200e6, ...noise(seededRandom(tick)));
      await harness.tick(tick * 200e6);
    }
    // After four patches of the new scene, one a second.
    expect(harness.reports.at(-1)).toMatchObject({ state: 'training', steps: 200 });
  }, 60_000);

  it('shows a scene that comes back with what was learned of it, and trains little on it', async () => {
    const harness = new Harness({ training: 'adaptive' });
    await stream(harness, 30, faded);
    const learned = harness.sent.findLast(({ message }) => message.type === 'model.swap')?.blob;
    expect(harness.sources.at(-1)).toBe('online');
    const scene = async (from: number, to: number, kind: typeof faded): Promise<void> => {
      await harness.sceneCut(from * 1e9);
      const random = seededRandom(from);
      for (let tick = from * 5 + 1; tick <= to * 5; tick++) {
        if (tick % 5 === 1) await harness.patch(tick * 200e6, ...kind(random));
        await harness.tick(tick * 200e6);
      }
    };
    await scene(30, 45, tamed);
    const before = harness.sent.length;
    await scene(45, 55, faded);
    const recalled = harness.sent
      .slice(before)
      .filter(({ message }) => message.type === 'model.swap' && message.source === 'stored');
    expect(recalled.map(({ blob }) => blob)).toEqual([learned]);
    expect(harness.reports.at(-1)?.leadDb).toBeGreaterThan(1);
    expect(harness.reports.at(-1)?.steps).toBeLessThanOrEqual(250);
  }, 60_000);

  it('recalls no scene once training is over for good', async () => {
    const harness = new Harness({ training: 'once', stepsPerSecond: 2 });
    const random = seededRandom(9);
    const until = async (seconds: number, kind: typeof faded): Promise<void> => {
      for (; tick < seconds * 5; tick++) {
        if (tick % 5 === 1) await harness.patch(tick * 200e6, ...kind(random));
        await harness.tick(tick * 200e6);
      }
    };
    let tick = 0;
    await until(66, faded);
    expect(harness.reports.at(-1)?.state).toBe('suspended');
    expect(harness.sources).toContain('online');
    for (const kind of [tamed, faded]) {
      await harness.sceneCut(tick * 200e6);
      await until(tick / 5 + 20, kind);
    }
    expect(harness.sources).not.toContain('stored');
  }, 60_000);

  it('does not count patches of the scene before as evidence of the new one', async () => {
    const harness = new Harness({ training: 'off' });
    await harness.tick(0);
    await harness.sceneCut(1e9);
    await harness.patch(0.9e9, ...faded(seededRandom(1)));
    await harness.tick(5e9);
    expect(harness.reports[0]).toMatchObject({ gainDb: null, leadDb: null });
    await harness.patch(5.1e9, ...faded(seededRandom(2)));
    await harness.tick(10e9);
    expect(harness.reports[1]?.gainDb).not.toBeNull();
  });

  it('falls back at once when a patch of another kind of picture is shown far worse', async () => {
    const harness = new Harness();
    await stream(harness, 20, faded);
    expect(harness.sources.at(-1)).toBe('online');
    const before = harness.sources.length;
    // Stripes again, which the network has learned to enhance: here they are to be left alone.
    await harness.patch(20.1e9, ...tamed(seededRandom(3)));
    expect(harness.sources.slice(before)).toEqual(['generic']);
  }, 30_000);

  it('starts from what the session before has kept, and says so when it cannot keep', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'livesr-session-'));
    try {
      const first = new Harness({ modelStore: folder });
      await stream(first, 20, faded);
      first.session.close();
      const live = first.sent.findLast(({ message }) => message.type === 'model.swap')?.blob;

      const second = new Harness({ modelStore: folder });
      await stream(second, 2, faded);
      expect(second.sources.slice(0, 2)).toEqual(['generic', 'stored']);
      const stored = second.sent.filter(({ message }) => message.type === 'model.swap')[1];
      expect(stored?.blob).toEqual(live);

      const similar = new Harness({ modelStore: folder, streamKey: 'another' });
      await stream(similar, 3, faded);
      expect(similar.sources.slice(0, 2)).toEqual(['generic', 'stored']);

      const unlike = new Harness({ modelStore: folder });
      await stream(unlike, 6, noise);
      expect(unlike.sources).not.toContain('stored');

      const nameless = new Harness({ modelStore: folder, streamKey: '' });
      expect(nameless.warnings).toHaveLength(1);
      expect(nameless.warnings[0]).toContain('stream-key');
      const nowhere = new Harness({ modelStore: '/proc/livesr' });
      await stream(nowhere, 20, faded);
      nowhere.session.close();
      expect(nowhere.warnings).toHaveLength(1);
      expect(nowhere.warnings[0]).toContain('/proc/livesr');
      expect(nowhere.sources.at(-1)).toBe('online');
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 60_000);

  it('learns from patches and swaps to weights that gain', async () => {
    const harness = new Harness();
    await stream(harness, 20, faded);
    expect(harness.sources.at(-1)).toBe('online');
    expect(harness.reports.map(({ epoch }) => epoch)).toEqual([0, 1, 2, 3]);
    const last = harness.reports.at(-1);
    expect(last?.state).toBe('training');
    expect(last?.steps).toBe(500);
    expect(last?.gainDb).toBeGreaterThan(1);
    expect(Math.abs(last?.genericGainDb ?? 9)).toBeLessThan(0.01);
    const versions = harness.sent.flatMap(({ message }) =>
      message.type === 'model.swap' ? [message.version] : [],
    );
    expect(versions).toEqual(versions.map((_, i) => i + 1));
  });

  it('learns on several threads too, the same every time', async () => {
    const runs: Harness[] = [];
    for (let run = 0; run < 2; run++) {
      const harness = new Harness({ trainingThreads: 2 });
      await stream(harness, 12, faded);
      runs.push(harness);
    }
    expect(runs[0]?.sources.at(-1)).toBe('online');
    expect(runs[0]?.sent).toEqual(runs[1]?.sent);
  });

  it('shows no weights that were trained on what cannot be learnt', async () => {
    const harness = new Harness();
    await stream(harness, 20, noise);
    expect(harness.sources).not.toContain('online');
    expect(harness.reports.at(-1)?.refused).toBeGreaterThan(0);
  });

  it('sends the same for the same messages and seed, and other weights for another seed', async () => {
    const runs: Harness[] = [];
    for (const seed of [1, 1, 2]) {
      const harness = new Harness({ seed });
      await stream(harness, 8, faded);
      runs.push(harness);
    }
    expect(runs[0]?.sent).toEqual(runs[1]?.sent);
    expect(runs[0]?.sent).not.toEqual(runs[2]?.sent);
  });

  it('waits without patches', async () => {
    const harness = new Harness();
    for (let tick = 0; tick <= 30; tick++) await harness.tick(tick * 200e6);
    expect(harness.reports).toHaveLength(1);
    expect(harness.reports[0]).toMatchObject({ state: 'waiting', steps: 0, gainDb: null });
    expect(harness.sources).toEqual(['generic']);
  });

  it('only measures when training is off', async () => {
    const harness = new Harness({ training: 'off' });
    await stream(harness, 6, faded);
    expect(harness.reports[0]).toMatchObject({ state: 'off', steps: 0 });
    expect(Math.abs(harness.reports[0]?.gainDb ?? 9)).toBeLessThan(0.01);
    expect(harness.sources).toEqual(['generic']);
  });

  it('falls back to bicubic when the generic weights do harm', async () => {
    const harmful = generic.map((value, i) => (i === generic.length - 1 ? value - 0.05 : value));
    const harness = new Harness({ training: 'off' }, harmful);
    await stream(harness, 6, faded);
    expect(harness.sources).toEqual(['generic', 'bicubic']);
    expect(harness.sent.at(-1)?.blob ?? new Uint8Array(0)).toHaveLength(0);
  });

  it('trains between messages when live, until new patches are needed', async () => {
    const harness = new Harness({ lockstep: false, stepsPerSecond: 0 });
    expect(await harness.session.work()).toBe(false);
    await harness.patch(0, ...faded(seededRandom(1)));
    let chunks = 0;
    while (await harness.session.work()) chunks++;
    expect(chunks).toBeGreaterThan(1);
    await harness.patch(1e9, ...faded(seededRandom(2)));
    expect(await harness.session.work()).toBe(true);
  });

  it('keeps to stated steps per second when live', async () => {
    const harness = new Harness({ lockstep: false, stepsPerSecond: 50 });
    await harness.tick(0);
    await harness.patch(0, ...faded(seededRandom(1)));
    expect(await harness.session.work()).toBe(false);
    await harness.tick(1e9);
    while (await harness.session.work());
    await harness.tick(5e9);
    while (await harness.session.work());
    await harness.tick(10e9);
    expect(harness.reports.map(({ steps }) => steps)).toEqual([50, 200]);
  });

  it('takes a burst of a thousand patches, and trains on the latest', async () => {
    const harness = new Harness();
    const random = seededRandom(4);
    await harness.tick(0);
    for (let i = 0; i < 1000; i++) await harness.patch(1e6 * i, ...faded(random));
    for (let tick = 5; tick <= 30; tick++) await harness.tick(tick * 200e6);
    const report = harness.reports[0];
    expect(report?.pairs).toBe(600);
    expect(report?.held).toBeLessThanOrEqual(8);
    expect(harness.sources.at(-1)).toBe('online');
  }, 60_000);

  it('refuses messages that contradict themselves', async () => {
    const harness = new Harness();
    const [low, high] = faded(seededRandom(1));
    await expect(harness.patch(0, low.subarray(1), high)).rejects.toThrow(ChannelError);
    const odd = {
      type: 'patch.pair',
      sequence: 0,
      mediaTimeNs: 0,
      x: 0,
      y: 0,
      width: 39,
      height: 40,
    };
    await expect(harness.session.handle(odd, high)).rejects.toThrow('multiples of 2');
    await expect(
      harness.session.handle({ type: 'frame.offer' }, new Uint8Array(0)),
    ).rejects.toThrow(ChannelError);
    expect(() => new Harness({ channels: 16 })).toThrow(/the network has/);
    expect(() => new Harness({ genericParameters: generic.length }, generic.slice(1))).toThrow(
      ChannelError,
    );
    expect(() => new Harness({ layers: 1 })).toThrow(Error);
    expect(() => new Harness({ liveSource: 'online' })).toThrow('online with 0 live parameters');
    const both = Float32Array.of(...generic, ...generic);
    expect(() => new Harness({ liveSource: 'bicubic' }, both)).toThrow(ChannelError);
  });
});
