// A live stream over real SRT through the link emulator, watched: what the sender estimates and sends,
// how long packets take, which frames arrive.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { freeUdpPort } from '../../elements/demo/live.ts';
import type { LinkShape } from '../../elements/link/bottleneck.ts';
import { Relay } from '../../elements/link/relay.ts';
import { readGdp } from '../../elements/measure/gdp.ts';
import { Pipeline, quoted } from '../../elements/measure/pipeline.ts';
import { numberField, parseStructure } from '../../elements/measure/structure.ts';
import { seededRandom } from '../../elements/patch-sender/random.ts';

export interface LinkRun {
  readonly clip: string;
  readonly seconds: number;
  readonly shape: LinkShape;
  readonly senderProperties: string;
  readonly srtLatencyMs: number;
  /** Where the receiver notes the frames that it gets. */
  readonly framesFile: string;
}

export interface LinkMoment {
  /** Since the link began. */
  readonly seconds: number;
  readonly estimateBps: number;
  readonly plannedBps: number;
  readonly sentBps: number;
  readonly deliveredBps: number;
  readonly dropped: number;
  readonly delaysSeconds: readonly number[];
}

export interface LinkOutcome {
  readonly moments: readonly LinkMoment[];
  /** Times of the frames that came, in the stream. */
  readonly frameSeconds: readonly number[];
}

const intervalMs = 200;

export async function runOverLink(run: LinkRun): Promise<LinkOutcome> {
  const port = await freeUdpPort();
  const startMs = performance.now();
  const relay = await Relay.open({
    listenAddress: '127.0.0.1',
    listenPort: 0,
    serverHost: '127.0.0.1',
    serverPort: port,
    shape: run.shape,
    random: seededRandom(1),
    now: () => (performance.now() - startMs) / 1000,
  });
  const receiver = new Pipeline({
    name: 'the receiver',
    launch:
      `srtsrc uri="srt://127.0.0.1:${port}?mode=listener" latency=${run.srtLatencyMs} ` +
      '! tsdemux name=demux demux. ! video/x-h264 ! queue ! h264parse ! avdec_h264 ' +
      '! videoscale ! video/x-raw,width=16,height=16 ! gdppay ' +
      `! filesink async=false location=${quoted(run.framesFile)} ` +
      'demux. ! meta/x-klv ! queue ! fakesink async=false',
  });
  await delay(500);
  const sender = new Pipeline({
    name: 'the sender',
    launch:
      `srloopsrc location=${quoted(run.clip)} is-live=true ! queue ` +
      `! patchsender name=sender uplink=srt:uplink ${run.senderProperties} ` +
      'sender.src ! h264parse ! queue ! mpegtsmux name=mux alignment=7 ' +
      `! srtsink name=uplink uri="srt://127.0.0.1:${relay.port}?mode=caller" latency=${run.srtLatencyMs} ` +
      'sender.patches ! queue ! mux.',
  });
  try {
    const moments: LinkMoment[] = [];
    let before = { bytes: 0, delivered: 0, dropped: 0, seconds: 0 };
    for (let i = 1; i <= (run.seconds * 1000) / intervalMs; i++) {
      await delay(Math.max(0, startMs + i * intervalMs - performance.now()));
      const stats = parseStructure(await sender.get('sender', 'stats'));
      const { deliveredBytes, dropped } = relay.counts;
      const seconds = (performance.now() - startMs) / 1000;
      const bytes = numberField(stats, 'video-bytes') + numberField(stats, 'patch-bytes');
      const elapsed = seconds - before.seconds;
      moments.push({
        seconds,
        estimateBps: numberField(stats, 'estimated-uplink-bps'),
        plannedBps:
          numberField(stats, 'video-bitrate-bps') + numberField(stats, 'patch-bitrate-bps'),
        sentBps: ((bytes - before.bytes) * 8) / elapsed,
        deliveredBps: ((deliveredBytes - before.delivered) * 8) / elapsed,
        dropped: dropped - before.dropped,
        delaysSeconds: relay.takeDelaysSeconds(),
      });
      before = { bytes, delivered: deliveredBytes, dropped, seconds };
    }
    await sender.stop();
    await delay(run.srtLatencyMs + 200);
    await receiver.stop();
    const frames = readGdp(readFileSync(run.framesFile)).buffers;
    return { moments, frameSeconds: frames.map(({ timeNs }) => timeNs / 1e9) };
  } finally {
    await sender.stop().catch(() => undefined);
    await receiver.stop().catch(() => undefined);
    relay.close();
  }
}
