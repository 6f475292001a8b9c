// Kernels for one instruction set must not leave anything in their object files that the linker could
// pick for the rest of the program: an inline function compiled for AVX-512 there would run on
// machines without it.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const objects = fileURLToPath(
  new URL('../../build/core/CMakeFiles/livesr-core.dir', import.meta.url),
);

describe('object files for one instruction set', () => {
  if (!existsSync(objects)) {
    it.skip('are not built: npm test builds them, or cmake --build build');
    return;
  }
  const files = readdirSync(objects, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /_avx\w*\.cpp\.o$/.test(path),
  );

  it('are there', () => {
    expect(files.length).toBeGreaterThan(0);
  });

  for (const file of files) {
    it(`${file} defines no symbol that others could be linked to by chance`, () => {
      const symbols = execFileSync('nm', ['--demangle', '--defined-only', `${objects}/${file}`], {
        encoding: 'utf8',
      });
      const shared = symbols.split('\n').filter((line) => /^[0-9a-f]+ [WVu] /.test(line));
      expect(shared).toEqual([]);
    });
  }
});
