// `node scripts/lab.mjs wire [--clip FILE.y4m] …`: what the same patches of the same video take in an MPEG
// transport stream, inside the pictures and as a KLV track. In lockstep: no clock has a say in what
// is sent. SRT puts a header of 44 bytes with UDP and IP in front of each seven packets, of either kind.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Pipeline, quoted } from '../../elements/measure/pipeline.ts';
import { numberField, parseStructure } from '../../elements/measure/structure.ts';

const usage = `Usage: node scripts/lab.mjs wire --clip FILE.y4m [options]
  --clip FILE.y4m       may be given more than once
  --seconds S           of each (10)
  --max-bitrate BPS     of video and patches (600000)
  --patches-per-second N  (10)
  --scale N             (2)
`;

/** How patches leave, and whether the transport stream has them. */
const kinds = {
  without: { carriage: 'klv', patches: 'sender.patches ! queue ! fakesink async=false' },
  klv: { carriage: 'klv', patches: 'sender.patches ! queue ! mux.' },
  sei: { carriage: 'sei', patches: '' },
} as const;

type Kind = keyof typeof kinds;

interface Settings {
  readonly seconds: number;
  readonly maxBitrate: number;
  readonly patchesPerSecond: number;
  readonly scale: number;
}

interface Sent {
  readonly patches: number;
  readonly packets: number;
  /** Of the packets, before anything carries them. */
  readonly bytes: number;
  readonly videoBytes: number;
  readonly streamBytes: number;
}

const pollMs = 500;
const tsPacketBytes = 188;
const nullPid = 0x1fff;

/** Without the null packets that fill the last buffer. */
function usedBytes(stream: Buffer): number {
  let bytes = 0;
  for (let at = 0; at + tsPacketBytes <= stream.length; at += tsPacketBytes) {
    if ((stream.readUInt16BE(at + 1) & 0x1fff) !== nullPid) bytes += tsPacketBytes;
  }
  return bytes;
}

async function send(clip: string, kind: Kind, settings: Settings): Promise<Sent> {
  const folder = mkdtempSync(join(tmpdir(), 'livesr-wire-'));
  const file = join(folder, 'stream.ts');
  const { carriage, patches } = kinds[kind];
  const { seconds, maxBitrate, patchesPerSecond, scale } = settings;
  const pipeline = new Pipeline({
    name: 'the sender',
    launch:
      `srloopsrc duration=${seconds} location=${quoted(clip)} ! patchsender name=sender lockstep=true ` +
      `carriage=${carriage} scale=${scale} max-bitrate=${maxBitrate} ` +
      `patches-per-second=${patchesPerSecond} sender.src ! h264parse config-interval=-1 ! queue ` +
      `! livesrmux name=mux ! filesink async=false location=${quoted(file)} ${patches} ` +
      // Counters can be read while the pipeline has not ended.
      'audiotestsrc is-live=true ! fakesink async=false',
  });
  try {
    for (let before = ''; ;) {
      await delay(pollMs);
      const stats = parseStructure(await pipeline.get('sender', 'stats'));
      const counted = [
        ...[
          'patches',
          'patch-packets',
          'announcements',
          'patch-bytes',
          'announcement-bytes',
          'video-bytes',
          'frames',
        ].map((name) => numberField(stats, name)),
        statSync(file, { throwIfNoEntry: false })?.size ?? 0,
      ];
      const [sent = 0, packets = 0, announcements = 0, patchBytes = 0, announcementBytes = 0] =
        counted;
      const [videoBytes = 0, frames = 0, size = 0] = counted.slice(5);
      if (size > 0 && frames > 0 && counted.join() === before) {
        return {
          patches: sent,
          packets: packets + announcements,
          bytes: patchBytes + announcementBytes,
          videoBytes,
          streamBytes: usedBytes(readFileSync(file)),
        };
      }
      before = counted.join();
    }
  } finally {
    await pipeline.stop().catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(clip: string, settings: Settings): Promise<string> {
  const without = await send(clip, 'without', settings);
  const klv = await send(clip, 'klv', settings);
  const sei = await send(clip, 'sei', settings);
  const same = [klv, sei].every(
    ({ patches, packets, videoBytes }) =>
      patches === without.patches &&
      packets === without.packets &&
      videoBytes === without.videoBytes,
  );
  if (!same) throw new Error(`not the same was sent: ${JSON.stringify({ without, klv, sei })}`);
  const asTrack = klv.streamBytes - without.streamBytes;
  const inside = sei.streamBytes - without.streamBytes;
  const fewer = (100 * (asTrack - inside)) / asTrack;
  return [
    basename(clip),
    without.streamBytes,
    klv.patches,
    klv.packets,
    klv.bytes,
    asTrack,
    inside,
    `${fewer.toFixed(1)} %`,
  ].join(' | ');
}

const { values } = parseArgs({
  options: {
    clip: { type: 'string', multiple: true, default: [] },
    seconds: { type: 'string', default: '10' },
    'max-bitrate': { type: 'string', default: '600000' },
    'patches-per-second': { type: 'string', default: '10' },
    scale: { type: 'string', default: '2' },
  },
});
const settings = {
  seconds: Number(values.seconds),
  maxBitrate: Number(values['max-bitrate']),
  patchesPerSecond: Number(values['patches-per-second']),
  scale: Number(values.scale),
};
if (values.clip.length === 0 || !Object.values(settings).every((value) => value > 0)) {
  process.stderr.write(usage);
  process.exitCode = 2;
} else {
  process.stdout.write(
    '| clip | bytes without patches | patches | packets | their bytes | as KLV | inside the pictures | fewer |\n' +
      '| --- | --- | --- | --- | --- | --- | --- | --- |\n',
  );
  for (const clip of values.clip) process.stdout.write(`| ${await compare(clip, settings)} |\n`);
}
