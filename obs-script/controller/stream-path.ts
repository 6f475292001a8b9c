// The two ways that the stream and its patches go: through this computer's relay, or the stream straight
// from OBS to the server and the patches beside it. What the controller asks of either.
import { quoted } from '../../elements/measure/pipeline.ts';
import type { FedFrame } from './canvas-feed.ts';
import type { MatchCounts } from './canvas-matcher.ts';
import type { Screenshot } from './screenshot-feed.ts';
import type { Size } from './stream-format.ts';

/** What may change while a path is open. */
export interface Rates {
  readonly capBps: number;
  readonly minVideoBps: number;
  /** 0: scheduled. */
  readonly patchBps: number;
  readonly streamClass: string;
}

export interface PathSettings {
  readonly mode: 'relay' | 'direct';
  readonly scale: number;
  readonly framesPerSecond: number;
  readonly canvas: Size;
  readonly patches: boolean;
  readonly patchQuality: 'auto' | 'fine' | 'coarse';
  readonly streamKey: string;
  readonly feedback: string;
  readonly token: string;
  /** Where OBS streams to, on this machine; of the relay, like the next two. */
  readonly listenPort: number;
  /** srt://HOST:PORT or rtmp://HOST/APP */
  readonly server: string;
  /** Of SRT; empty: the stream goes as it is. */
  readonly passphrase: string;
  /** Where the relay's patches go: inside the pictures, or as a track of their own. */
  readonly carriage: 'auto' | 'klv';
  readonly latencyMs: number;
}

/** What a path without a measured uplink gets to know of its stream. */
export interface StreamSight {
  /** What the server last reported to receive, once; null: nothing new. */
  readonly takeGoodputBps: () => number | null;
  /** Of the audio that OBS sends with the video. */
  readonly audioBps: () => number;
}

/** As of now; counts since the path was opened. */
export interface PathReading {
  /** OBS streams. */
  readonly isCarrying: boolean;
  readonly capacityBps: number;
  /** Planned. */
  readonly videoBps: number;
  readonly patchBps: number;
  readonly patchBytes: number;
  readonly patches: number;
  readonly sentBytes: number;
  readonly rttMs: number;
  readonly lost: number;
  readonly match: MatchCounts | undefined;
  /** Frames of the canvas have a time in the stream. */
  readonly isCalibrated: boolean;
  /** What keeps patches from going; empty: nothing. */
  readonly problem: string;
}

export interface StreamPath {
  /** When the stream has ended, or with what went wrong. */
  readonly done: Promise<void>;
  readonly isCarrying: boolean;
  /** Since the stream was last seen to go on, ms. */
  readonly silentMs: number;
  /** A stream has come; another one needs another path. */
  readonly hasCarried: boolean;
  /** Frames of the canvas that it has a use for. */
  readonly grabsPerSecond: number;
  set(rates: Rates): void;
  canvasFrame(frame: FedFrame): void;
  /** Without it screenshots are of no use: they have no time. */
  screenshot?(shot: Screenshot): void;
  read(): Promise<PathReading>;
  stop(): Promise<void>;
}

/** Properties of patchpicker and patchsender that both paths set. */
export function pickerProperties(settings: PathSettings, rates: Rates) {
  return {
    scale: settings.scale,
    patches: settings.patches ? 'auto' : 'off',
    ...rateProperties(rates),
    'stream-key': settings.streamKey,
    'feedback-uri': settings.feedback,
    token: settings.token,
  };
}

export function rateProperties(rates: Rates) {
  return {
    'max-bitrate': Math.round(rates.capBps),
    'min-video-bitrate': Math.round(rates.minVideoBps),
    'patch-bitrate': Math.round(rates.patchBps),
    'stream-class': rates.streamClass,
  };
}

/** As a launch line takes them. */
export function launchWords(properties: Readonly<Record<string, string | number>>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? quoted(value) : value}`)
    .join(' ');
}
