// The fonts that rendered pages are set in. A missing one would be replaced silently by another, and
// the training set would be a different one.
import { execFileSync } from 'node:child_process';
import { fixedFamilies, proportionalFamilies } from './svg.ts';

/** Families of the recipe that fontconfig does not know on this machine. */
export const missingFamilies = (): string[] => {
  const known = new Set(
    execFileSync('fc-list', ['--format', '%{family}\n'], { encoding: 'utf8' })
      .split('\n')
      .flatMap((line) => line.split(',')),
  );
  return [...new Set<string>([...proportionalFamilies, ...fixedFamilies])].filter(
    (family) => !known.has(family),
  );
};
