// A live stream over the link emulator, watched: what the sender estimates and sends, how long packets
// take, which frames arrive.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { freeUdpPort } from '../../elements/demo/live.ts';
import type { LinkShape } from '../../elements/link/bottleneck.ts';
import { Relay } from '../../elements/link/relay.ts';
import { readGdp } from '../../elements/measure/gdp.ts';
import { Pipeline, quoted } from '../../elements/measure/pipeline.ts';
import {
  numberField,
  parseStructure,
  type StructureFields,
} from '../../elements/measure/structure.ts';
import { seededRandom } from '../../elements/patch-sender/random.ts';

export interface Ports {
  /** Where the sender sends to: the emulated link. */
  readonly link: number;
  /** Where the receiver listens. */
  readonly receiver: number;
  /** For what does not pass the link. */
  readonly others: readonly [number, number];
}

export interface LinkRun {
  readonly seconds: number;
  readonly shape: LinkShape;
  /** Its patchsender is called "sender". */
  readonly sender: (ports: Ports) => string;
  readonly receiver: (ports: Ports) => string;
}

export interface LinkMoment {
  /** Since the link began. */
  readonly seconds: number;
  readonly estimateBps: number;
  readonly plannedBps: number;
  readonly sentBps: number;
  readonly dropped: number;
  readonly delaysSeconds: readonly number[];
  /** By how much the emulated link was late at most: the machine had other things to do. */
  readonly lateSeconds: number;
}

export interface LinkOutcome {
  readonly moments: readonly LinkMoment[];
  /** What the sender's engine took of a core, once it had started. */
  readonly engineShare: number;
  /** The sender's last stats. */
  readonly stats: StructureFields;
}

const intervalMs = 200;
const startingSeconds = 5;

export async function runOverLink(run: LinkRun): Promise<LinkOutcome> {
  const others: [number, number] = [await freeUdpPort(), await freeUdpPort()];
  const receiverPort = await freeUdpPort();
  const startMs = performance.now();
  const relay = await Relay.open({
    listenAddress: '127.0.0.1',
    listenPort: 0,
    serverHost: '127.0.0.1',
    serverPort: receiverPort,
    shape: run.shape,
    random: seededRandom(1),
    now: () => (performance.now() - startMs) / 1000,
  });
  const ports = { link: relay.port, receiver: receiverPort, others };
  const receiver = new Pipeline({ name: 'the receiver', launch: run.receiver(ports) });
  await delay(500);
  const sender = new Pipeline({ name: 'the sender', launch: run.sender(ports) });
  try {
    const moments: LinkMoment[] = [];
    let before = { bytes: 0, dropped: 0, seconds: 0 };
    let engineShare = 0;
    let stats: StructureFields = {};
    let started: { readonly seconds: number; readonly used: number } | undefined;
    for (let i = 1; i <= (run.seconds * 1000) / intervalMs; i++) {
      await delay(Math.max(0, startMs + i * intervalMs - performance.now()));
      stats = parseStructure(await sender.get('sender', 'stats'));
      const { dropped } = relay.counts;
      const seconds = (performance.now() - startMs) / 1000;
      const bytes = numberField(stats, 'video-bytes') + numberField(stats, 'patch-bytes');
      moments.push({
        seconds,
        estimateBps: numberField(stats, 'estimated-uplink-bps'),
        plannedBps:
          numberField(stats, 'video-bitrate-bps') + numberField(stats, 'patch-bitrate-bps'),
        sentBps: ((bytes - before.bytes) * 8) / (seconds - before.seconds),
        dropped: dropped - before.dropped,
        delaysSeconds: relay.takeDelaysSeconds(),
        lateSeconds: relay.takeMostLateSeconds(),
      });
      before = { bytes, dropped, seconds };
      if (seconds < startingSeconds) continue;
      const cpu = { seconds, used: cpuSecondsOfEngine(sender.processId) };
      started ??= cpu;
      engineShare = (cpu.used - started.used) / Math.max(1, seconds - started.seconds);
    }
    await sender.stop();
    await delay(1000);
    await receiver.stop();
    return { moments, engineShare, stats };
  } finally {
    await sender.stop().catch(() => undefined);
    await receiver.stop().catch(() => undefined);
    relay.close();
  }
}

