// `livesr send`: a camera, a file or a test picture to a server, with its sound, as MPEG-TS over SRT.
import { existsSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { streamClasses } from '../patch-sender/curves.ts';
import { checkFeedback, checkServer } from '../send/address.ts';
import { fileName, isLive } from '../send/launch.ts';
import { probeFile } from '../send/probe.ts';
import { Sender } from '../send/run.ts';
import { soundOfFile, soundOfLive, type Sound } from '../send/sound.ts';
import { UsageError } from './failure.ts';
import { numberWithin } from './numbers.ts';
import {
  addSecretOption,
  checkInputOnce,
  passphraseSecret,
  readSecret,
  secretsHelp,
  streamIdSecret,
  streamKeySecret,
  tokenSecret,
} from './secrets.ts';

interface SendOptions {
  readonly to: string;
  readonly source: string;
  readonly audio: string;
  readonly scale: string;
  readonly maxBitrate: number;
  readonly patchBitrate: number;
  readonly latencyMs: number;
  readonly feedback?: string;
  readonly streamClass: string;
  readonly seconds?: number;
  readonly json?: true;
  readonly tokenFile?: string;
  readonly streamKeyFile?: string;
  readonly passphraseFile?: string;
  readonly streamidFile?: string;
}

const explanation = `
The source is a file that GStreamer plays, a camera (/dev/video0), or "test". A file's sound goes with it:
AAC as it is, other sound as AAC. With a camera goes the sound of --audio: a device (of PulseAudio; or
hw:1, alsa:NAME of ALSA), "auto" for the usual microphone, "test" for a tick each second, or "none". Sound
comes on top of --max-bitrate.

The server need not be there yet: a sender waits for it, and for one that goes away. Exit code 0: the source
ended, or the time of --seconds is over; 1: it failed, or was never connected in that time; 2: wrong use.

The uplink is measured at the SRT connection; the rate of video and patches follows it. With --feedback the
server says what the patches bring, and their share follows that too. With --scale auto the size of the video
follows the uplink and the content:

  livesr send --source clip.mp4 --to srt://server:7001 --passphrase-file srt.txt \\
    --feedback wss://server:7002 --token-file token.txt

The server, for one, with the same passphrase and token in SRT_PASSPHRASE and LIVESR_TOKEN (whoever can list
the server's processes sees the passphrase of a gst-launch-1.0; an application sets the property itself):

  gst-launch-1.0 -e srtsrc uri="srt://:7001?mode=listener" latency=600 passphrase="$SRT_PASSPHRASE" \\
    keep-listening=true ! livesrdemux name=d \\
    d.video ! queue ! h264parse ! avdec_h264 ! srenhancer feedback-listen=0.0.0.0:7002 \\
    feedback-certificate=server.pem ! videoconvert ! autovideosink \\
    d.audio_0 ! queue ! aacparse ! avdec_aac ! audioconvert ! autoaudiosink
${secretsHelp}`;

async function soundOf({ source, audio }: SendOptions): Promise<Sound> {
  if (isLive(source)) return soundOfLive(audio, source === 'test');
  if (audio !== 'auto' && audio !== 'none') {
    throw new UsageError(
      `--audio ${audio}: a file brings its own sound: leave it out, or give "none"`,
    );
  }
  const found = await probeFile(source);
  if (audio === 'none') return { launch: null, words: 'sound: none, as asked for' };
  return soundOfFile(fileName, found);
}

async function runSend(options: SendOptions): Promise<void> {
  const to = checkServer(options.to);
  if (options.source !== 'test' && !existsSync(options.source)) {
    throw new UsageError(`--source ${options.source}: neither a file or camera nor "test"`);
  }
  const { tokenFile, streamKeyFile, passphraseFile, streamidFile } = options;
  checkInputOnce([tokenFile, streamKeyFile, passphraseFile, streamidFile]);
  const token = readSecret(tokenSecret, tokenFile);
  const streamKey = readSecret(streamKeySecret, streamKeyFile);
  const passphrase = readSecret(passphraseSecret, passphraseFile);
  const streamId = readSecret(streamIdSecret, streamidFile);
  const feedback = options.feedback ?? '';
  const warning = feedback === '' ? null : checkFeedback(feedback, token !== '');
  if (warning !== null) console.error(`warning: ${warning}`);
  const { source, scale, maxBitrate, patchBitrate, latencyMs, streamClass } = options;
  const sender = new Sender({
    settings: {
      ...{ to, source, scale, maxBitrate, patchBitrate, latencyMs, streamClass },
      ...{ feedback, token, streamKey, passphrase, streamId },
    },
    sound: await soundOf(options),
    seconds: options.seconds,
    json: options.json ?? false,
  });
  const stop = (): void => {
    sender.stop();
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  await sender.run();
}

export function registerSend(program: Command): void {
  const command = program
    .command('send')
    .description('send a camera, a file or a test picture, with its sound, to a server over SRT')
    .requiredOption('--to <uri>', 'the server: srt://HOST:PORT')
    .option('--source <what>', 'a file, a camera (/dev/video0), or test', 'test')
    .option('--audio <what>', 'sound of a live source: a device, test, auto or none', 'auto')
    .addOption(
      new Option('--scale <n>', 'how much smaller the video is sent')
        .choices(['auto', '1', '1.5', '2', '3', '4'])
        .default('auto'),
    )
    .option('--max-bitrate <kbits>', 'maximum of video and patches', numberWithin(1, 1e6), 3000)
    .option('--patch-bitrate <kbits>', 'of patches; 0: scheduled', numberWithin(0, 1e5), 0)
    .option('--latency-ms <ms>', "SRT's latency", numberWithin(20, 60_000), 600)
    .option('--feedback <uri>', "the server's feedback: wss://HOST:PORT, or ws://HOST:PORT")
    .option('--stream-class <class>', `of ${streamClasses.join(', ')}`, 'default')
    .option('--seconds <s>', 'end after this time', numberWithin(1, 1e6))
    .option('--json', 'a line of JSON each second on standard output');
  for (const secret of [tokenSecret, streamKeySecret, passphraseSecret, streamIdSecret]) {
    addSecretOption(command, secret);
  }
  command.addHelpText('after', explanation).action(runSend);
}
