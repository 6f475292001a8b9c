// Variants of training, and a recorded stream trained on again.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseVariant, readRecording, runVariant } from '../../elements/bench/ablation.ts';
import { native } from '../../elements/bridge/index.ts';
import { blobOfFloats, encodeFrame } from '../../elements/channel/frame.ts';
import { seededRandom } from '../../elements/patch-sender/random.ts';
import { defaultRecipe } from '../../elements/sr-enhancer/recipe.ts';
import { smallEnhancer } from './enhancer-start.ts';

const architecture = { scale: 2, channels: 8, layers: 3 };
const generic = native().makeNetwork(architecture, 1);

/** Twelve seconds with two patches a second of faded stripes, as an element sends them. */
function recording(): Buffer {
  const random = seededRandom(3);
  const start = {
    ...smallEnhancer,
    ...architecture,
    streamKey: '',
    lockstep: false,
    stepsPerSecond: 50,
    genericParameters: generic.length,
  };
  const frames = [encodeFrame('notification', start, blobOfFloats(generic))];
  for (let tick = 0; tick <= 60; tick++) {
    const mediaTimeNs = tick * 200e6;
    if (tick % 3 === 1) {
      const level = 80 + Math.floor(random() * 90);
      const low = Uint8Array.from({ length: 26 * 26 }, (_, i) => level + (i % 2 === 0 ? 15 : -15));
      const high = Uint8Array.from(
        { length: 40 * 40 },
        // A margin of three low-resolution pixels: the first one inside is an odd one.
        (_, i) => level + (Math.floor((i % 40) / 2) % 2 === 0 ? -40 : 40),
      );
      const pair = { type: 'patch.pair', sequence: tick, x: 0, y: 0, width: 40, height: 40 };
      frames.push(
        encodeFrame('notification', { ...pair, mediaTimeNs }, Buffer.concat([low, high])),
      );
    }
    frames.push(encodeFrame('notification', { type: 'time.tick', mediaTimeNs }));
  }
  return Buffer.concat(frames);
}

describe('a variant', () => {
  test('says what differs from the defaults', () => {
    expect(parseVariant('default')).toEqual({ name: 'default', start: {}, recipe: defaultRecipe });
    const variant = parseVariant('batch=8,rateFactor=0.5,training=once,seed=7,augment=0');
    expect(variant.start).toEqual({ training: 'once', seed: 7 });
    expect(variant.recipe).toEqual({
      ...defaultRecipe,
      rateFactor: 0.5,
      trainer: { ...defaultRecipe.trainer, batch: 8 },
    });
  });

  test.each(['batch', 'batch=', 'batch=x', 'depth=3', ''])('%s is refused', (text) => {
    expect(() => parseVariant(text)).toThrow(`--variant ${text}`);
  });
});

describe('a recorded stream', () => {
  test('is trained on again, to the same figures each time and to others by another recipe', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'livesr-ablation-'));
    try {
      const path = join(folder, 'stream.bin');
      const bytes = recording();
      // The element was ended in the middle of a message.
      writeFileSync(path, bytes.subarray(0, bytes.length - 5));
      const frames = readRecording(path);
      const first = await runVariant(frames, parseVariant('default'));
      expect(first.leadDb).toBeGreaterThan(0.5);
      expect(first.stepsPerSecond).toBeGreaterThan(40);
      expect(await runVariant(frames, parseVariant('default'))).toEqual(first);
      const slow = await runVariant(frames, parseVariant('rateFactor=0.01'));
      expect(slow.leadDb).toBeLessThan(first.leadDb);
      const still = await runVariant(frames, parseVariant('training=off'));
      expect(still).toMatchObject({ leadDb: 0, stepsPerSecond: 0 });
      writeFileSync(path, encodeFrame('notification', { type: 'time.tick', mediaTimeNs: 0 }));
      expect(() => readRecording(path)).toThrow('it is no recording');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
