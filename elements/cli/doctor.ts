// `livesr doctor`: what livesr finds on this machine, what is missing, and the command that installs it.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import packages from '../../scripts/packages.json' with { type: 'json' };
import { calibrate, describeCalibration } from '../bench/calibrate.ts';
import { native } from '../bridge/index.ts';
import { gstreamerEnvironment, pluginDirectory } from '../measure/environment.ts';
import { checkEngine, type EngineFinding } from './engine-check.ts';
import { numberWithin, sizeOf } from './numbers.ts';

const ourElements = ['patchsender', 'patchpicker', 'srenhancer', 'livesrmux', 'livesrdemux'];

export interface Examination {
  readonly nodeVersion: string;
  readonly gstreamerVersion: string | null;
  readonly plugin: { readonly directory: string; readonly missingElements: readonly string[] };
  readonly cpu: {
    readonly model: string | null;
    /** What the kernels run on, and all that they could run on; null when the core cannot be loaded. */
    readonly path: string | null;
    readonly supported: readonly string[];
    readonly problem: string | null;
  };
  /** What the driver names; this version computes on the CPU only. */
  readonly gpus: readonly string[];
  readonly missingPackages: readonly string[];
  readonly engine: EngineFinding;
}

/** Standard output, or undefined when the program is not there or fails. */
function output(program: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(program, args, {
      encoding: 'utf8',
      env: gstreamerEnvironment(),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return undefined;
  }
}

// Without a version gst-inspect asks for GStreamer's own, which our plugin does not share.
const hasElement = (name: string): boolean =>
  output('gst-inspect-1.0', ['--exists', '--atleast-version=0.0', name]) !== undefined;

/** What the loader says goes on with what to do, which doctor says itself. */
const firstLines = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error))
    .split('\n')
    .slice(0, 2)
    .map((line) => line.trim())
    .join(': ');

/** A package counts as there when its elements are, wherever they came from; others by dpkg. */
function isMissing(entry: (typeof packages)[number]): boolean {
  if (entry.elements !== undefined) return !entry.elements.every(hasElement);
  const status = output('dpkg-query', ['-W', '-f', '${db:Status-Abbrev}', entry.package]);
  return status?.startsWith('ii') !== true;
}

function examineCpu(): Examination['cpu'] {
  const cpuInfo = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
  const model = /^model name\s*:\s*(.+)$/m.exec(cpuInfo)?.[1] ?? null;
  try {
    const { isa, supported } = native().cpu();
    return { model, path: isa, supported, problem: null };
  } catch (error) {
    return { model, path: null, supported: [], problem: firstLines(error) };
  }
}

export async function examine(): Promise<Examination> {
  const gpus = output('nvidia-smi', ['--query-gpu=name,driver_version', '--format=csv,noheader']);
  const version = output('gst-inspect-1.0', ['--version']);
  return {
    nodeVersion: process.versions.node,
    gstreamerVersion: /^GStreamer (\S+)$/m.exec(version ?? '')?.[1] ?? null,
    plugin: {
      directory: pluginDirectory,
      missingElements: ourElements.filter((name) => !hasElement(name)),
    },
    cpu: examineCpu(),
    gpus: (gpus ?? '').split('\n').filter((line) => line !== ''),
    // Only a source tree is built; what is published needs no compilers.
    missingPackages: packages
      .filter((entry) => entry.for === 'running' || isSourceTree())
      .filter(isMissing)
      .map((entry) => entry.package),
    engine: await checkEngine(process.env),
  };
}

const isSourceTree = (): boolean => existsSync(`${dirname(dirname(pluginDirectory))}/plugin`);

/** The command that installs what is missing; null when nothing is. */
export function installCommand(missingPackages: readonly string[]): string | null {
  if (missingPackages.length === 0) return null;
  return `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missingPackages.join(' ')}`;
}

export function isHealthy(found: Examination): boolean {
  return (
    found.gstreamerVersion !== null &&
    found.plugin.missingElements.length === 0 &&
    found.cpu.path !== null &&
    found.engine.problem === null &&
    found.missingPackages.length === 0
  );
}

function describeEngine({
  problem,
  node,
  startMs,
  trainingMs,
  stepsPerSecond,
}: EngineFinding): string {
  if (problem !== null) return problem;
  const seconds = (ms: number | null): string => ((ms ?? 0) / 1000).toFixed(2);
  return (
    `${node ?? ''} answers after ${seconds(startMs)} s, trains ${seconds(trainingMs)} s after a patch, ` +
    `${(stepsPerSecond ?? 0).toFixed(0)} steps/s`
  );
}

/** The examination for a person to read: one line a subject, then what to do. */
export function describe(found: Examination): string {
  const { plugin, cpu } = found;
  const lines = [
    ['Node', found.nodeVersion],
    ['GStreamer', found.gstreamerVersion ?? 'not found'],
    [
      'plugin',
      plugin.missingElements.length === 0
        ? `found in ${plugin.directory}`
        : `no ${plugin.missingElements.join(', ')} in ${plugin.directory}`,
    ],
    ['CPU', cpu.model ?? 'unknown'],
    [
      'kernels',
      cpu.path === null
        ? (cpu.problem ?? 'not found')
        : `${cpu.path} (this machine has ${cpu.supported.join(', ')})`,
    ],
    [
      'GPU',
      found.gpus.length === 0
        ? 'none found; none is needed'
        : `${found.gpus.join('; ')} (not used: this version computes on the CPU)`,
    ],
    ['engine', describeEngine(found.engine)],
    ['missing', found.missingPackages.length === 0 ? 'nothing' : found.missingPackages.join(' ')],
  ].map(([name, value]) => `${(name ?? '').padEnd(10)} ${value ?? ''}`);

  const remedies: string[] = [];
  const install = installCommand(found.missingPackages);
  if (install !== null) remedies.push(`Install what is missing:\n  ${install}`);
  if (plugin.missingElements.length > 0 || cpu.path === null) {
    remedies.push('Build the native part:\n  npm run build');
  }
  if (remedies.length === 0 && found.engine.problem !== null) {
    remedies.push(
      'The engine does not work. LIVESR_ENGINE_LOG=FILE keeps what it did; LIVESR_NODE names the node that runs it.',
    );
  }
  if (remedies.length === 0) remedies.push('Everything that livesr needs is here.');
  return [...lines, '', ...remedies].join('\n');
}

interface DoctorOptions {
  readonly calibrate?: true;
  readonly size: { readonly width: number; readonly height: number };
  readonly fps: number;
  readonly json?: true;
}

export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('say what was found on this machine, what is missing and how to install it')
    .option('--calibrate', 'measure instead which network this machine has time for')
    .option('--size <WxH>', 'the picture to calibrate for', sizeOf, { width: 1280, height: 720 })
    .option('--fps <n>', 'frames a second to calibrate for', numberWithin(1, 240), 30)
    .option('--json', 'print the findings as JSON')
    .action(async (options: DoctorOptions) => {
      if (options.calibrate) {
        const found = calibrate({ ...options.size, framesPerSecond: options.fps });
        console.log(options.json ? JSON.stringify(found, null, 2) : describeCalibration(found));
        return;
      }
      const found = await examine();
      const healthy = isHealthy(found);
      console.log(
        options.json
          ? JSON.stringify(
              { ...found, healthy, install: installCommand(found.missingPackages) },
              null,
              2,
            )
          : describe(found),
      );
      process.exitCode = healthy ? 0 : 1;
    });
}
