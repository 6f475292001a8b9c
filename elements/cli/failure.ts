// The two ways in which a command ends badly that are nobody's bug. The message is all that the
// person sees: what is wrong, then what to do about it.

/** Something that the command needs did not work; exit code 1. */
export class Failure extends Error {}

/** The command line asks for something that makes no sense; exit code 2. */
export class UsageError extends Error {}
