// `livesr curves`: how good the video gets with its bit rate, per class of streams, measured on clips.
// The scheduler's curves (elements/patch-sender/curves.json) come from it.
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { measureCurves, type ClassClips } from '../measure/curves.ts';
import { UsageError } from './failure.ts';
import { numberWithin, wholeWithin } from './numbers.ts';

interface CurvesOptions {
  readonly class: readonly ClassClips[];
  readonly scale: number;
  readonly seconds: number;
  readonly out?: string;
}

function parseClass(text: string, before: readonly ClassClips[] = []): readonly ClassClips[] {
  const [, name, files] = /^([a-z][a-z0-9-]*)=(.+)$/.exec(text) ?? [];
  if (name === undefined || files === undefined) {
    throw new UsageError(`--class "${text}": use NAME=FILE,FILE,…`);
  }
  return [...before, { name, clips: files.split(',') }];
}

export function registerCurves(program: Command): void {
  program
    .command('curves')
    .description('measure how the quality of video follows its bit rate, per class of streams')
    .requiredOption('--class <name=files>', 'a class and its clips; may be given again', parseClass)
    .option('--scale <n>', 'how much smaller the video is sent', wholeWithin(1, 4), 2)
    .option('--seconds <s>', 'of each clip', numberWithin(1, 600), 8)
    .option('--out <file>', 'where the curves go as JSON; else to standard output')
    .addHelpText(
      'after',
      `
Each clip is sent at rates from 0.01 to 0.64 bits per pixel of the small picture, decoded, enlarged by
bicubic and compared with the original. A curve is the luma PSNR over that of the highest rate, the mean
of the class's clips; "default" is the mean of all.`,
    )
    .action(async (options: CurvesOptions) => {
      const curves = await measureCurves(options.class, options.scale, options.seconds, (what) => {
        console.error(`  ${what}`);
      });
      const text = `${JSON.stringify(curves, null, 2)}\n`;
      if (options.out === undefined) process.stdout.write(text);
      else writeFileSync(options.out, text);
    });
}
