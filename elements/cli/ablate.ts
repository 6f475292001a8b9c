// `livesr ablate`: ways to train compared on one recorded stream.
import type { Command } from 'commander';
import { parseVariant, readRecording, runVariant } from '../bench/ablation.ts';
import { recipeOf } from '../sr-enhancer/recipe.ts';

interface AblateOptions {
  readonly recording: string;
  readonly variant?: readonly string[];
}

const collect = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  text,
];

export function registerAblate(program: Command): void {
  program
    .command('ablate')
    .description('train on a recorded stream again, each time another way (for developers)')
    .requiredOption('--recording <file>', 'what scripts/record-engine.mjs kept of an evaluation')
    .option(
      '--variant <settings>',
      'default, or NAME=NUMBER,...; may be given more than once',
      collect,
    )
    .option('--json', 'print the figures as JSON')
    .action(async (options: AblateOptions & { readonly json?: boolean }) => {
      const frames = readRecording(options.recording);
      const rows = [];
      const base = recipeOf(Number(frames[0]?.head.rung));
      for (const text of options.variant ?? ['default']) {
        const row = await runVariant(frames, parseVariant(text, base));
        rows.push(row);
        if (options.json !== true) {
          console.log(
            `${row.name.padEnd(36)} lead ${row.leadDb.toFixed(3)} dB  last ${row.lastLeadDb.toFixed(3)}  ` +
              `worst epoch ${row.worstLeadDb.toFixed(3)}  ${row.stepsPerSecond.toFixed(0)} steps/s  ` +
              `suspended ${(100 * row.suspendedShare).toFixed(0)} %`,
          );
        }
      }
      if (options.json === true) console.log(JSON.stringify(rows, null, 2));
    });
}