/** Of the engine that is a child of this process, user and system, all threads. */
function cpuSecondsOfEngine(parent: number | undefined): number {
  const children = readdirSync(`/proc/${parent}/task`).flatMap((thread) =>
    readFileSync(`/proc/${parent}/task/${thread}/children`, 'utf8').trim().split(/\s+/),
  );
  const ticks = children
    .filter((child) => child !== '')
    .map((child) => {
      // The command's name, in brackets, may contain anything.
      const fields = readFileSync(`/proc/${child}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      return Number(fields[11]) + Number(fields[12]);
    });
  return Math.max(0, ...ticks) / 100;
}

/** Times of the frames in a GDP file, in the stream. */
export function frameSecondsIn(file: string): number[] {
  return readGdp(readFileSync(file)).buffers.map(({ timeNs }) => timeNs / 1e9);
}

/** With a token it listens to a trainingReceiver. */
export function srtSender(clip: string, properties: string, latencyMs: number, token?: string) {
  return ({ link, others }: Ports): string => {
    const feedback =
      token === undefined ? '' : `feedback-uri=ws://127.0.0.1:${others[0]} token=${token}`;
    return (
      `srloopsrc location=${quoted(clip)} is-live=true ! queue ` +
      `! patchsender name=sender uplink=srt:uplink ${properties} ${feedback} ` +
      '! h264parse ! queue ! livesrmux ' +
      `! srtsink name=uplink uri="srt://127.0.0.1:${link}?mode=caller" latency=${latencyMs}`
    );
  };
}

export function srtReceiver(framesFile: string, latencyMs: number) {
  return ({ receiver }: Ports): string =>
    `srtsrc uri="srt://127.0.0.1:${receiver}?mode=listener" latency=${latencyMs} ` +
    '! livesrdemux name=demux demux.video ! queue ! h264parse ! avdec_h264 ' +
    '! videoscale ! video/x-raw,width=16,height=16 ! gdppay ' +
    `! filesink async=false location=${quoted(framesFile)}`;
}

/** A server that trains, and tells its senders of it on the first of the other ports. */
export function trainingReceiver(token: string, latencyMs: number) {
  return ({ receiver, others }: Ports): string =>
    `srtsrc uri="srt://127.0.0.1:${receiver}?mode=listener" latency=${latencyMs} ` +
    '! livesrdemux name=demux demux.video ! queue ! h264parse ! avdec_h264 ' +
    `! srenhancer name=enhancer scale=2 feedback-listen=127.0.0.1:${others[0]} token=${token} ` +
    '! fakesink sync=true';
}

const rtpCaps =
  'application/x-rtp,media=(string)video,encoding-name=(string)H264,payload=(int)96,' +
  'clock-rate=(int)90000,rtcp-fb-transport-cc=(boolean)true,extmap-1=(string)' +
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';

export function rtpSender(clip: string, properties: string) {
  return ({ link, others }: Ports): string =>
    'rtpbin name=rtp rtp-profile=avpf ' +
    `srloopsrc location=${quoted(clip)} is-live=true ! queue ` +
    `! patchsender name=sender uplink=twcc:rtp ${properties} ` +
    '! h264parse ! rtph264pay mtu=1200 config-interval=-1 pt=96 ' +
    `auto-header-extension=true ! ${rtpCaps} ! rtp.send_rtp_sink_0 ` +
    `rtp.send_rtp_src_0 ! udpsink host=127.0.0.1 port=${link} sync=false async=false ` +
    `rtp.send_rtcp_src_0 ! udpsink host=127.0.0.1 port=${others[0]} sync=false async=false ` +
    `udpsrc port=${others[1]} ! rtp.recv_rtcp_sink_0`;
}

export function rtpReceiver() {
  return ({ receiver, others }: Ports): string =>
    'rtpbin name=rtp rtp-profile=avpf ' +
    `udpsrc port=${receiver} caps=${quoted(rtpCaps)} ! rtp.recv_rtp_sink_0 ` +
    'rtp. ! rtph264depay ! fakesink async=false ' +
    `udpsrc port=${others[0]} ! rtp.recv_rtcp_sink_0 ` +
    `rtp.send_rtcp_src_0 ! udpsink host=127.0.0.1 port=${others[1]} sync=false async=false`;
}
