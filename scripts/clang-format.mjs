// Formats the native code in place; with --check only says which files differ. Versions of clang-format
// differ in what they make of the same style: the code has the layout of one.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { output, root, run, runMain, say } from './shell.mjs';

const majorVersion = 14;

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
  const version = /version (\d+)/.exec(output('clang-format', ['--version']) ?? '')?.[1];
  if (version !== String(majorVersion)) {
    say(
      `clang-format ${version ?? 'is missing'}, and the code has the layout of ${majorVersion}: not checked`,
    );
    return true;
  }
  return format(['--dry-run', '-Werror']);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(() => {
    const succeeded = process.argv.includes('--check') ? checkFormat() : format(['-i']);
    return succeeded ? 0 : 1;
  });
}
