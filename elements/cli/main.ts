// The command line: `livesr COMMAND`. Puts the commands together and turns what they throw into exit
// codes: 0 done, 1 failed, 2 wrong use.
import { Command, CommanderError } from 'commander';
import { registerAblate } from './ablate.ts';
import { registerBench } from './bench.ts';
import { registerCurves } from './curves.ts';
import { registerDemo } from './demo.ts';
import { registerDoctor } from './doctor.ts';
import { registerEval } from './eval.ts';
import { explain } from './failure.ts';
import { registerLink } from './link.ts';
import { registerSend } from './send.ts';
import { registerObs } from '../../obs-script/controller/command.ts';
import { registerPretrain } from '../pretrain/command.ts';
import { runPipelineProcess } from '../measure/pipeline-process.ts';

const program = new Command('livesr')
  .description(
    'Live video over a weak uplink, super-resolved by a network that learns while it streams',
  )
  .version('0.1.0')
  .exitOverride()
  .configureHelp({ showGlobalOptions: true });

registerDemo(program);
registerEval(program);
registerDoctor(program);
registerPretrain(program);
registerBench(program);
registerAblate(program);
registerLink(program);
registerSend(program);
registerObs(program);
registerCurves(program);
program
  .command('pipeline', { hidden: true })
  .description('run one GStreamer pipeline for another livesr process')
  .action(runPipelineProcess);

// Subcommands copy these settings when they are made, and registerX may add commands of its own.
for (const command of program.commands) command.exitOverride();

// Whoever reads has seen enough (`livesr … | head`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

function fail(error: unknown): void {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    return;
  }
  const { text, exitCode } = explain(error, (process.env.LIVESR_DEBUG ?? '') !== '');
  console.error(text);
  process.exitCode = exitCode;
}

// What nobody awaited ends the command in the same way.
process.on('uncaughtException', (error) => {
  fail(error);
  process.exit();
});

try {
  await program.parseAsync();
} catch (error) {
  fail(error);
}
