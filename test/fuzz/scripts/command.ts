// `npm run fuzz -- [--executions N] [--seed N] [--only NAME]`: fuzzes the parsers that are TypeScript. Those
// in C++ have libFuzzer (README.md).
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { feedbackPort } from './feedback-port.ts';
import { fileTargets } from './files.ts';
import { fuzz } from './fuzzer.ts';
import { messageTargets } from './messages.ts';

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      executions: { type: 'string', default: '100000' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string', default: '' },
    },
  });
  let broken = 0;
  for (const target of [...fileTargets, ...messageTargets, await feedbackPort()]) {
    if (!target.name.includes(values.only)) continue;
    const startMs = performance.now();
    const { executions, outcomes, failure } = await fuzz(target, {
      executions: Number(values.executions),
      seed: Number(values.seed),
    });
    const seconds = (performance.now() - startMs) / 1000;
    process.stdout.write(
      `${target.name}: ${executions} executions, ${outcomes.size} outcomes, ${seconds.toFixed(0)} s\n`,
    );
    if (failure === undefined) continue;
    broken++;
    const file = join(tmpdir(), `fuzz-${target.name.replaceAll(' ', '-')}.bin`);
    writeFileSync(file, failure.input);
    const { error } = failure;
    process.stdout.write(
      `  broken by ${file}: ${error instanceof Error ? (error.stack ?? '') : String(error)}\n`,
    );
  }
  return broken === 0 ? 0 : 1;
}

process.exit(await main());
