// Patches inside the pictures, through relays: each is paired with the frame that it was made from, by
// the numbers that stand in both. `npm run relays` has more of them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { numberField } from '../../elements/measure/structure.ts';
import { missing } from '../arrival/programs.ts';
import { measure, scenarios, type Outcome } from '../arrival/run.ts';
import type { EncoderName } from '../arrival/streams.ts';
import { ways } from '../arrival/ways.ts';
import { writeNumberedY4m } from './numbered-clip.ts';

const seconds = 5;

let folder = '';
let clip = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'livesr-relays-'));
  clip = join(folder, 'numbered.y4m');
  await writeNumberedY4m(clip);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function through(name: string, encoder: EncoderName): Promise<Outcome> {
  const way = ways[name];
  const times = scenarios['server first'];
  if (way === undefined || times === undefined) throw new Error(`no way "${name}"`);
  const outcome = await measure(
    {
      transport: 'livesr',
      carriage: 'sei',
      encoder,
      patchCodec: 'residual',
      patchBitrate: 100_000,
      clip,
    },
    way,
    times,
    seconds,
  );
  const { stats, pairs, said } = outcome;
  console.info(
    `${name}: ${numberField(stats, 'patches-aligned')} of ${numberField(stats, 'patches-received')} ` +
      `aligned, ${pairs.length} pairs read; ${said.relay.join('; ')}`,
  );
  return outcome;
}

const isLacking = missing(ways['ffmpeg -c copy, FLV']?.needs);
if (isLacking.length > 0) console.warn(`FLV is skipped: no ${isLacking.join(', ')}`);

describe.skipIf(isLacking.length > 0)('ffmpeg that copies to FLV', () => {
  test('all patches that arrive find their frames', async () => {
    const { stats, pairs } = await through('ffmpeg -c copy, FLV', 'x264');
    expect(pairs.length).toBeGreaterThan(0);
    expect(pairs.filter(({ high, low }) => high !== low)).toEqual([]);
    expect(numberField(stats, 'patches-aligned')).toBe(numberField(stats, 'patches-received'));
  });
});

describe('a relay that loses pictures of a stream with B frames', () => {
  test('patches of the lost pictures are lost, and no others', async () => {
    const { stats, pairs, said } = await through(
      'drops every 50th picture that none refers to',
      'x264, 2 B frames',
    );
    const dropped: unknown = expect.stringMatching(/^[1-9]\d* of \d+ pictures dropped$/);
    expect(said.relay).toContainEqual(dropped);
    expect(pairs.length).toBeGreaterThan(0);
    expect(pairs.filter(({ high, low }) => high !== low)).toEqual([]);
    const received = numberField(stats, 'patches-received');
    const aligned = numberField(stats, 'patches-aligned');
    expect(aligned + numberField(stats, 'patches-dropped-no-frame')).toBe(received);
    // A fiftieth of the pictures, and not every picture has patches.
    expect(aligned).toBeGreaterThan(0.8 * received);
  });
});
