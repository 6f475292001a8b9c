// `livesr send`: a camera, a file or a test picture to a server, as MPEG-TS over SRT, with a line that
// says how it goes.
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import { Pipeline, quoted } from '../measure/pipeline.ts';
import { numberField, parseStructure, type StructureFields } from '../measure/structure.ts';
import { streamClasses } from '../patch-sender/curves.ts';
import { UsageError } from './failure.ts';
import { numberWithin } from './numbers.ts';

interface SendOptions {
  readonly to: string;
  readonly source: string;
  readonly scale: string;
  readonly maxBitrate: number;
  readonly patchBitrate: number;
  readonly latencyMs: number;
  readonly feedback?: string;
  readonly token: string;
  readonly streamKey: string;
  readonly streamClass: string;
  readonly seconds?: number;
  readonly json?: true;
}

const explanation = `
The source is a file that GStreamer plays, a camera (/dev/video0), or "test". The uplink is measured at
the SRT connection; the rate of video and patches follows it. With --feedback the server tells what the
patches bring, and their share follows that too. With --scale auto the size of the video follows the uplink
and the content:

  livesr send --source clip.mp4 --to srt://server:7001 --feedback ws://server:7002 --token SECRET

The server, for one:

  gst-launch-1.0 srtsrc uri="srt://:7001?mode=listener" latency=600 ! tsdemux name=d \\
    d. ! video/x-h264 ! queue ! h264parse ! avdec_h264 \\
    ! srenhancer name=e feedback-listen=0.0.0.0:7002 token=SECRET \\
    ! videoconvert ! autovideosink d. ! meta/x-klv ! queue ! e.patches`;

/** Raw video in real time, as a launch line begins. */
function sourceLaunch(source: string): string {
  if (source === 'test') {
    return 'videotestsrc is-live=true pattern=ball ! video/x-raw,width=1280,height=720,framerate=25/1';
  }
  if (!existsSync(source)) {
    throw new UsageError(`--source ${source}: neither a file or camera nor "test"`);
  }
  if (source.startsWith('/dev/')) return `v4l2src device=${quoted(source)} ! decodebin`;
  return `filesrc location=${quoted(source)} ! decodebin ! videoconvert ! clocksync`;
}

