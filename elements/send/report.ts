// What a sender says of each second.
import { numberField, type StructureFields } from '../measure/structure.ts';
import type { Link } from './link-watch.ts';

/** One second of the stream, as --json writes it. */
export interface SendReport {
  readonly link: 'connected';
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

const stated = (value: number): number | null => (value >= 0 ? value : null);

export function reportOf(
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
    link: 'connected',
    seconds,
    uplinkKbps: numberField(now, 'estimated-uplink-bps') / 1000,
    videoKbps: rateKbps('video-bytes'),
    patchKbps: rateKbps('patch-bytes'),
    patches: numberField(now, 'patches'),
    scale: numberField(now, 'scale'),
    rttMs: finite(numberField(link, 'rtt-ms')),
    packetsLost: finite(numberField(link, 'packets-sent-lost')),
    feedback: now['feedback-connected'] === true,
    goodputKbps: stated(numberField(now, 'feedback-goodput-bps') / 1000),
    patchPacketLoss: stated(numberField(now, 'feedback-packet-loss')),
  };
}

const sizeWords = (scale: number): string =>
  scale === 1 ? 'full size' : scale === 1.5 ? '2/3' : `1/${scale}`;

export function lineOf(report: SendReport): string {
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

/** Of a second in which nobody is at the other end. */
export interface LinkReport {
  readonly link: Exclude<Link['state'], 'connected'>;
  readonly seconds: number;
  readonly forSeconds: number;
}

/** `to`: the server, without secrets. */
export function linkLineOf({ link, seconds, forSeconds }: LinkReport, to: string): string {
  const lasting = `(${forSeconds.toFixed(0)} s)`;
  const words = {
    waiting: `waiting for ${to}, not connected ${lasting}`,
    silent: `no answer from ${to} ${lasting}`,
    lost: `not connected any more, waiting for ${to} ${lasting}`,
  };
  return `${String(seconds).padStart(5)} s  ${words[link]}`;
}
