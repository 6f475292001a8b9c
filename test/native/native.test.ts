// Every native test in the normal build.
import { nativeTests } from './native-tests.ts';

nativeTests('build');
