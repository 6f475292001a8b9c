import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { statusLine } from '../../elements/cli/demo.ts';
import { advise, type Calibration } from '../../elements/bench/calibrate.ts';
import {
  describe as describeFindings,
  installCommand,
  isHealthy,
  type Examination,
} from '../../elements/cli/doctor.ts';
import { explain } from '../../elements/cli/failure.ts';
import { evaluationTable } from '../../elements/cli/eval.ts';
import { rungsOf, type Evaluation } from '../../elements/measure/evaluate.ts';

const script = fileURLToPath(new URL('../../dist/elements/livesr.mjs', import.meta.url));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function livesrWith(environment: Readonly<Record<string, string>>, ...args: string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  return { code: status, stdout, stderr };
}

const livesr = (...args: string[]): Outcome => livesrWith({}, ...args);

describe('exit codes', () => {
  test('help is no failure, for the program and for each command', () => {
    const { code, stdout } = livesr('--help');
    expect(code).toBe(0);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) .*\[options\]|^ {2}([a-z]+) \[options\]/gm)]
      .map(([, first, second]) => first ?? second ?? '')
      .filter((name) => name !== '');
    expect(commands).toEqual(expect.arrayContaining(['demo', 'eval', 'doctor']));
    for (const command of commands) expect(livesr(command, '--help').code).toBe(0);
  });

  test.each([
    [['nonsense'], 'unknown command'],
    [[], 'Usage'],
    [['eval'], '--clip'],
    [['eval', '--clip', 'x', '--scale', '5'], '2, 3, 4'],
    [['eval', '--clip', 'x', '--seconds', 'ten'], 'number from 1 to 3600'],
    [['eval', '--clip', 'x', '--schemes', 'magic'], 'none of bilinear'],
    [['eval', '--clip', 'x', '--uplink', 'y'], 'neither a number'],
    [['eval', '--clip', 'no-such-file.mp4'], 'no such file'],
    [['demo', 'no-such-file.mp4'], 'no such file'],
    [['demo', '--scale', '1'], '2, 3, 4'],
  ])('%j is wrong use, and the message says of what', (args, message) => {
    const { code, stderr } = livesr(...args);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  test('a file that is no video is a failure with its cause, not a stack trace', () => {
    const { code, stderr } = livesr('eval', '--clip', script, '--seconds', '1');
    expect(code).toBe(1);
    expect(stderr).toContain(`decoding ${script} failed`);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});

describe('failures', () => {
  test('what the system refuses is one sentence with its remedy, in every command', () => {
    const { code, stderr } = livesr('ablate', '--recording', '/nope');
    expect(code).toBe(1);
    expect(stderr).toBe(
      'error: /nope: there is no such file or folder (ENOENT). Check the path.\n',
    );
  });

  test('a file of another kind is said to be one', () => {
    const { code, stderr } = livesr('ablate', '--recording', script);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: .*not as agreed.*\n$/);
  });

  test('where the code was is shown to who asks for it', () => {
    const { stderr } = livesrWith({ LIVESR_DEBUG: '1' }, 'ablate', '--recording', '/nope');
    expect(stderr).toMatch(/^\s+at /m);
  });

  test('a fault of our own is no stack trace either', () => {
    const { text, exitCode } = explain(new TypeError('x is undefined'), false);
    expect(exitCode).toBe(1);
    expect(text).toContain('error: x is undefined\n');
    expect(text).not.toMatch(/^\s+at /m);
  });
});

const healthy: Examination = {
  nodeVersion: '20.19.0',
  gstreamerVersion: '1.22.0',
  plugin: { directory: '/x/dist/gstreamer', missingElements: [] },
  cpu: { model: 'CPU', path: 'avx2', supported: ['reference', 'avx2'], problem: null },
  gpus: [],
  missingPackages: [],
  engine: {
    node: '/usr/bin/node',
    startMs: 210,
    trainingMs: 40,
    stepsPerSecond: 400,
    problem: null,
  },
};

describe('doctor', () => {
  test('on a machine that has everything it is content', () => {
    expect(isHealthy(healthy)).toBe(true);
    expect(installCommand([])).toBeNull();
    expect(describeFindings(healthy)).toContain('Everything that livesr needs is here.');
  });

  test('missing packages come with the command that installs them', () => {
    const found = { ...healthy, missingPackages: ['gstreamer1.0-plugins-bad'] };
    expect(isHealthy(found)).toBe(false);
    expect(describeFindings(found)).toContain(
      'sudo apt-get install -y --no-install-recommends gstreamer1.0-plugins-bad',
    );
  });

  test('a plugin that is not built comes with the command that builds it', () => {
    const plugin = { directory: '/x', missingElements: ['srenhancer'] };
    expect(isHealthy({ ...healthy, plugin })).toBe(false);
    expect(describeFindings({ ...healthy, plugin })).toContain('npm run build');
  });

  test('a GPU is named, and that it is not used', () => {
    const text = describeFindings({ ...healthy, gpus: ['NVIDIA H200, 580.1'] });
    expect(text).toContain('NVIDIA H200, 580.1 (not used');
  });

  test('an engine that works is timed, one that does not is a finding', () => {
    expect(describeFindings(healthy)).toContain(
      'answers after 0.21 s, trains 0.04 s after a patch',
    );
    const engine = { ...healthy.engine, problem: 'it ended (exit code 1)' };
    expect(isHealthy({ ...healthy, engine })).toBe(false);
    expect(describeFindings({ ...healthy, engine })).toContain('it ended (exit code 1)');
  });

  test.each([
    ['LIVESR_NODE', '/bin/false', 'it ended (exit code 1)'],
    ['LIVESR_NODE', '/no/node', 'LIVESR_NODE is /no/node'],
    ['LIVESR_NATIVE', script, 'native part of livesr cannot be loaded'],
    ['LIVESR_ENGINE', '/no/engine.mjs', 'there is no /no/engine.mjs'],
  ])('%s=%s is a finding, not a stack trace', (name, value, finding) => {
    const { code, stdout, stderr } = livesrWith({ [name]: value }, 'doctor');
    expect(code).toBe(1);
    expect(stdout).toContain(finding);
    expect(stderr).toBe('');
  });

  test('here, where the tests run, it finds the plugin and its JSON says so', () => {
    const { code, stdout } = livesr('doctor', '--json');
    const found = JSON.parse(stdout) as Examination & { healthy: boolean };
    expect(found.engine.problem).toBeNull();
    expect(found.engine.stepsPerSecond).toBeGreaterThan(0);
    expect(found.plugin.missingElements).toEqual([]);
    expect(found.cpu.supported).toContain('reference');
    expect(code).toBe(found.healthy ? 0 : 1);
  });
});

describe('calibration', () => {
  const target = { width: 1280, height: 720, framesPerSecond: 30 };
  const speed = (standard: number, small: number) => ({ scale: 2, frameMs: { standard, small } });

  test('advises the larger network that fits, on as few threads as it needs', () => {
    expect(advise(speed(7, 2), target, 2)).toEqual({ model: 'generic', threads: 1 });
    expect(advise(speed(50, 15), target, 4)).toEqual({ model: 'generic', threads: 3 });
    expect(advise(speed(50, 15), target, 2)).toEqual({ model: 'small', threads: 1 });
    expect(advise(speed(300, 90), target, 4)).toEqual({ model: 'bicubic', threads: 1 });
    expect(advise(speed(7, 2), { ...target, framesPerSecond: 120 }, 1)).toEqual({
      model: 'small',
      threads: 1,
    });
  });

  test('here it measures every scale, and the small network is the faster one', () => {
    const { code, stdout } = livesr('doctor', '--calibrate', '--size', '320x192', '--json');
    expect(code).toBe(0);
    const { speeds } = JSON.parse(stdout) as Calibration;
    expect(speeds.map(({ scale }) => scale)).toEqual([1.5, 2, 3, 4]);
    for (const { frameMs } of speeds) {
      expect(frameMs.small).toBeGreaterThan(0);
      expect(frameMs.small).toBeLessThan(frameMs.standard);
    }
    expect(livesr('doctor', '--calibrate', '--size', '3x3').stderr).toContain('WIDTHxHEIGHT');
  });
});

describe('what people read', () => {
  test('the status line says pace, rates, gain, state and delay', () => {
    const line = statusLine({
      timeSeconds: 7,
      framesPerSecond: 24.96,
      videoKbps: 551.3,
      patchKbps: 48.7,
      addedLatencyMs: 9.12,
      addedLatencyP99Ms: 14,
      trainingState: 'training',
      modelInUse: 'online',
      heldOutGainDb: -0.5,
    });
    expect(line).toBe(
      '  7 s  25.0 fps  video 551 kbit/s  patches 49 kbit/s  gain −0.50 dB  online model  training  +9.1 ms',
    );
  });

  test('the table has a row for each scheme, columns in line, the rung beside the ladder', () => {
    const span = {
      psnrYDb: 30,
      ssim: 0.9,
      gainOverBilinearDb: 1,
      gainOverBicubicDb: 0.5,
      worstSecondOverBicubicDb: -0.01,
      videoKbps: 590,
      patchKbps: 50,
      patchesPerSecond: 12.5,
      bytesPerPatch: 500,
    };
    const summary = { ...span, first10s: { ...span, gainOverBicubicDb: 0.25 }, perSecond: [] };
    const training = { share: 0.347, epochs: [] };
    const evaluation: Evaluation = {
      clip: 'a.mp4',
      scale: 2,
      uplinkKbps: 600,
      seconds: 60,
      schemes: {
        online: { ...summary, training },
        ladder: { ...summary, rung: { width: 854, height: 480 } },
      },
    };
    const lines = evaluationTable(evaluation).split('\n');
    const online = lines.find((line) => line.startsWith('online'));
    const ladder = lines.find((line) => line.startsWith('ladder 854x480'));
    expect(online?.length).toBe(ladder?.length);
    expect(online?.split(/\s+/).slice(1)).toEqual([
      '30.00',
      '0.9000',
      '1.00',
      '0.50',
      '-0.01',
      '0.25',
      '590.0',
      '50.0',
      '12.5',
      '500',
      '35',
    ]);
    expect(ladder?.endsWith(' -')).toBe(true);
  });

  test('rungs are native, 2/3, 1/2 and 1/3, with even sides', () => {
    expect(rungsOf(1280, 720).map(({ width, height }) => `${width}x${height}`)).toEqual([
      '1280x720',
      '854x480',
      '640x360',
      '426x240',
    ]);
    expect(rungsOf(961, 541)[0]).toEqual({ width: 961, height: 541 });
  });
});
