// An engine that keeps what the element tells it: LIVESR_ENGINE=scripts/record-engine.mjs
// LIVESR_RECORDING=FILE livesr eval ... Everything passes through to the real engine
// (dist/elements/engine.mjs); `livesr ablate --recording FILE` trains on it again.
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

const engine = fileURLToPath(new URL('../dist/elements/engine.mjs', import.meta.url));
const recording = process.env.LIVESR_RECORDING;
if (!recording || process.argv[2] !== '--fd') {
  console.error('record-engine: LIVESR_RECORDING must name a file, and --fd N the socket');
  process.exit(2);
}
const element = new Socket({ fd: Number(process.argv[3]) });
const child = spawn(process.execPath, [engine, '--fd', '3'], {
  stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
});
// The sender's engine is started in the same way: only an enhancer's is kept. The kind of element
// stands in the head of its first message.
let file;
element.once('data', (bytes) => {
  if (bytes.subarray(0, 2000).includes('enhancer.start')) file = createWriteStream(recording);
});
element.on('data', (bytes) => file?.write(bytes));
element.pipe(child.stdio[3]).pipe(element);
element.on('error', () => element.destroy());
child.stdio[3].on('error', () => element.destroy());
child.on('exit', (code) => {
  if (file) file.end(() => process.exit(code ?? 1));
  else process.exit(code ?? 1);
});
