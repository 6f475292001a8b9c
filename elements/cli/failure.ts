// How a command ends badly, and what the person sees of it: what is wrong, then what to do about it. All
// that a command throws comes to explain().
import { ChannelError } from '../channel/frame.ts';

/** Something that the command needs did not work; exit code 1. */
export class Failure extends Error {}

/** The command line asks for something that makes no sense; exit code 2. */
export class UsageError extends Error {}

export interface Explanation {
  readonly text: string;
  readonly exitCode: 1 | 2;
}

/** Of what the system refuses: what it means, and what helps. */
const systemErrors: Readonly<Record<string, readonly [string, string]>> = {
  ENOENT: ['there is no such file or folder', 'Check the path.'],
  ENOTDIR: ['a part of the path is no folder', 'Check the path.'],
  EISDIR: ['it is a folder', 'Name a file in it.'],
  EACCES: ['there is no permission', 'Change its permissions, or choose another.'],
  EPERM: ['there is no permission', 'Change its permissions, or choose another.'],
  EROFS: ['the disk can only be read', 'Choose another.'],
  ENOSPC: ['the disk is full', 'Make room on it.'],
  EMFILE: ['too many files are open', 'Raise the limit (ulimit -n).'],
  EADDRINUSE: ['the address is in use', 'Choose another port, or end what listens there.'],
  EADDRNOTAVAIL: ['this machine does not have the address', 'Choose one of its own.'],
  ECONNREFUSED: ['nobody listens there', 'Start it first, or check the address.'],
  ENOMEM: ['there is not enough memory', 'End other programs.'],
};

function ofSystem(error: Error): string | undefined {
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  const [cause, remedy] = systemErrors[code ?? ''] ?? [];
  if (cause === undefined || syscall === undefined) return undefined;
  return `${path ?? syscall}: ${cause} (${code ?? ''}). ${remedy ?? ''}`;
}

/** `isDebugging`: where the code was as well. */
export function explain(error: unknown, isDebugging: boolean): Explanation {
  const stack = error instanceof Error && isDebugging ? `\n${error.stack ?? ''}` : '';
  if (error instanceof UsageError) return { text: `error: ${error.message}${stack}`, exitCode: 2 };
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Failure) return { text: `error: ${message}${stack}`, exitCode: 1 };
  const system = error instanceof Error ? ofSystem(error) : undefined;
  if (system !== undefined) return { text: `error: ${system}${stack}`, exitCode: 1 };
  if (error instanceof ChannelError) {
    return { text: `error: what was read is not as agreed: ${message}${stack}`, exitCode: 1 };
  }
  const remedy = isDebugging
    ? ''
    : '\nlivesr did not expect this. LIVESR_DEBUG=1 shows where it happened; `livesr doctor` looks at the machine.';
  return { text: `error: ${message}${remedy}${stack}`, exitCode: 1 };
}
