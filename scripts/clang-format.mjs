// Formats the native code in place; with --check only says which files differ.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { output, root, run, runMain } from './shell.mjs';

function nativeFiles() {
  const list =
    output('git', ['ls-files', '-co', '--exclude-standard', '--', 'plugin', 'test']) ?? '';
  return list.split('\n').filter((path) => /\.(cpp|h)$/.test(path) && existsSync(join(root, path)));
}

function format(options) {
  const files = nativeFiles();
  return files.length === 0 || run('clang-format', [...options, ...files]) === 0;
}

export function checkFormat() {
  return format(['--dry-run', '-Werror']);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(() => {
    const succeeded = process.argv.includes('--check') ? checkFormat() : format(['-i']);
    return succeeded ? 0 : 1;
  });
}
