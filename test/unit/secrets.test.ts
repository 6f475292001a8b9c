import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../elements/cli/failure.ts';
import {
  addSecretOption,
  checkInputOnce,
  passphraseSecret,
  readSecret,
  refuseSecretsInUri,
  tokenSecret,
  withoutSecrets,
} from '../../elements/cli/secrets.ts';

describe('a secret of a command', () => {
  let folder = '';
  let warnings: string[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'livesr-secrets-'));
    warnings = [];
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const read = (
    file: string | undefined,
    environment: NodeJS.ProcessEnv = {},
    input = '',
    secret = tokenSecret,
  ): string =>
    readSecret(secret, file, {
      environment,
      readInput: () => input,
      warn: (line) => warnings.push(line),
    });

  const fileWith = (text: string, mode: number): string => {
    const file = join(folder, 'token');
    writeFileSync(file, text);
    chmodSync(file, mode);
    return file;
  };

  it('comes from the first line of a file, from standard input or from the environment', () => {
    const file = fileWith('from a file\r\nnotes\n', 0o600);
    expect(read(file, { LIVESR_TOKEN: 'from outside' })).toBe('from a file');
    expect(read('-', {}, 'typed\n')).toBe('typed');
    expect(read(undefined, { LIVESR_TOKEN: 'from outside' })).toBe('from outside');
    expect(read(undefined)).toBe('');
    expect(warnings).toEqual([]);
  });

  it('is taken out of the environment, so that no child process has it', () => {
    const environment = { LIVESR_TOKEN: 'secret', PATH: '/bin' };
    read(fileWith('other', 0o600), environment);
    expect(environment).toEqual({ PATH: '/bin' });
  });

  it.each([0o644, 0o640, 0o604])('in a file of mode %o is used with a warning', (mode) => {
    expect(read(fileWith('hunter2', mode))).toBe('hunter2');
    expect(warnings).toEqual([expect.stringContaining('chmod 600')]);
    expect(warnings[0]).not.toContain('hunter2');
  });

  it.each([
    ['a file that is not there', () => '/no/such/file', /token-file \/no\/such\/file: ENOENT/],
    ['an empty file', () => fileWith('\nsecret', 0o600), /nothing in its first line/],
    ['a large file', () => fileWith('x'.repeat(5000), 0o600), /larger than any secret/],
  ])('does not come from %s', (_what, file, message) => {
    expect(() => read(file())).toThrow(message);
    expect(() => read(file())).toThrow(UsageError);
  });

  it('of a length that its use does not allow is refused without being repeated', () => {
    const short = (): string =>
      read(undefined, { LIVESR_SRT_PASSPHRASE: 'too short' }, '', passphraseSecret);
    expect(short).toThrow(/10 to 79 characters, not 9/);
    expect(short).not.toThrow(/too short/);
  });

  it('in the command line is refused without being repeated, and the remedy is named', () => {
    const command = addSecretOption(new Command('send').exitOverride(), tokenSecret);
    const parse = (): unknown => command.parse(['--token', 'hunter2'], { from: 'user' });
    expect(parse).toThrow(/--token-file FILE, --token-file - \(standard input\) or LIVESR_TOKEN/);
    expect(parse).not.toThrow(/hunter2/);
    expect(command.helpInformation()).not.toMatch(/--token </);
  });

  it('comes from standard input for one option only', () => {
    checkInputOnce(['-', undefined, 'file']);
    expect(() => {
      checkInputOnce(['-', undefined, '-']);
    }).toThrow(UsageError);
  });
});

describe('an address', () => {
  it.each([
    ['srt://host:7001?mode=caller&passphrase=0123456789', 'LIVESR_SRT_PASSPHRASE'],
    ['srt://host:7001?streamid=publish:me:password', 'LIVESR_SRT_STREAMID'],
  ])('with a secret is refused: %s', (uri, remedy) => {
    const refuse = (): void => {
      refuseSecretsInUri('--to', uri);
    };
    expect(refuse).toThrow(remedy);
    expect(refuse).not.toThrow(/0123456789|password/);
  });

  it('without one passes', () => {
    refuseSecretsInUri('--to', 'srt://host:7001?mode=caller&latency=600');
    refuseSecretsInUri('--to', 'no address');
  });

  it.each([
    ['wss://user:secret@host:7002/path?key=secret#secret', 'wss://host:7002/path'],
    ['srt://host:7001?passphrase=secret', 'srt://host:7001'],
    ['ws://host:7002', 'ws://host:7002'],
  ])('is shown without its secrets: %s', (uri, shown) => {
    expect(withoutSecrets(uri)).toBe(shown);
  });
});
