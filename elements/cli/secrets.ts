// Secrets of the command line: tokens, stream keys, passphrases, passwords. Everybody on a machine can
// read every command line, so none of them may hold one. A secret comes from a file, from standard
// input or from the environment, and a command line that holds one is refused with what to do instead.
import { readFileSync, statSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { UsageError } from './failure.ts';

import { canOthersRead } from '../feedback/secret-files.ts';

export { withoutSecrets } from '../feedback/shown-uri.ts';

export interface Secret {
  /** Of its options: --NAME-file. */
  readonly name: string;
  readonly environment: string;
  readonly what: string;
  readonly minCharacters?: number;
  readonly maxCharacters?: number;
}

export const tokenSecret: Secret = {
  name: 'token',
  environment: 'LIVESR_TOKEN',
  what: 'the token of the feedback server',
};

export const streamKeySecret: Secret = {
  name: 'stream-key',
  environment: 'LIVESR_STREAM_KEY',
  what: 'the stream key',
};

/** Where an SRT server wants another name than the stream key; some hold a password. */
export const streamIdSecret: Secret = {
  name: 'streamid',
  environment: 'LIVESR_SRT_STREAMID',
  what: "SRT's stream id",
  maxCharacters: 512,
};

/** SRT takes no other lengths. */
export const passphraseSecret: Secret = {
  name: 'passphrase',
  environment: 'LIVESR_SRT_PASSPHRASE',
  what: "SRT's passphrase",
  minCharacters: 10,
  maxCharacters: 79,
};

export const obsPasswordSecret: Secret = {
  name: 'password',
  environment: 'LIVESR_OBS_PASSWORD',
  what: "the password of OBS's websocket server",
};

/** What every help text says of them. */
export const secretsHelp = `
Everybody on this machine can read a command line, so secrets are not taken from it: put each into a file
that only you can read (chmod 600), give "-" as the file's name to read it from standard input, or set the
environment variable that stands at the option.`;

const standardInput = '-';
const maxFileBytes = 4096;

const instead = ({ name, environment }: Secret): string =>
  `--${name}-file FILE, --${name}-file - (standard input) or ${environment}`;

/** Adds --NAME-file; --NAME itself is there to say what to do instead. */
export function addSecretOption(command: Command, secret: Secret): Command {
  const { name, environment, what } = secret;
  const refused = new Option(`--${name} <secret>`).hideHelp().argParser(() => {
    // Not commander's own error, whose text repeats the secret.
    throw new UsageError(
      `--${name}: everybody on this machine can read a command line: use ${instead(secret)}`,
    );
  });
  return command
    .option(`--${name}-file <file>`, `a file with ${what}; "-": standard input; or ${environment}`)
    .addOption(refused);
}

export interface SecretSources {
  readonly environment: NodeJS.ProcessEnv;
  readonly readInput: () => string;
  readonly warn: (line: string) => void;
}

const ownSources: SecretSources = {
  environment: process.env,
  readInput: () => readFileSync(0, 'utf8'),
  warn: (line) => {
    console.error(line);
  },
};

/**
 * The secret that a command was given, empty where it was given none. `file`: the value of --NAME-file,
 * which counts before the environment. The variable is removed: processes that are started have no use
 * for it.
 */
export function readSecret(
  secret: Secret,
  file: string | undefined,
  sources: SecretSources = ownSources,
): string {
  const { environment } = sources;
  const given = environment[secret.environment];
  Reflect.deleteProperty(environment, secret.environment);
  if (file === undefined) return given ? checked(secret, secret.environment, given) : '';
  const option = `--${secret.name}-file ${file}`;
  const text = file === standardInput ? sources.readInput() : readFile(option, file, sources.warn);
  const value = firstLine(text);
  if (value === '') {
    throw new UsageError(
      `${option}: there is nothing in its first line: write ${secret.what} there`,
    );
  }
  return checked(secret, option, value);
}

/** Standard input has one secret; several are several files. */
export function checkInputOnce(files: readonly (string | undefined)[]): void {
  if (files.filter((file) => file === standardInput).length > 1) {
    throw new UsageError('standard input ("-") can hold one secret: put the others into files');
  }
}

function readFile(option: string, file: string, warn: (line: string) => void): string {
  try {
    const { mode, size } = statSync(file);
    if (size > maxFileBytes) throw new UsageError(`${option}: larger than any secret`);
    if (canOthersRead(mode)) {
      warn(`warning: ${file} can be read by others on this machine: chmod 600 ${file}`);
    }
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${option}: ${reason}: name a file that you can read`);
  }
}

const firstLine = (text: string): string => (/^[^\r\n]*/.exec(text)?.[0] ?? '').trim();

/** The message never holds the secret. */
function checked(secret: Secret, from: string, value: string): string {
  const { what, minCharacters = 1, maxCharacters = 1024 } = secret;
  if (value.length < minCharacters || value.length > maxCharacters) {
    throw new UsageError(
      `${from}: ${what} has ${minCharacters} to ${maxCharacters} characters, not ${value.length}`,
    );
  }
  return value;
}

const secretParameters = { passphrase: passphraseSecret, streamid: streamIdSecret };

/** Refuses an address from the command line that holds a secret; `option`: "--to", say. */
export function refuseSecretsInUri(option: string, uri: string): void {
  let query: URLSearchParams;
  try {
    query = new URL(uri).searchParams;
  } catch {
    return; // Said by who uses it.
  }
  for (const [held, secret] of Object.entries(secretParameters)) {
    if (!query.has(held)) continue;
    throw new UsageError(
      `${option}: everybody on this machine can read a command line: leave out ${held}=… and use ` +
        instead(secret),
    );
  }
}
