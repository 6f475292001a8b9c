// `livesr eval`: the schemes against one another on a clip, at the same uplink, repeatably.
import { writeFileSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { ssimEvery } from '../measure/lockstep.ts';
import type { ClipShape } from '../measure/clip.ts';
import { evaluate, schemeNames, type Evaluation, type SchemeName } from '../measure/evaluate.ts';
import { plotPage } from '../measure/plots.ts';
import { optimumSeconds, optimumStepKbps, sharingScheme } from '../measure/sharing.ts';
import { openUplink, type RateRange } from '../measure/uplink.ts';
import { runContest } from './eval-contest.ts';
import { UsageError } from './failure.ts';
import { numberWithin, sizeOf, wholeWithin } from './numbers.ts';
import { textTable } from './text-table.ts';

interface EvalOptions {
  readonly clip: readonly string[];
  readonly switchEvery: number;
  readonly size?: ClipShape;
  readonly scale: string;
  readonly uplink: string;
  readonly trace?: readonly string[];
  readonly traceRange: RateRange;
  readonly tracesPerClip: number;
  readonly seconds: number;
  readonly schemes: string;
  readonly json?: string;
  readonly plot?: string;
  readonly stepsPerSecond: number;
  readonly patchBitrate: number;
  readonly patchesPerSecond: number;
  readonly residualStep: number;
  readonly seed: number;
}

/**
 * Steps of the default network (16 channels, 4 layers, x2) and batch (4 windows of 40x40) that one core
 * of the reference machine runs in a second: AMD EPYC (Zen 5) with AVX-512, 1.4 ms a step.
 */
export const referenceStepsPerSecond = 700;

/** Not those that only compare when to train, which take as long again each. */
const defaultSchemes = ['bilinear', 'bicubic', 'lanczos', 'generic', 'online', 'ladder'] as const;

const explanation = `
The clip (or several, taking turns of --switch-every seconds, each brought to the size and frame rate
of the first) runs forward and backward through patchsender, an H.264 decoder and srenhancer, in lockstep:
the same command gives the same numbers on the same kind of machine. Every scheme spends the same uplink:

  bilinear, bicubic, lanczos   all of it video; the plain enlargement
  generic                      all of it video; the network that a stream starts with, untrained
  online, adaptive             video and patches; the network trained on the patches while that gains
  continuous                   the same, but trained without a pause
  once                         trained over the first 60 s and never again
  early-stop                   trained until the gain first saturates and never again, one set of weights
  persistent                   the second of two sessions: it starts from what the first one learned
  residual, jpeg, raw          as continuous, with patches of that codec; the others have residual ones,
                               raw is without loss
  memory                       as online, with texture memory, the sender hearing what it holds
  ladder                       all of it video, at the best of native, 2/3, 1/2 and 1/3 size; Lanczos.
                               Beside all it has as many bits as that has sent
  fixed:N                      N kbit/s of patches (0: none), trained as online
  scheduled                    the sender's scheduler, told by the server what patches bring
  optimal                      of each ${optimumSeconds} s the best picture among the constant rates 0, ${optimumStepKbps}, ${2 * optimumStepKbps},
                               ${3 * optimumStepKbps} ... kbit/s: all up to the first that is worse than the one
                               below it in every such window, or leaves only the least video
  native                       all of it video at full size
  native-online                as scheduled, at full size
  two-thirds                   as scheduled, at two thirds of the width and height
  auto                         as scheduled, and the sender chooses the size; what the meter calls bicubic
                               of the same frames is theirs at full size as well
  all                          as auto, with texture memory: everything that livesr has

The encoder's target is corrected until the bits that it really sends fill 99 to 100 % of the uplink,
for each scheme alike but fixed:N and those after it: these run as they do for people, and "filled"
says how much of the uplink they took, "most in 2 s" the most that they sent within any 2 s, of what it
carried then, "queue" how long a byte waited at most before a link of just that rate. The report of an
epoch takes effect one second after its end. optimal knows the future and tries each rate of its
steps, but not all plans that change between them, which would need runs that can be taken back to each
window's start: a window may show what another window's patches paid for (it is then too high), and no
constant rate learns early and saves late (too low).

With --trace each clip runs on its own over each trace, multiplied to a mean of the range's geometric
mean and kept within the range second by second; --json keeps what is done, and the same command goes
on from there.

All measures are of luma; PSNR is the mean of the frames' PSNR in dB, SSIM that
of every ${ssimEvery}th frame. gainOverBilinearDb and gainOverBicubicDb compare with those schemes at
the same uplink; worstSecondOverBicubicDb and overBicubicDb with bicubic of the very frames that the
scheme decoded. "trained" is the share of the stream's time that training took. The default of
--steps-per-second is what one core does beside the stream on the reference machine (AMD EPYC, Zen 5,
AVX-512). With --patches-per-second the patches of all codecs are the same ones and are not billed: what
a codec loses in training is the difference to raw.`;

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...value.split(',')];
}

function parseRange(value: string): RateRange {
  const [lowKbps = NaN, highKbps = NaN] = value.split('-').map(Number);
  if (!(lowKbps > 0 && highKbps >= lowKbps)) {
    throw new UsageError(`--trace-range ${value}: must be LOW-HIGH in kbit/s, above 0`);
  }
  return { lowKbps, highKbps };
}

function parseSchemes(list: string): SchemeName[] {
  return list.split(',').map((word) => {
    const trimmed = word.trim();
    const name = schemeNames.find((known) => known === trimmed) ?? sharingScheme(trimmed);
    if (name === undefined) {
      throw new UsageError(
        `--schemes: "${word}" is none of ${schemeNames.join(', ')}, fixed:KBITS, scheduled, optimal, native, native-online, two-thirds, auto, all`,
      );
    }
    return name;
  });
}

