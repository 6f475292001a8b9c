// libtorch as a peer of the training step: a program of its own (plugin/bench), since it is optional.
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Architecture } from '../bridge/index.ts';
import { distDirectory } from '../measure/environment.ts';

export class LibtorchTrainer {
  private readonly lines: AsyncIterator<string>;

  private constructor(private readonly child: ChildProcessWithoutNullStreams) {
    child.on('error', () => undefined); // shows as an end of its output
    child.stdin.on('error', () => undefined);
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** null where libtorch is absent: the program not built, or its libraries gone since. */
  static async create(
    a: Architecture,
    batch: number,
    window: number,
  ): Promise<LibtorchTrainer | null> {
    const program = join(distDirectory, 'native', 'libtorch-step');
    if (!existsSync(program)) return null;
    const args = [a.scale, a.channels, a.layers, batch, window].map(String);
    const trainer = new LibtorchTrainer(spawn(program, args, { stdio: 'pipe' }));
    return (await trainer.ask()) === null ? null : trainer;
  }

  /** Takes one step; milliseconds as the program measured them. */
  async step(): Promise<number> {
    const milliseconds = await this.ask();
    if (milliseconds === null) throw new Error('libtorch-step ended before it was asked to');
    return milliseconds;
  }

  async release(): Promise<void> {
    const exited = once(this.child, 'exit');
    this.child.stdin.end();
    await exited;
  }

  private async ask(): Promise<number | null> {
    this.child.stdin.write('\n');
    const line = await this.lines.next();
    return line.done === true ? null : Number(line.value);
  }
}
