// `npm test` after set-up: both native builds, the static checks, then every test through vitest.
// The last line says how many passed; each static check and each build counts as one.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { checkFormat } from './clang-format.mjs';
import { buildNative } from './build.mjs';
import { root, run, say } from './shell.mjs';

const resultFile = join(root, 'build/vitest.json');

function bin(name, args) {
  const program = join(root, 'node_modules', name);
  return run(process.execPath, [program, ...args], { stdio: 'inherit' }) === 0;
}

const checks = {
  'sanitizer build': () =>
    buildNative('build-asan', {
      withTests: true,
      options: [
        '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
        '-DLIVESR_SANITIZE=ON',
        '-DLIVESR_BRIDGE=OFF',
        `-DLIVESR_DIST=${join(root, 'build-asan/dist')}`,
      ],
    }),
  'clang-format': checkFormat,
  prettier: () => bin('prettier/bin/prettier.cjs', ['--check', '--log-level', 'warn', '.']),
  eslint: () => bin('eslint/bin/eslint.js', ['.']),
  typecheck: () => bin('typescript/bin/tsc', ['--noEmit']),
};

// What vitest did. A file that failed although none of its tests did (it could not be loaded, or what
// prepares its tests broke) counts as one that failed, and so does a run that left no report.
function vitest(args) {
  rmSync(resultFile, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${resultFile}`];
  const succeeded = bin('vitest/vitest.mjs', ['run', ...reporters, ...args]);
  let report;
  try {
    report = JSON.parse(readFileSync(resultFile, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const broken = report.testResults.filter(
    (file) =>
      file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed'),
  ).length;
  const failed = report.numFailedTests + broken;
  return {
    passed: report.numPassedTests,
    // vitest may fail without a failing test, through an error outside of any.
    failed: !succeeded && failed === 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

// Arguments go to vitest (a filter of file names, say) and leave out the static checks.
export function test(args) {
  let passed = 0;
  const failures = [];
  if (args.length === 0) {
    for (const [name, check] of Object.entries(checks)) {
      say(`check: ${name}`);
      if (check()) passed += 1;
      else failures.push(name);
    }
  }
  const tests = vitest(args);
  for (const name of failures) say(`failed: ${name}`);
  if (tests.skipped > 0) say(`skipped: ${tests.skipped}`);
  const failed = failures.length + tests.failed;
  process.stdout.write(`tests: ${passed + tests.passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}
