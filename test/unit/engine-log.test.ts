// The engine's log: events and complaints, on standard error and in a file.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openLog, type EngineLog } from '../../elements/engine/log.ts';

let folder: string;
let written: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'livesr-log-'));
  written = '';
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const open = (file: string | undefined): EngineLog =>
  openLog({
    file,
    now: () => new Date(0),
    write: (text) => (written += text),
    processId: 7,
  });

it('tells events from complaints, a line each', () => {
  const log = open(undefined);
  log.event('first\n  patch');
  log.complain('out of ideas');
  expect(written).toBe(
    'livesr engine [1970-01-01T00:00:00.000Z] first / patch\nlivesr engine: out of ideas\n',
  );
});

it('appends to its file and begins a new one when that is large', () => {
  const file = join(folder, 'engine.log');
  open(file).event('one');
  open(file).event('two');
  expect(readFileSync(file, 'utf8')).toBe(
    '1970-01-01T00:00:00.000Z 7 one\n1970-01-01T00:00:00.000Z 7 two\n',
  );
  writeFileSync(file, Buffer.alloc(5 * 2 ** 20));
  open(file).event('three');
  expect(statSync(`${file}.1`).size).toBe(5 * 2 ** 20);
  expect(readFileSync(file, 'utf8')).toContain('three');
});

it('says once that its file cannot be written, and goes on', () => {
  const log = open(join(folder, 'nowhere', 'engine.log'));
  log.event('one');
  log.event('two');
  expect(written.match(/no log is kept in LIVESR_ENGINE_LOG/g)).toHaveLength(1);
  expect(written).toContain('two');
});
