// The pipeline of `livesr send`.
import { quoted } from '../measure/pipeline.ts';
import { keptMedia } from './probe.ts';
import type { Sound } from './sound.ts';

export interface SendSettings {
  /** As srtsink takes it. */
  readonly to: string;
  readonly source: string;
  readonly scale: string;
  readonly maxBitrate: number;
  readonly patchBitrate: number;
  readonly latencyMs: number;
  readonly feedback: string;
  readonly token: string;
  readonly streamKey: string;
  readonly streamClass: string;
  readonly passphrase: string;
  readonly streamId: string;
}

/** The decodebin of a file. */
export const fileName = 'file';

export const isLive = (source: string): boolean => source === 'test' || source.startsWith('/dev/');

/** Raw video in real time, as a launch line begins. */
function pictureLaunch(source: string): string {
  if (source === 'test') {
    return 'videotestsrc is-live=true pattern=ball ! video/x-raw,width=1280,height=720,framerate=25/1';
  }
  if (isLive(source)) return `v4l2src device=${quoted(source)} ! decodebin`;
  return (
    `filesrc location=${quoted(source)} ! decodebin name=${fileName} caps=${quoted(keptMedia)} ` +
    `${fileName}. ! video/x-raw(ANY) ! videoconvert ! clocksync`
  );
}

function words(properties: Readonly<Record<string, string | number>>): string {
  return Object.entries(properties)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}=${typeof value === 'string' ? quoted(value) : value}`)
    .join(' ');
}

export function sendLaunch(settings: SendSettings, sound: Sound): string {
  const sender = words({
    scale: settings.scale,
    uplink: 'srt:uplink',
    'max-bitrate': Math.round(settings.maxBitrate * 1000),
    'patch-bitrate': Math.round(settings.patchBitrate * 1000),
    'stream-class': settings.streamClass,
    'stream-key': settings.streamKey,
    'feedback-uri': settings.feedback,
    token: settings.token,
  });
  // The address first: it takes the others back.
  const uplink = words({
    uri: settings.to,
    latency: settings.latencyMs,
    passphrase: settings.passphrase,
    streamid: settings.streamId,
  });
  return (
    `${pictureLaunch(settings.source)} ! videoconvert ! queue ! patchsender name=sender ${sender} ` +
    `! h264parse ! queue ! livesrmux name=mux ! srtsink name=uplink ${uplink}` +
    (sound.launch === null ? '' : ` ${sound.launch} ! mux.`)
  );
}
