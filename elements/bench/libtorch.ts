// libtorch as a peer of the training step: a program of its own (plugin/bench), since it is optional.
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Architecture } from '../bridge/index.ts';
import { distDirectory } from '../measure/environment.ts';

/** The program, beside the addon; null where it was not built because libtorch is absent. */
export function libtorchProgram(): string | null {
  const program = join(distDirectory, 'native', 'libtorch-step');
  return existsSync(program) ? program : null;
}

export class LibtorchTrainer {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: AsyncIterator<string>;

  constructor(program: string, a: Architecture, batch: number, window: number) {
    const args = [a.scale, a.channels, a.layers, batch, window].map(String);
    this.child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stderr.pipe(process.stderr);
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** Takes one step; milliseconds as the program measured them. */
  async step(): Promise<number> {
    this.child.stdin.write('\n');
    const line = await this.lines.next();
    if (line.done === true) throw new Error('libtorch-step ended before it was asked to');
    return Number(line.value);
  }

  async release(): Promise<void> {
    const exited = once(this.child, 'exit');
    this.child.stdin.end();
    await exited;
  }
}