export function sendLaunch(options: SendOptions): string {
  const properties = {
    scale: options.scale,
    uplink: 'srt:uplink',
    'max-bitrate': Math.round(options.maxBitrate * 1000),
    'patch-bitrate': Math.round(options.patchBitrate * 1000),
    'stream-class': options.streamClass,
    'stream-key': options.streamKey,
    'feedback-uri': options.feedback ?? '',
    token: options.token,
  };
  const words = Object.entries(properties).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? quoted(value) : value}`,
  );
  return (
    `${sourceLaunch(options.source)} ! videoconvert ! queue ! patchsender name=sender ${words.join(' ')} ` +
    'sender.src ! h264parse ! queue ! mpegtsmux name=mux alignment=7 ' +
    `! srtsink name=uplink uri=${quoted(options.to)} latency=${options.latencyMs} ` +
    'sender.patches ! queue ! mux.'
  );
}

/** One second of the stream, as --json writes it. */
interface SendReport {
  readonly seconds: number;
  readonly uplinkKbps: number;
  readonly videoKbps: number;
  readonly patchKbps: number;
  readonly patches: number;
  /** How many times smaller the video is sent. */
  readonly scale: number;
  readonly rttMs: number | null;
  readonly packetsLost: number | null;
  readonly feedback: boolean;
  /** What arrives, as the server says it; null: it has not. */
  readonly goodputKbps: number | null;
  readonly patchPacketLoss: number | null;
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

const told = (value: number): number | null => (value >= 0 ? value : null);

function reportOf(
  seconds: number,
  before: StructureFields,
  now: StructureFields,
  link: StructureFields,
): SendReport {
  const rateKbps = (name: string): number => {
    const bytes = numberField(now, name) - (numberField(before, name) || 0);
    return Math.round((bytes * 8) / 100) / 10;
  };
  return {
    seconds,
    uplinkKbps: numberField(now, 'estimated-uplink-bps') / 1000,
    videoKbps: rateKbps('video-bytes'),
    patchKbps: rateKbps('patch-bytes'),
    patches: numberField(now, 'patches'),
    scale: numberField(now, 'scale'),
    rttMs: finite(numberField(link, 'rtt-ms')),
    packetsLost: finite(numberField(link, 'packets-sent-lost')),
    feedback: now['feedback-connected'] === true,
    goodputKbps: told(numberField(now, 'feedback-goodput-bps') / 1000),
    patchPacketLoss: told(numberField(now, 'feedback-packet-loss')),
  };
}

const sizeWords = (scale: number): string =>
  scale === 1 ? 'full size' : scale === 1.5 ? '2/3' : `1/${scale}`;

function lineOf(report: SendReport): string {
  const { seconds, uplinkKbps, videoKbps, patchKbps, patches, scale, rttMs, packetsLost } = report;
  return (
    `${String(seconds).padStart(5)} s  uplink ${uplinkKbps.toFixed(0)} kbit/s  ` +
    `video ${videoKbps.toFixed(0)} at ${sizeWords(scale)}  patches ${patchKbps.toFixed(1)} (${patches})  ` +
    `rtt ${rttMs?.toFixed(0) ?? '-'} ms  lost ${packetsLost ?? '-'}` +
    (report.feedback ? `  feedback${arrivesOf(report)}` : '')
  );
}

function arrivesOf({ goodputKbps, patchPacketLoss }: SendReport): string {
  const loss = patchPacketLoss === null ? '' : ` (${(100 * patchPacketLoss).toFixed(0)} % lost)`;
  return goodputKbps === null ? '' : `: arrives ${goodputKbps.toFixed(0)} kbit/s${loss}`;
}

async function runSend(options: SendOptions): Promise<void> {
  const warnings = new Set<string>();
  const pipeline = new Pipeline({
    name: 'the sender',
    launch: sendLaunch(options),
    onMessage: ({ name, fields: { cause, remedy } }) => {
      if (name !== 'livesr-warning' || typeof cause !== 'string' || warnings.has(cause)) return;
      warnings.add(cause);
      console.error(`warning: ${cause}${typeof remedy === 'string' ? `. ${remedy}` : ''}`);
    },
  });
  const state = { ended: false };
  const done = pipeline.done.finally(() => {
    state.ended = true;
  });
  done.catch(() => undefined);
  const stop = (): void => void pipeline.stop();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  let before: StructureFields = {};
  for (let second = 1; !state.ended; second++) {
    await Promise.race([delay(1000), done.catch(() => undefined)]);
    const now = parseStructure(await pipeline.get('sender', 'stats'));
    if (!Number.isFinite(numberField(now, 'frames'))) continue;
    const link = parseStructure(await pipeline.get('uplink', 'stats'));
    const report = reportOf(second, before, now, link);
    before = now;
    if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else console.log(lineOf(report));
    if (options.seconds !== undefined && second >= options.seconds) await pipeline.stop();
  }
  await done;
}

export function registerSend(program: Command): void {
  program
    .command('send')
    .description('send a camera, a file or a test picture to a server, as MPEG-TS over SRT')
    .requiredOption('--to <uri>', 'the server: srt://HOST:PORT')
    .option('--source <what>', 'a file, a camera (/dev/video0), or test', 'test')
    .addOption(
      new Option('--scale <n>', 'how much smaller the video is sent')
        .choices(['auto', '1', '1.5', '2', '3', '4'])
        .default('auto'),
    )
    .option('--max-bitrate <kbits>', 'most of video and patches', numberWithin(1, 1e6), 3000)
    .option('--patch-bitrate <kbits>', 'of patches; 0: scheduled', numberWithin(0, 1e5), 0)
    .option('--latency-ms <ms>', "SRT's latency", numberWithin(20, 60_000), 600)
    .option('--feedback <uri>', "the server's feedback: ws://HOST:PORT or wss://HOST:PORT")
    .option('--token <secret>', 'that the feedback server asks for', '')
    .option('--stream-key <key>', 'name of the stream', '')
    .option('--stream-class <class>', `of ${streamClasses.join(', ')}`, 'default')
    .option('--seconds <s>', 'end after this time', numberWithin(1, 1e6))
    .option('--json', 'a line of JSON each second on standard output')
    .addHelpText('after', explanation)
    .action(runSend);
}
