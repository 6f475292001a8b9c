// Every native test in the build with sanitizers: a file of its own, so that both builds are tested at the
// same time.
import { nativeTests } from './native-tests.ts';

nativeTests('build-asan');
