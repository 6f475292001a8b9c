// The parsers that are TypeScript, fuzzed for a moment. `npm run fuzz` goes on for longer.
import { describe, expect, it } from 'vitest';
import { feedbackPort } from './feedback-port.ts';
import { fileTargets } from './files.ts';
import { fuzz, require, type Target } from './fuzzer.ts';
import { messageTargets } from './messages.ts';

const executions = Number(process.env.LIVESR_FUZZ_EXECUTIONS ?? 2000);

async function expectNoFailure(target: Target, count: number): Promise<void> {
  const { failure, outcomes } = await fuzz(target, { executions: count, seed: 1 });
  const input = failure && Buffer.from(failure.input).toString('latin1');
  expect(failure, `${JSON.stringify(input)}: ${String(failure?.error)}`).toBeUndefined();
  // One that always says the same reads nothing.
  expect(outcomes.size).toBeGreaterThan(1);
}

describe('fuzzing keeps the promises of', () => {
  for (const target of [...fileTargets, ...messageTargets]) {
    it(target.name, () => expectNoFailure(target, executions));
  }

  it('the feedback port', async () => {
    await expectNoFailure(await feedbackPort(), Math.ceil(executions / 10));
  });
});

describe('the fuzzer', () => {
  it('finds a promise that is broken behind a few bytes', async () => {
    const target: Target = {
      name: 'planted',
      seeds: [Buffer.from('length=10')],
      words: [],
      run: (bytes) => {
        const text = Buffer.from(bytes).toString('latin1');
        const length = Number(/length=(\d+)/.exec(text)?.[1] ?? 0);
        require(length < 1_000_000, 'a length within bounds');
        return length === 0 ? 'none' : 'some';
      },
    };
    const { failure, executions: needed } = await fuzz(target, { executions: 100_000, seed: 1 });
    expect(failure).toBeDefined();
    expect(needed).toBeLessThan(100_000);
  });
});
