// The engine's process. `--fd N`: child of one element, over an inherited socket; ends with it.
// `--listen PATH`: serves every element of its own user that joins the Unix socket; files that these name
// (model-store, feedback-certificate, uplink=trace:) must lie in a folder of `--allow`. Standard output stays empty, since
// an element's host program may own it.
import { lstatSync, statSync, unlinkSync } from 'node:fs';
import { connect, createServer, Socket } from 'node:net';
import { getPriority, setPriority } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { below } from './access.ts';
import { serve } from './connection.ts';
import { openLog } from './log.ts';

const usage = 'usage: node engine.mjs --fd N | --listen PATH [--allow FOLDER]...';
const exitDone = 0;
const exitFailed = 1;
const exitUsage = 2;

// Frames before training: decoding and inference keep their core when the machine is full. Not before
// there is something to train: on a machine that is busy an engine that starts with the lowest claim does
// not come to its first word for ten seconds and more, and a sender's, which never trains, sends nothing.
// Threads that train follow the main thread (plugin/bridge/trainer.cpp).
const trainingNiceness = 10;

function yieldToFrames(): void {
  // Already nicer: raising the priority back takes rights that an engine need not have.
  if (getPriority() < trainingNiceness) setPriority(trainingNiceness);
}

const { event, complain: log } = openLog({
  file: process.env.LIVESR_ENGINE_LOG,
  now: () => new Date(),
  write: (text) => process.stderr.write(text),
  processId: process.pid,
});

function readArguments(): { fd?: string; listen?: string; allow?: string[] } | undefined {
  try {
    const { values } = parseArgs({
      options: {
        fd: { type: 'string' },
        listen: { type: 'string' },
        allow: { type: 'string', multiple: true },
      },
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
  event(`engine of process ${process.ppid} starts, Node ${process.versions.node}`);
  const error = await serve(socket, { log: event, beforeTraining: yieldToFrames });
  if (!error) {
    event('the element has gone: the engine ends');
    return exitDone;
  }
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

/** Who may write to the folder of the socket can put another in its place. */
function sharedFolder(path: string): string | undefined {
  const folder = dirname(path);
  const found = statSync(folder, { throwIfNoEntry: false });
  if (!found) return undefined; // listening says so
  const { mode, uid } = found;
  const isSticky = (mode & 0o1000) !== 0;
  const isOthers = uid !== 0 && uid !== process.getuid?.();
  return isOthers || ((mode & 0o022) !== 0 && !isSticky) ? folder : undefined;
}

async function listen(path: string, allowed: readonly string[]): Promise<number> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there) {
    if (!there.isSocket() || (await answers(path))) {
      log(`${path}: ${there.isSocket() ? 'another engine listens there' : 'not a socket'}`);
      return exitFailed;
    }
    unlinkSync(path);
  }
  const folder = sharedFolder(path);
  if (folder !== undefined) {
    log(`${folder} belongs to others or can be written to by them: listen in a folder of your own`);
    return exitFailed;
  }
  const mayUse = below(allowed);
  const server = createServer((socket) => {
    event('an element joins');
    void serve(socket, { log: event, mayUse, beforeTraining: yieldToFrames }).then((error) => {
      if (error) log(error.message);
      event('an element has gone');
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
    // Its own user's alone, from the first moment on.
    const before = process.umask(0o177);
    server.listen(path, () => {
      event(`listens at ${path}`);
    });
    process.umask(before);
  });
}

async function main(): Promise<number> {
  const chosen = readArguments();
  const fd = chosen?.fd === undefined ? undefined : Number(chosen.fd);
  if (chosen?.listen !== undefined && fd === undefined) {
    return listen(chosen.listen, chosen.allow ?? []);
  }
  if (
    fd !== undefined &&
    Number.isInteger(fd) &&
    fd >= 0 &&
    chosen?.listen === undefined &&
    !chosen?.allow
  ) {
    return serveFileDescriptor(fd);
  }
  log(usage);
  return exitUsage;
}

// exit(), not exitCode: a training chunk that is still under way has nobody left to serve.
process.exit(await main());
