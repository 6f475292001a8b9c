// An encoder, an SRT socket and a bottleneck, simulated: what the tests of the estimator and of the
// whole controller run against. No time passes.
import { Bottleneck, type LinkShape } from '../../elements/link/bottleneck.ts';
import type { SrtSample } from '../../elements/patch-sender/link/estimator.ts';

export interface SimulatedEncoder {
  /** How fast the rate follows its target: time constant, seconds. */
  readonly lagSeconds: number;
  readonly framesPerSecond: number;
  readonly framesPerGroup: number;
  /** How many times larger a key frame is than the others. */
  readonly keyFrameSize: number;
}

export const x264: SimulatedEncoder = {
  lagSeconds: 0.5,
  framesPerSecond: 25,
  framesPerGroup: 60,
  keyFrameSize: 10,
};

export interface Observation {
  readonly seconds: number;
  readonly targetBps: number;
  /** What the encoder gave in this tenth of a second. */
  readonly sentBits: number;
  readonly queuedSeconds: number;
  readonly dropped: number;
}

export interface SimulatedRun {
  readonly observations: readonly Observation[];
  /** Time in the queue and on the way of every packet delivered. */
  readonly delaysSeconds: readonly number[];
}

const packetBytes = 1316;
const headersBytes = 44;
/** 54 losses told for 31 packets dropped by the link emulator, over real SRT. */
const shareReportedTwice = 0.75;
/** SRT's latency: older packets are not sent again. */
const tooLateSeconds = 0.8;
const sampleSeconds = 0.1;
/** libsrt acknowledges each 10 ms, if something came, and smooths the round trip time at both ends. */
const acknowledgementSeconds = 0.01;
const rttWeight = 1 / 8;

/**
 * `control` gets a sample each 100 ms and answers with the rate to send at (bit/s on the wire);
 * `burst` adds bytes of patches at a time.
 */
export function simulateSrt(
  shape: LinkShape,
  seconds: number,
  control: (sample: SrtSample, seconds: number) => number,
  firstBps: number,
  random: () => number,
  encoder: SimulatedEncoder = x264,
  burst: (seconds: number) => number = () => 0,
): SimulatedRun {
  const bottleneck = new Bottleneck(shape, random);
  const observations: Observation[] = [];
  const delaysSeconds: number[] = [];
  const counters = {
    bytesSent: 0,
    bytesRetransmitted: 0,
    packetsSent: 0,
    packetsLost: 0,
    nacks: 0,
  };
  // Losses are told one way back after the packet behind them has come.
  let untold: { readonly atSeconds: number; readonly bornSeconds: number }[] = [];
  let targetBps = firstBps;
  let rateBps = firstBps;
  let rttMs = shape.delaySeconds * 2000;
  let debtBits = 0;
  const meanSize = (encoder.keyFrameSize + encoder.framesPerGroup - 1) / encoder.framesPerGroup;
  const frames = Math.round(seconds * encoder.framesPerSecond);
  let nextSample = sampleSeconds;
  let sentBits = 0;
  let dropped = 0;
  let queuedSeconds = 0;
  const rtts: { readonly toldSeconds: number; readonly ms: number }[] = [];
  let acknowledgedSeconds = 0;
  let receiverRttMs = rttMs;

  const sendPacket = (now: number, bytes: number, bornSeconds: number): void => {
    const wireBytes = bytes + headersBytes;
    counters.packetsSent++;
    counters.bytesSent += wireBytes;
    if (bornSeconds < now) counters.bytesRetransmitted += wireBytes;
    sentBits += wireBytes * 8;
    const passage = bottleneck.pass(now, wireBytes);
    if (passage.kind === 'delivered') {
      queuedSeconds = passage.queuedSeconds;
      delaysSeconds.push(passage.atSeconds - now);
      if (passage.atSeconds >= acknowledgedSeconds + acknowledgementSeconds) {
        acknowledgedSeconds = passage.atSeconds;
        rtts.push({
          toldSeconds: passage.atSeconds + shape.delaySeconds,
          ms: (passage.atSeconds - now + shape.delaySeconds) * 1000,
        });
      }
    } else {
      dropped++;
      untold.push({ atSeconds: now + shape.delaySeconds * 2 + queuedSeconds, bornSeconds });
    }
  };

  for (let frame = 0; frame < frames; frame++) {
    const now = frame / encoder.framesPerSecond;
    rateBps += (targetBps - rateBps) / (encoder.lagSeconds * encoder.framesPerSecond);
    const size = frame % encoder.framesPerGroup === 0 ? encoder.keyFrameSize : 1;
    // An encoder pays a large frame back with smaller ones after it, within its buffer.
    const wantedBits = (rateBps / encoder.framesPerSecond) * (size / meanSize);
    const noise = 0.8 + 0.4 * random();
    const bits = Math.max(200, wantedBits * noise - 0.1 * debtBits);
    debtBits += bits - rateBps / encoder.framesPerSecond;
    debtBits = Math.max(0, debtBits);
    let bytes = bits / 8 + burst(now);
    for (; bytes > 0; bytes -= packetBytes) sendPacket(now, Math.min(packetBytes, bytes), now);
    const due = untold.filter(({ atSeconds }) => atSeconds <= now);
    untold = untold.filter(({ atSeconds }) => atSeconds > now);
    for (const { bornSeconds } of due) {
      // While it is on its way again a packet is often reported, and sent, once more.
      const times = random() < shareReportedTwice ? 2 : 1;
      for (let time = 0; time < times; time++) {
        counters.packetsLost++;
        counters.nacks++;
        if (now - bornSeconds < tooLateSeconds) sendPacket(now, packetBytes, bornSeconds);
      }
    }
    while (rtts[0] && rtts[0].toldSeconds <= now) {
      receiverRttMs += rttWeight * ((rtts.shift()?.ms ?? 0) - receiverRttMs);
      rttMs += rttWeight * (receiverRttMs - rttMs);
    }
    if (now + 1e-9 >= nextSample) {
      nextSample += sampleSeconds;
      targetBps = control(
        { kind: 'srt', timeNs: Math.round(now * 1e9), ...counters, rttMs: Math.max(0.1, rttMs) },
        now,
      );
      observations.push({ seconds: now, targetBps, sentBits, queuedSeconds, dropped });
      sentBits = 0;
      dropped = 0;
    }
  }
  return { observations, delaysSeconds };
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
