import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readGdp } from '../../elements/measure/gdp.ts';
import { Pipeline, quoted, runPipeline } from '../../elements/measure/pipeline.ts';
import { numberField, parseStructure, textField } from '../../elements/measure/structure.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'livesr test "quoted"-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('pipeline processes', () => {
  test('a pipeline runs to its end, in a folder whose name needs quoting', async () => {
    const file = join(folder, 'out.gdp');
    await runPipeline({
      name: 'test',
      launch: `videotestsrc num-buffers=3 ! gdppay ! filesink location=${quoted(file)}`,
    });
    const { buffers, caps } = readGdp(readFileSync(file));
    expect(buffers).toHaveLength(3);
    expect(buffers[2]?.timeNs).toBe(66_666_666);
    expect(caps).toContain('width=(int)320');
  });

  test('a line that cannot be parsed fails with the reason', async () => {
    const run = runPipeline({ name: 'the broken one', launch: 'videotestsrc ! nosuchelement' });
    await expect(run).rejects.toThrow(/the broken one failed: no element "nosuchelement"/);
  });

  test('an error in mid-stream ends the pipeline with its cause', async () => {
    const run = runPipeline({
      name: 'test',
      launch: 'videotestsrc ! identity error-after=5 ! fakesink',
    });
    await expect(run).rejects.toThrow(/test failed: .*identity/i);
  });

  test('properties can be read while it runs, and it can be stopped', async () => {
    const pipeline = new Pipeline({
      name: 'test',
      launch: 'videotestsrc is-live=true ! fakesink name=sink',
    });
    expect(await pipeline.get('sink', 'sync')).toBe(false);
    expect(await pipeline.get('nobody', 'sync')).toBeUndefined();
    await pipeline.stop();
    expect(await pipeline.get('sink', 'sync')).toBeUndefined();
  });

  test("its launch line, which may hold secrets, is in nobody else's sight", async () => {
    const pipeline = new Pipeline({
      name: 'test',
      launch: 'videotestsrc is-live=true name=secret-word ! fakesink name=sink',
    });
    await pipeline.get('sink', 'sync');
    const commandLine = readFileSync(`/proc/${pipeline.processId}/cmdline`, 'utf8');
    expect(commandLine).toContain('pipeline');
    expect(commandLine).not.toContain('secret-word');
    await pipeline.stop();
  });

  test('a process that is killed is a failure that names the signal', async () => {
    const pipeline = new Pipeline({ name: 'test', launch: 'videotestsrc is-live=true ! fakesink' });
    await pipeline.get('x', 'y');
    if (pipeline.processId !== undefined) process.kill(pipeline.processId, 'SIGKILL');
    await expect(pipeline.done).rejects.toThrow('test failed: SIGKILL');
  });
});

describe('structures as text', () => {
  const fields = parseStructure(
    'application/x-stats, frames=(guint64)12, latency-ms=(double)-1.5e-1, state=(string)training, ' +
      'why=(string)"no\\ node,\\ here\\;\\ really", on=(boolean)true, nested=(list){ 1, 2 }, rate=(int)25;',
  );

  test('numbers, words and truth values keep their types', () => {
    expect(numberField(fields, 'frames')).toBe(12);
    expect(numberField(fields, 'latency-ms')).toBe(-0.15);
    expect(numberField(fields, 'rate')).toBe(25);
    expect(textField(fields, 'state')).toBe('training');
    expect(fields.on).toBe(true);
  });

  test('quoted text is unquoted', () => {
    expect(textField(fields, 'why')).toBe('no node, here; really');
  });

  test('what is missing or of another type is no number and no text', () => {
    expect(numberField(fields, 'state')).toBeNaN();
    expect(textField(fields, 'frames')).toBe('');
    expect(parseStructure(undefined)).toEqual({});
  });
});
