// What a run in a root came to, read from what it left: the demo's report, the tests' last line.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { secondsBetween } from '../engine-log.mjs';

const signed = (decibels) =>
  decibels === undefined ? '–' : `${decibels < 0 ? '−' : '+'}${Math.abs(decibels).toFixed(2)}`;

const textOf = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);

/** The row of one demo; without a report most of it is unknown. */
export function demoOutcome(clone, { release, run, code, seconds }) {
  const log = textOf(join(clone, 'report/engine.log')) ?? '';
  const row = {
    release,
    run,
    code,
    seconds: Math.round(seconds),
    training: secondsBetween(log, 'first patch', 'first training'),
  };
  const report = textOf(join(clone, 'report/report.json'));
  if (report === undefined) return row;
  const { observations, last, frames } = JSON.parse(report);
  return {
    ...row,
    gainDb: last.meanPsnrDb.online - last.meanPsnrDb.bicubic,
    genericGainDb: last.meanPsnrDb.generic - last.meanPsnrDb.bicubic,
    model: observations.at(-1)?.modelInUse,
    late: frames.late,
  };
}

/** Whether a demo did what it should: it ended well, and training began soon enough. */
export const isGood = (row, maxSeconds) =>
  row.code === 0 && row.training !== null && row.training <= maxSeconds;

/** The rows as a table in Markdown. */
export function table(rows) {
  const head = [
    'Debian',
    'demo',
    'exit code',
    's in all',
    'training after the first patch, s',
    'model at the end',
    'online − bicubic, last 10 s, dB',
    'generic − bicubic',
    'late frames',
  ];
  const cells = rows.map((row) => [
    row.release,
    row.run,
    row.code,
    row.seconds,
    row.training?.toFixed(2) ?? 'never',
    row.model ?? '–',
    signed(row.gainDb),
    signed(row.genericGainDb),
    row.late ?? '–',
  ]);
  return [head, head.map(() => '---'), ...cells]
    .map((line) => `| ${line.join(' | ')} |`)
    .join('\n');
}

/** The line with which `npm test` ends; undefined where it did not come so far. */
export function testOutcome(log) {
  const lines = readFileSync(log, 'utf8').match(/^tests: \d+ passed, \d+ failed$/gm);
  return lines?.at(-1);
}
