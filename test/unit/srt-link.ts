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

/** As patchsender has it: told five times a second, and no frame is larger than five others. */
export const x264: SimulatedEncoder = {
  lagSeconds: 0.25,
  framesPerSecond: 25,
  framesPerGroup: 60,
  keyFrameSize: 5,
};

export interface SimulatedSender {
  readonly encoder: SimulatedEncoder;
  /** Bytes of patches at a time. */
  readonly burst: (seconds: number) => number;
  /** Whether the machine gives the sender no time: its frames come when it does again. */
  readonly pauses: (seconds: number) => boolean;
  /** Whether packets go one after another (wire_pacer.h), or all of a frame at once. */
  readonly isPaced: boolean;
}

export const usualSender: SimulatedSender = {
  encoder: x264,
  burst: () => 0,
  pauses: () => false,
  isPaced: true,
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
  /** What each new packet had to wait for before it could go. */
  readonly heldSeconds: readonly number[];
  /** When packets were sent first that came too late or never: their frames cannot be shown. */
  readonly missedSeconds: readonly number[];
}

/** A packet that was dropped: the receiver sees that it is missing from a time on, until it has come. */
interface Missing {
  readonly bornSeconds: number;
  readonly seenSeconds: number;
  untilSeconds: number;
}

/** wire_pacer.cpp: what is later goes faster. */
const longestHeldSeconds = 0.5;
const packetBytes = 1316;
const headersBytes = 44;
/**
 * Over real SRT (libsrt 1.5) and the link emulator: 1.2 losses told for each packet dropped where few
 * are, 0.9 in a storm of them; each is sent again once, 1.05 and 0.8 times.
 */
const shareReportedTwice = 0.2;
/** SRT's latency: older packets are not sent again. */
const tooLateSeconds = 0.8;
const sampleSeconds = 0.1;
/**
 * libsrt acknowledges each 10 ms what came without a hole, and smooths the round trip time at both
 * ends: while packets are missing that may yet come, the time stays as it is.
 */
const acknowledgementSeconds = 0.01;
const rttWeight = 1 / 8;

/** `control` gets a sample each 100 ms and answers with the rate to send at (bit/s on the wire). */
export function simulateSrt(
  shape: LinkShape,
  seconds: number,
  control: (sample: SrtSample, seconds: number) => number,
  firstBps: number,
  random: () => number,
  { encoder, burst, pauses, isPaced }: SimulatedSender = usualSender,
): SimulatedRun {
  const bottleneck = new Bottleneck(shape, random);
  const observations: Observation[] = [];
  const delaysSeconds: number[] = [];
  const heldSeconds: number[] = [];
  const counters = {
    bytesSent: 0,
    bytesRetransmitted: 0,
    packetsSent: 0,
    packetsLost: 0,
    nacks: 0,
  };
  // Losses are told one way back after the packet behind them has come.
  let untold: { readonly atSeconds: number; readonly missing: Missing }[] = [];
  let missed: Missing[] = [];
  const missedSeconds: number[] = [];
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
  const rtts: { readonly atSeconds: number; readonly ms: number }[] = [];
  let acknowledgedSeconds = 0;
  let receiverRttMs = rttMs;

  const sendPacket = (now: number, bytes: number, again?: Missing): void => {
    const wireBytes = bytes + headersBytes;
    counters.packetsSent++;
    counters.bytesSent += wireBytes;
    if (again) counters.bytesRetransmitted += wireBytes;
    sentBits += wireBytes * 8;
    const passage = bottleneck.pass(now, wireBytes);
    if (passage.kind === 'delivered') {
      queuedSeconds = passage.queuedSeconds;
      delaysSeconds.push(passage.atSeconds - now);
      if (again) again.untilSeconds = Math.min(again.untilSeconds, passage.atSeconds);
      if (passage.atSeconds >= acknowledgedSeconds + acknowledgementSeconds) {
        acknowledgedSeconds = passage.atSeconds;
        rtts.push({
          atSeconds: passage.atSeconds,
          ms: (passage.atSeconds - now + shape.delaySeconds) * 1000,
        });
      }
    } else {
      dropped++;
      const seenSeconds = now + queuedSeconds + shape.delaySeconds;
      const missing = again ?? {
        bornSeconds: now,
        seenSeconds,
        untilSeconds: now + tooLateSeconds,
      };
      if (!again) missed.push(missing);
      untold.push({ atSeconds: seenSeconds + shape.delaySeconds, missing });
    }
  };
  const isWhole = (seconds: number): boolean =>
    missed.every(
      ({ seenSeconds, untilSeconds }) => seconds < seenSeconds || seconds >= untilSeconds,
    );

  const waiting: { readonly bytes: number; readonly bornSeconds: number }[] = [];
  let pacedUntil = 0;
  const sendWaiting = (from: number, until: number): void => {
    for (;;) {
      const [packet] = waiting;
      const now = isPaced ? Math.max(from, pacedUntil) : from;
      if (packet === undefined || now >= until) return;
      waiting.shift();
      sendPacket(now, packet.bytes);
      // As wire_pacer.cpp has it.
      const lateSeconds = now - packet.bornSeconds;
      const hurry = Math.max(1, lateSeconds / longestHeldSeconds) ** 2;
      pacedUntil = now + (packet.bytes * 8) / (hurry * targetBps);
      heldSeconds.push(lateSeconds);
    }
  };

  for (let frame = 0; frame < frames; frame++) {
    const now = frame / encoder.framesPerSecond;
    const next = (frame + 1) / encoder.framesPerSecond;
    rateBps += (targetBps - rateBps) / (encoder.lagSeconds * encoder.framesPerSecond);
    const size = frame % encoder.framesPerGroup === 0 ? encoder.keyFrameSize : 1;
    // An encoder pays a large frame back with smaller ones after it, within its buffer.
    const wantedBits = (rateBps / encoder.framesPerSecond) * (size / meanSize);
    const noise = 0.8 + 0.4 * random();
    const bits = Math.max(200, wantedBits * noise - 0.1 * debtBits);
    debtBits += bits - rateBps / encoder.framesPerSecond;
    debtBits = Math.max(0, debtBits);
    let bytes = bits / 8 + burst(now);
    for (; bytes > 0; bytes -= packetBytes) {
      waiting.push({ bytes: Math.min(packetBytes, bytes), bornSeconds: now });
    }
    const due = untold.filter(({ atSeconds }) => atSeconds <= now);
    untold = untold.filter(({ atSeconds }) => atSeconds > now);
    for (const { missing } of due) {
      // While it is on its way again a packet is now and then reported once more.
      const times = random() < shareReportedTwice ? 2 : 1;
      counters.packetsLost += times;
      counters.nacks += times;
      if (now - missing.bornSeconds < tooLateSeconds) sendPacket(now, packetBytes, missing);
    }
    while (rtts[0] && rtts[0].atSeconds + shape.delaySeconds <= now) {
      const { atSeconds, ms } = rtts[0];
      rtts.shift();
      if (!isWhole(atSeconds)) continue;
      receiverRttMs += rttWeight * (ms - receiverRttMs);
      rttMs += rttWeight * (receiverRttMs - rttMs);
    }
    for (const { bornSeconds, untilSeconds } of missed) {
      if (untilSeconds === bornSeconds + tooLateSeconds && untilSeconds <= now) {
        missedSeconds.push(bornSeconds);
      }
    }
    missed = missed.filter(({ untilSeconds }) => untilSeconds > now);
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
    if (!pauses(now)) sendWaiting(now, next);
  }
  return { observations, delaysSeconds, heldSeconds, missedSeconds };
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
