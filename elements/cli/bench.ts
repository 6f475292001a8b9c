// `livesr bench`: how fast the core computes a frame and a training step on this machine, one thread,
// beside ONNX Runtime and libtorch in the same run.
import type { Command } from 'commander';
import { measureAll, type BenchReport } from '../bench/measure.ts';
import { clipScene, testScene } from '../bench/data.ts';
import { wholeWithin } from './numbers.ts';

/** Rows of cells in aligned columns; the first column to the left, the others to the right. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const ms = (value: number): string => value.toFixed(2);
const fine = (value: number): string => value.toFixed(3);
const times = (value: number): string => `${value.toFixed(2)}x`;
const perSecond = (milliseconds: number): string => (1000 / milliseconds).toFixed(0);

/** The report for a person to read. */
export function describeBench(report: BenchReport): string {
  const { machine, inference, trainingStep, patch, memory } = report;
  const hasLibtorch = Object.values(trainingStep).some((figures) => figures.libtorchMs !== null);
  const frames = columns([
    ['a frame', 'livesr ms', 'ONNX Runtime ms', 'ratio', 'frames/s on one core'],
    ...Object.entries(inference).map(([name, f]) => [
      name,
      ms(f.oursMs),
      ms(f.onnxruntimeMs),
      times(f.ratio),
      perSecond(f.oursMs),
    ]),
  ]);
  const steps = columns([
    ['a training step', 'livesr ms', 'ONNX graph ms', 'libtorch ms', 'ratio', 'steps/s'],
    ...Object.entries(trainingStep).map(([name, f]) => [
      name,
      ms(f.oursMs),
      ms(f.onnxGraphMs),
      f.libtorchMs === null ? '-' : ms(f.libtorchMs),
      times(f.ratio),
      perSecond(f.oursMs),
    ]),
  ]);
  const patches = columns([
    ['a patch of 120x120', 'encode ms', 'decode ms', 'bytes'],
    ['residual, x2', fine(patch.encodeMs), fine(patch.decodeMs), String(patch.bytes)],
    [
      'JPEG, quality 95',
      fine(patch.jpegEncodeMs),
      fine(patch.jpegDecodeMs),
      String(patch.jpegBytes),
    ],
  ]);
  const memories = columns([
    ['texture memory, 640x360 to 1280x720', 'mean ms', 'worst ms'],
    ...memory.map((m) => [`${m.patches} patches`, ms(m.meanMs), ms(m.worstMs)]),
  ]);
  return [
    `${machine.cpu}, ${machine.logicalCores} logical cores; kernels: ${machine.isa}; one thread, processor time`,
    '',
    frames,
    '',
    'Frames are 1920x1080, luma, 8-bit in and out. ONNX Runtime computes in float and is spared the',
    'bicubic enlargement. Video at 30 frames/s leaves 33.3 ms for a frame, decoding included.',
    '',
    steps,
    '',
    patches,
    '',
    memories,
    '',
    'Ratio: time of the peer (of the faster one, when there are two) over that of livesr.',
    ...(machine.isa === machine.bestIsa
      ? []
      : [`LIVESR_ISA holds livesr to ${machine.isa}; the peers use all that this CPU has.`]),
    ...(hasLibtorch
      ? []
      : ['libtorch: not built; install libtorch-dev and run `npm run build` to compare with it.']),
  ].join('\n');
}

export function registerBench(program: Command): void {
  program
    .command('bench')
    .description('measure a frame and a training step on one thread, next to ONNX Runtime')
    .option('--json', 'print the figures as JSON')
    .option(
      '--rounds <count>',
      'rounds of all contenders; the fastest of each counts',
      wholeWithin(1, 1000),
      15,
    )
    .option('--clip <file>', 'texture memory on this clip instead of a made-up picture')
    .action(async (options: { json?: true; rounds: number; clip?: string }) => {
      const scene = options.clip === undefined ? testScene() : await clipScene(options.clip);
      const report = await measureAll(options.rounds, scene, (name) => {
        if (process.stderr.isTTY) process.stderr.write(`\r\u001b[Kmeasuring ${name}`);
      });
      if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
      console.log(options.json ? JSON.stringify(report, null, 2) : describeBench(report));
    });
}
