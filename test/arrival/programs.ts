// Programs that are relays, or parts of one.
import { spawn, spawnSync } from 'node:child_process';
import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Need } from './ways.ts';

export interface Running {
  /** Its last words, for the report. */
  readonly said: readonly string[];
  readonly output?: Readable | null;
  /** Waits until it has ended by itself, which a recorder does behind its input; then ends it. */
  readonly finish?: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Others may come first in the path, and lack GStreamer's bindings. */
export const systemPython = '/usr/bin/python3';

const settleMs = 8000;
const keptLines = 5;

export function startProgram(
  program: string,
  args: readonly string[],
  { isPiped = false } = {},
): Running {
  const child = spawn(program, args, { stdio: ['ignore', isPiped ? 'pipe' : 'ignore', 'pipe'] });
  const said: string[] = [];
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said.push(...text.split('\n').filter((line) => line.trim() !== ''));
    said.splice(0, said.length - keptLines);
  });
  const isOver = new Promise<void>((resolve) => {
    child.on('exit', () => {
      resolve();
    });
    child.on('error', (error) => {
      said.push(error.message);
      resolve();
    });
  });
  const finish = async (): Promise<void> => {
    await Promise.race([isOver, delay(settleMs, undefined, { ref: false })]);
    child.kill('SIGKILL');
    await isOver;
  };
  return {
    said,
    output: child.stdout,
    finish,
    stop: () => {
      child.kill('SIGTERM');
      return finish();
    },
  };
}

/** The files of one folder by HTTP. */
export async function startFileServer(folder: string, port: number): Promise<Running> {
  const server = createServer((request, response) => {
    const path = join(folder, basename(new URL(request.url ?? '/', 'http://localhost').pathname));
    if (!existsSync(path)) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader(
      'content-type',
      path.endsWith('.m3u8') ? 'application/vnd.apple.mpegurl' : 'video/mp2t',
    );
    createReadStream(path).pipe(response);
  });
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    said: [],
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}

const answers = (program: string, ...args: string[]): boolean =>
  spawnSync(program, args, { stdio: 'ignore' }).status === 0;

const checks: Readonly<Record<Need, () => boolean>> = {
  ffmpeg: () => answers('ffmpeg', '-version'),
  'srt-live-transmit': () => answers('srt-live-transmit', '-version'),
  'nginx-rtmp': () =>
    answers('nginx', '-v') && existsSync('/usr/share/nginx/modules/ngx_rtmp_module.so'),
  'gst-rtsp-server': () =>
    answers(systemPython, '-c', "import gi; gi.require_version('GstRtspServer', '1.0')"),
};

/** Of what a way needs, what this machine does not have. */
export function missing(needs: readonly Need[] = []): Need[] {
  return needs.filter((need) => !checks[need]());
}
