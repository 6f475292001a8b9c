// The sound of a stream: where it comes from, and what is done with it on its way into MPEG-TS.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../cli/failure.ts';
import { gstreamerEnvironment } from '../measure/environment.ts';
import { quoted } from '../measure/pipeline.ts';

/** What a file's sound is to a sender. */
export type FileSound = 'aac' | 'other' | 'none';

export interface Sound {
  /** Elements from the source up to the multiplexer; null: the stream has no sound. */
  readonly launch: string | null;
  /** What is done, for people. */
  readonly words: string;
}

/** Encoders that MPEG-TS has a place for, in the order of choice; livesrmux knows the delay of the first two. */
const encoders = [
  { element: 'avenc_aac', launch: 'avenc_aac bitrate=128000 ! aacparse', name: 'AAC' },
  { element: 'voaacenc', launch: 'voaacenc bitrate=128000 ! aacparse', name: 'AAC' },
  { element: 'fdkaacenc', launch: 'fdkaacenc bitrate=128000 ! aacparse', name: 'AAC' },
  { element: 'opusenc', launch: 'opusenc bitrate=96000 ! opusparse', name: 'Opus' },
] as const;

const noEncoder =
  'sound: left out, for there is no encoder for it: install gstreamer1.0-libav or gstreamer1.0-plugins-bad';

export function hasElement(element: string): boolean {
  try {
    // Without a version gst-inspect asks for GStreamer's own, which not all plugins share.
    const asked = ['--exists', '--atleast-version=0.0', element];
    execFileSync('gst-inspect-1.0', asked, { env: gstreamerEnvironment(), stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * Sound that has waited for longer is not worth sending: the picture does not wait either. More than any
 * encoder of pictures holds back.
 */
const queue = 'queue leaky=downstream max-size-time=2000000000 max-size-buffers=0 max-size-bytes=0';

function encoded(source: string, words: string, has: (element: string) => boolean): Sound {
  const encoder = encoders.find(({ element }) => has(element));
  if (encoder === undefined) return { launch: null, words: noEncoder };
  return {
    launch:
      `${source} ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=(int)[1,2] ` +
      `! ${encoder.launch} ! ${queue}`,
    words: `sound: ${words}, encoded as ${encoder.name} (${encoder.element})`,
  };
}

/** `source`: the name of the decodebin that plays the file. */
export function soundOfFile(
  source: string,
  kind: FileSound,
  has: (element: string) => boolean = hasElement,
): Sound {
  if (kind === 'none') return { launch: null, words: 'sound: the file has none' };
  if (kind === 'aac') {
    // In the form it has: the multiplexer makes the headers, which aacparse 1.22 makes with a wrong rate.
    return {
      launch: `${source}. ! audio/mpeg ! aacparse ! clocksync ! ${queue}`,
      words: "sound: the file's AAC, as it is",
    };
  }
  return encoded(`${source}. ! audio/x-raw ! audioconvert ! clocksync`, "the file's", has);
}

export interface SoundDevice {
  readonly launch: string;
  readonly name: string;
}

/** The microphone that this machine uses; null: there is none. */
export function usualMicrophone(environment: NodeJS.ProcessEnv = process.env): SoundDevice | null {
  const runtime = environment.XDG_RUNTIME_DIR;
  const hasPulse =
    (environment.PULSE_SERVER ?? '') !== '' ||
    (runtime !== undefined && existsSync(join(runtime, 'pulse', 'native')));
  if (hasPulse) return { launch: 'pulsesrc', name: 'the microphone of PulseAudio' };
  const captures = existsSync('/dev/snd')
    ? readdirSync('/dev/snd').filter((name) => /^pcmC\d+D\d+c$/.test(name))
    : [];
  return captures.length > 0 ? { launch: 'alsasrc', name: 'the microphone of ALSA' } : null;
}

/** A device of PulseAudio, or of ALSA where its name is one of those, by alsa: and pulse: for certain. */
export function namedDevice(device: string): SoundDevice {
  const named = /^(alsa|pulse):(.+)$/.exec(device);
  const isAlsa = named ? named[1] === 'alsa' : /^(?:plug)?hw:|^(?:sys)?default\b/.test(device);
  const name = named?.[2] ?? device;
  return { launch: `${isAlsa ? 'alsasrc' : 'pulsesrc'} device=${quoted(name)}`, name: device };
}

const packageOf = { pulsesrc: 'gstreamer1.0-pulseaudio', alsasrc: 'gstreamer1.0-alsa' } as const;

/** The element that a device is read by is in a package of its own: what is missing; null: nothing. */
function missingFor(
  { launch, name }: SoundDevice,
  has: (element: string) => boolean,
): string | null {
  const element = launch.startsWith('alsasrc') ? 'alsasrc' : 'pulsesrc';
  return has(element)
    ? null
    : `${name}: no element "${element}": apt install ${packageOf[element]}`;
}

/** `wanted`: a device, "test", "auto" or "none". A test picture is heard with a test tone. */
export function soundOfLive(
  wanted: string,
  isTestPicture: boolean,
  microphone: () => SoundDevice | null = usualMicrophone,
  has: (element: string) => boolean = hasElement,
): Sound {
  if (wanted === 'none') return { launch: null, words: 'sound: none, as asked for' };
  if (wanted === 'test' || (wanted === 'auto' && isTestPicture)) {
    return encoded('audiotestsrc is-live=true wave=ticks volume=0.3', 'a tick each second', has);
  }
  const device = wanted === 'auto' ? microphone() : namedDevice(wanted);
  if (device === null) {
    return {
      launch: null,
      words: 'sound: none, for no microphone was found (--audio DEVICE names one)',
    };
  }
  const missing = missingFor(device, has);
  if (missing !== null && wanted === 'auto')
    return { launch: null, words: `sound: none; ${missing}` };
  if (missing !== null) throw new Failure(`--audio ${missing}`);
  return encoded(device.launch, device.name, has);
}
