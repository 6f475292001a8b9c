// Processes of a measurement: pipelines of livesr, whose properties can be read while they run, and
// other programs.
import { fork, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { root } from '../shell.mjs';

const commandLine = join(root, 'dist/elements/livesr.mjs');
const settleMs = 5000;

const environment = () => ({
  ...process.env,
  GST_PLUGIN_PATH: join(root, 'dist/gstreamer'),
  LIVESR_NODE: process.execPath,
  UV_THREADPOOL_SIZE: '8',
});

async function end(child, ask) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const isOver = new Promise((resolve) => child.once('exit', resolve));
  ask();
  await Promise.race([isOver, delay(settleMs, undefined, { ref: false })]);
  child.kill('SIGKILL');
  await isOver;
}

/** A pipeline in a process of its own; `said` collects what its bus reports. */
export function startPipeline(launch) {
  const child = fork(commandLine, ['pipeline'], {
    env: environment(),
    stdio: ['ignore', 'ignore', process.env.GST_DEBUG ? 'inherit' : 'ignore', 'ipc'],
  });
  child.send({ kind: 'launch', launch });
  const said = [];
  const waiting = new Map();
  child.on('message', (message) => {
    if (message.kind === 'value') {
      waiting.get(message.id)?.(message.value);
      waiting.delete(message.id);
    } else if (['error', 'warning', 'eos'].includes(message.message.type)) {
      said.push(`${message.message.type}: ${message.message.text ?? ''}`.trim());
    }
  });
  child.on('exit', () => {
    for (const answer of waiting.values()) answer(undefined);
  });
  let next = 0;
  return {
    said,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    get: (element, property) =>
      new Promise((resolve) => {
        if (!child.connected) return resolve(undefined);
        waiting.set(next, resolve);
        child.send({ kind: 'get', id: next++, element, property });
      }),
    stop: () => end(child, () => child.connected && child.send({ kind: 'stop' })),
    kill: () => end(child, () => child.kill('SIGKILL')),
  };
}

/** Another program; its last words are kept for the report. */
export function startProgram([program, ...args]) {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const said = [];
  child.on('error', (error) => said.push(error.message));
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said.push(...text.split('\n').filter((line) => line.trim() !== ''));
    said.splice(0, said.length - 5);
  });
  return { said, stop: () => end(child, () => child.kill('SIGTERM')) };
}

/** A UDP port that nobody uses at the moment. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.on('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

/** The integer fields of a GstStructure that came as text. */
export function counters(structure) {
  const fields = {};
  for (const [, name, value] of String(structure).matchAll(/([\w-]+)=\(guint64\)(\d+)/g)) {
    fields[name] = Number(value);
  }
  return fields;
}
