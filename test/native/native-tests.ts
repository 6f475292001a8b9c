// The native tests in vitest: one test for each doctest case of each executable of a build. An executable
// runs once; its report is then taken apart.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { listCases, runCases, type DoctestRun } from './doctest.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const longestRunMs = 600_000;

function environmentFor(directory: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    // The elements under test are linked in: no other livesr may come from a plugin path, and the
    // registry is our own, whatever the user's has cached.
    GST_PLUGIN_PATH: '',
    GST_REGISTRY: `${directory}/gst-registry.bin`,
    // Whole call stacks, since GLib is built without frame pointers and what it never frees is told
    // from a leak by its callers.
    ASAN_OPTIONS: 'fast_unwind_on_malloc=0:detect_stack_use_after_return=1',
    LSAN_OPTIONS: `suppressions=${root}test/native/leaks.supp:print_suppressions=0`,
    UBSAN_OPTIONS: 'print_stacktrace=1',
  };
}

export function nativeTests(build: 'build' | 'build-asan'): void {
  for (const executable of ['core-tests', 'gst-tests']) {
    const path = `${root}${build}/native-tests/${executable}`;
    describe(`${executable} of ${build}`, () => {
      if (!existsSync(path)) {
        it.skip(`is not built: npm test builds it, or cmake --build ${build}`);
        return;
      }
      const environment = environmentFor(`${root}${build}`);
      let run: DoctestRun;
      beforeAll(async () => {
        run = await runCases(path, environment);
      }, longestRunMs);

      for (const { name, location } of listCases(path, environment)) {
        it(name, (context) => {
          const outcome = run.outcomes.get(location);
          // What broke the run off fails below and in its own case; those after it tell nothing.
          if (!outcome) context.skip('the executable ended before this case');
          else expect(outcome.passed, `${location}\n${outcome.detail}`).toBe(true);
        });
      }
      it('ends without a complaint', () => {
        const failed = [...run.outcomes.values()].some((outcome) => !outcome.passed);
        expect(run.end, run.log).toBe(failed ? 1 : 0);
      });
    });
  }
}
