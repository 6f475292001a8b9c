// Running other programs from the set-up scripts. Everything that set-up says goes to stderr, so that
// `npm run --silent bench -- --json` leaves nothing but JSON on stdout.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

// A failure that is explained to the person in full; it needs no stack trace.
export class SetupError extends Error {}

export function say(line) {
  process.stderr.write(`${line}\n`);
}

// Runs a program to its end, its output going to stderr unless told otherwise. Returns the exit
// status; a program that could not be started or that a signal ended counts as 127 and 128.
export function run(program, args, { env = {}, stdio = ['inherit', 2, 2] } = {}) {
  const result = spawnSync(program, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio,
  });
  return result.error ? 127 : (result.status ?? 128);
}

// Standard output of a program, whatever its exit status; undefined when it could not be started.
export function output(program, args) {
  const result = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return result.error ? undefined : result.stdout;
}

// Runs `main`; a SetupError is printed without its stack and ends the process with 1.
export async function runMain(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
