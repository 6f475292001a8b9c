// Files that hold secrets.

/** By group or by all; Windows has no such modes. */
export function canOthersRead(mode: number): boolean {
  return process.platform !== 'win32' && (mode & 0o044) !== 0;
}
