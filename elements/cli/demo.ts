// `livesr demo`: the live loop on this machine, then a report of what it gained.
import { Option, type Command } from 'commander';
import { demonstrate } from '../demo/demonstrate.ts';
import type { Observation } from '../demo/report/figures.ts';
import { numberWithin } from './numbers.ts';

interface DemoOptions {
  readonly scale: string;
  readonly uplink: number;
  readonly seconds: number;
  readonly report: string;
  readonly json?: true;
}

/** One line that says how the stream is doing. */
export function statusLine(seen: Observation): string {
  const gain = seen.heldOutGainDb;
  return [
    `${seen.timeSeconds.toFixed(0).padStart(3)} s`,
    `${seen.framesPerSecond.toFixed(1)} fps`,
    `video ${seen.videoKbps.toFixed(0)} kbit/s`,
    `patches ${seen.patchKbps.toFixed(0)} kbit/s`,
    `gain ${gain === null ? '–' : `${gain < 0 ? '−' : '+'}${Math.abs(gain).toFixed(2)} dB`}`,
    `${seen.modelInUse} model`,
    seen.trainingState,
    `+${seen.addedLatencyMs.toFixed(1)} ms`,
  ].join('  ');
}

/** A terminal sees one line that changes; a log gets one every five seconds. */
function showStatus(seen: Observation): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${statusLine(seen)}`);
  else if (seen.timeSeconds % 5 === 0) process.stderr.write(`${statusLine(seen)}\n`);
}

export function registerDemo(program: Command): void {
  program
    .command('demo')
    .description('stream a clip to this machine over SRT, learn while it plays, report the gain')
    .argument('[file]', 'video file; without one a clip is rendered')
    .addOption(
      new Option('--scale <n>', 'how much smaller the video is sent')
        .choices(['2', '3', '4'])
        .default('2'),
    )
    .option('--uplink <kbits>', 'kbit/s for video and patches', numberWithin(100, 100_000), 600)
    .option('--seconds <s>', 'length of the stream', numberWithin(5, 3600), 45)
    .option('--report <folder>', 'where the report goes', 'report')
    .option('--json', 'print the means as JSON at the end')
    .action(async (file: string | undefined, options: DemoOptions) => {
      const interrupted = new AbortController();
      const onInterrupt = (): void => {
        interrupted.abort();
      };
      process.once('SIGINT', onInterrupt);
      process.once('SIGTERM', onInterrupt);
      const { page, figures } = await demonstrate({
        file,
        scale: Number(options.scale),
        uplinkKbps: options.uplink,
        seconds: options.seconds,
        reportFolder: options.report,
        onProgress: (what) => process.stderr.write(`${what}\n`),
        onObservation: showStatus,
        signal: interrupted.signal,
      });
      const { first, last, whole, frames, engineRestarts } = figures;
      if (options.json) {
        console.log(JSON.stringify({ page, first, last, whole, frames, engineRestarts }, null, 2));
        return;
      }
      const over = ({ meanPsnrDb }: typeof last): string =>
        (meanPsnrDb.online - meanPsnrDb.bicubic).toFixed(2);
      console.log(
        `Online over bicubic: ${over(first)} dB in the first ten seconds, ${over(last)} dB in the last.`,
      );
      console.log(`Report: ${page}`);
    });
}
