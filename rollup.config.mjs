// Bundles each program of elements/ into one file under dist/elements; packages stay outside and are
// resolved from node_modules.
import { existsSync } from 'node:fs';
import esbuild from 'rollup-plugin-esbuild';

const programs = [
  { input: 'elements/engine/main.ts', file: 'dist/elements/engine.mjs' },
  { input: 'elements/cli/main.ts', file: 'dist/elements/livesr.mjs' },
];

export default programs
  .filter(({ input }) => existsSync(input))
  .map(({ input, file }) => ({
    input,
    output: { file, format: 'es', sourcemap: true, banner: '#!/usr/bin/env node' },
    // Whatever is not a path is a package or part of Node.
    external: (id) => !/^[./]/.test(id),
    plugins: [esbuild({ target: 'node20', include: /\.(ts|json)$/, loaders: { '.json': 'json' } })],
  }));