/** The evaluation as a table for people. */
export function evaluationTable(evaluation: Evaluation): string {
  const rows = [
    [
      'scheme',
      'PSNR',
      'SSIM',
      'bilinear',
      'bicubic',
      'worst s',
      'first 10 s',
      'video',
      'patches',
      'patches',
      'a patch',
      'trained',
    ],
    ['', 'dB', '', '+dB', '+dB', '+dB', '+dB', 'kbit/s', 'kbit/s', '1/s', 'bytes', '%'],
  ];
  for (const [name, summary] of Object.entries(evaluation.schemes)) {
    if (summary === undefined) continue;
    rows.push([
      summary.rung === undefined ? name : `${name} ${summary.rung.width}x${summary.rung.height}`,
      summary.psnrYDb.toFixed(2),
      summary.ssim.toFixed(4),
      summary.gainOverBilinearDb.toFixed(2),
      summary.gainOverBicubicDb.toFixed(2),
      summary.worstSecondOverBicubicDb.toFixed(2),
      summary.first10s.gainOverBicubicDb.toFixed(2),
      summary.videoKbps.toFixed(1),
      summary.patchKbps.toFixed(1),
      summary.patchesPerSecond.toFixed(1),
      summary.bytesPerPatch?.toFixed(0) ?? '-',
      summary.training === undefined ? '-' : (100 * summary.training.share).toFixed(0),
    ]);
  }
  const { clip, scale, uplinkKbps, seconds } = evaluation;
  return [
    `${clip}  x${scale}  ${uplinkKbps.toFixed(0)} kbit/s  ${seconds} s`,
    '',
    textTable(rows),
    '',
    'Gains over bilinear, bicubic and in the first 10 s are at the same uplink; the worst second is',
    'over bicubic of the same decoded frames.',
  ].join('\n');
}

export function registerEval(program: Command): void {
  program
    .command('eval')
    .description('compare the schemes on a clip at the same uplink, repeatably')
    .requiredOption(
      '--clip <file>',
      'video file, the source; given more than once (or a,b,c) the files take turns',
      collect,
    )
    .option('--switch-every <s>', 'how long a turn is', numberWithin(0.2, 3600), 30)
    .option('--size <WxH>', 'bring the source to this size first (default: its own)', sizeOf)
    .addOption(
      new Option('--scale <n>', 'how much smaller the video is sent')
        .choices(['2', '3', '4'])
        .default('2'),
    )
    .option('--uplink <kbits|trace>', 'kbit/s, or a trace (mahimahi, or seconds and Mbit/s)', '600')
    .option(
      '--trace <file>',
      'each clip on its own over this trace, scaled; given more than once, over each',
      collect,
    )
    .option(
      '--trace-range <kbits>',
      'what the traces are scaled into, LOW-HIGH kbit/s',
      parseRange,
      { lowKbps: 400, highKbps: 3000 },
    )
    .option(
      '--traces-per-clip <n>',
      'the n-th clip only meets so many traces from the n-th on; 0: all',
      wholeWithin(0, 1000),
      0,
    )
    .option('--seconds <s>', 'length of the stream', numberWithin(1, 3600), 60)
    .option('--schemes <a,b,c>', 'which to run', defaultSchemes.join(','))
    .option('--json <file>', 'write the figures there, "-" for standard output')
    .option('--plot <file>', 'write a page with plots of gain and training time there')
    .option(
      '--steps-per-second <n>',
      'training steps for each second of the stream',
      numberWithin(0.1, 100_000),
      referenceStepsPerSecond,
    )
    .option('--patch-bitrate <kbits>', 'kbit/s for patches', numberWithin(1, 10_000), 25)
    .option(
      '--patches-per-second <n>',
      'so many patches instead, whatever they cost; 0: as the bit rate allows',
      wholeWithin(0, 1000),
      0,
    )
    .option(
      '--residual-step <n>',
      'quantiser step of residual patches; 0: as fits each',
      wholeWithin(0, 255),
      0,
    )
    .option('--seed <n>', 'seed of every random choice', wholeWithin(0, 2 ** 31 - 1), 1)
    .addHelpText('after', explanation)
    .action(async (options: EvalOptions) => {
      const request = {
        clips: options.clip,
        switchSeconds: options.switchEvery,
        ...(options.size && { shape: options.size }),
        scale: Number(options.scale),
        seconds: options.seconds,
        schemes: parseSchemes(options.schemes),
        stepsPerSecond: options.stepsPerSecond,
        patchBitrateBps: options.patchBitrate * 1000,
        patchesPerSecond: options.patchesPerSecond,
        residualStep: options.residualStep,
        seed: options.seed,
      };
      if (options.trace) {
        const { trace: traces, traceRange: range, tracesPerClip } = options;
        await runContest({ ...request, traces, range, tracesPerClip }, options);
        return;
      }
      const evaluation = await evaluate({
        ...request,
        uplink: openUplink(options.uplink, options.seconds),
        onProgress: (what) => {
          console.error(`  ${what}`);
        },
      });
      const showsTable = options.json !== '-';
      const text = `${JSON.stringify(evaluation, null, 2)}\n`;
      if (options.json === '-') process.stdout.write(text);
      else if (options.json !== undefined) writeFileSync(options.json, text);
      if (options.plot !== undefined) writeFileSync(options.plot, plotPage(evaluation));
      if (showsTable) console.log(evaluationTable(evaluation));
    });
}
