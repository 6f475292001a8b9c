// The engine's process. `--fd N`: child of one element, over an inherited socket; ends with it.
// `--listen PATH`: serves every element that joins the Unix socket. Standard output stays empty, since
// an element's host program may own it.
import { lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, Socket } from 'node:net';
import { getPriority, setPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { serve } from './connection.ts';

const usage = 'usage: node engine.mjs --fd N | --listen PATH';
const exitDone = 0;
const exitFailed = 1;
const exitUsage = 2;

// Frames before training: decoding and inference keep their core when the machine is full. Set before
// the first worker thread starts, since Linux threads inherit it from their creator.
const trainingNiceness = 10;

function yieldToFrames(): void {
  // Already nicer: raising the priority back takes rights that an engine need not have.
  if (getPriority() < trainingNiceness) setPriority(trainingNiceness);
}

function log(line: string): void {
  process.stderr.write(`livesr engine: ${line}\n`);
}

function readArguments(): { fd?: string; listen?: string } | undefined {
  try {
    const { values } = parseArgs({
      options: { fd: { type: 'string' }, listen: { type: 'string' } },
    });
    return values;
  } catch {
    return undefined;
  }
}

async function serveFileDescriptor(fd: number): Promise<number> {
  let socket: Socket;
  try {
    socket = new Socket({ fd });
  } catch (error) {
    log(`file descriptor ${fd} is not a socket: ${String(error)}`);
    return exitFailed;
  }
  const error = await serve(socket, log);
  if (!error) return exitDone;
  log(error.message);
  return exitFailed;
}

/** True when an engine answers on the socket; false when the file is what a dead one left. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => {
      resolve(false);
    });
  });
}

async function listen(path: string): Promise<number> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there) {
    if (!there.isSocket() || (await answers(path))) {
      log(`${path}: ${there.isSocket() ? 'another engine listens there' : 'not a socket'}`);
      return exitFailed;
    }
    unlinkSync(path);
  }
  const server = createServer((socket) => {
    void serve(socket, log).then((error) => {
      if (error) log(error.message);
    });
  });
  return new Promise((resolve) => {
    server.on('error', (error) => {
      log(`${path}: ${error.message}`);
      resolve(exitFailed);
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        server.close();
        resolve(exitDone);
      });
    }
    server.listen(path);
  });
}

async function main(): Promise<number> {
  const chosen = readArguments();
  const fd = chosen?.fd === undefined ? undefined : Number(chosen.fd);
  if (chosen?.listen !== undefined && fd === undefined) {
    yieldToFrames();
    return listen(chosen.listen);
  }
  if (fd !== undefined && Number.isInteger(fd) && fd >= 0 && chosen?.listen === undefined) {
    yieldToFrames();
    return serveFileDescriptor(fd);
  }
  log(usage);
  return exitUsage;
}

// exit(), not exitCode: a training chunk that is still under way has nobody left to serve.
process.exit(await main());
