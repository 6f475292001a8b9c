// `npm run soak -- [--minutes N | --short] [--json FILE]`: a live stream over a link, while what can fail in
// the field fails again and again. Ends with 1 when the stream did not bear it.
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openSession, type Clip } from '../../elements/measure/clip.ts';
import { cacheDirectory } from '../../elements/measure/environment.ts';
import { writeLettering } from '../attack/lettering.ts';
import { recoverySeconds, soak, type FaultReport, type SoakReport } from './run.ts';
import { longSchedule, shortSchedule } from './schedule.ts';

const usage = `Usage: npm run soak -- [options]
  --minutes N    how long (60): the link is cut for 10 s every 5 minutes, the engine killed every 7,
                 stopped every 11, the sender restarted every 13
  --short        each fault once, in 76 s
  --clip FILE    what is streamed; may be given several times, they take turns (letters that scroll)
  --size WxH     its size (960x540)
  --json FILE    the whole report
`;

const maxSlopeMbPerMinute = 1;
/** A shorter time says nothing of how memory grows: the engine is still filling its pool. */
const minutesForSlope = 20;
const switchSeconds = 20;
const clipSeconds = 20;

async function clipOf(files: readonly string[], size: string): Promise<Clip> {
  const [width = 0, height = 0] = size.split('x').map(Number);
  if (files.length > 0) {
    return openSession(files, clipSeconds, switchSeconds, { width, height });
  }
  const framesPerSecond = 25;
  const folder = join(cacheDirectory(), 'soak');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `letters-${width}x${height}.y4m`);
  if (!existsSync(path)) {
    const unfinished = `${path}.${process.pid}`;
    writeLettering(unfinished, { width, height, frames: 100, framesPerSecond });
    renameSync(unfinished, path);
  }
  const frameRate = { numerator: framesPerSecond, denominator: 1 };
  return { path, width, height, frameRate, frameCount: 100 };
}

function faultsOf(report: SoakReport): string[] {
  const faults: string[] = [];
  if (report.ended !== undefined) faults.push(`the server's pipeline ended: ${report.ended}`);
  for (const { atSeconds, bySeconds } of report.stepsBack) {
    faults.push(`time stamps step back by ${bySeconds.toFixed(3)} s at ${atSeconds.toFixed(0)} s`);
  }
  if (report.seconds >= minutesForSlope * 60 && !(report.slopeMbPerMinute < maxSlopeMbPerMinute)) {
    faults.push(`memory grows by ${report.slopeMbPerMinute.toFixed(2)} MB a minute`);
  }
  for (const { kind, atSeconds, ...fault } of report.faults) {
    const name = `${kind} at ${atSeconds} s`;
    if (Number.isNaN(fault.picturesAfterSeconds)) faults.push(`${name}: no pictures came again`);
    if (Number.isNaN(fault.trainingAfterSeconds)) {
      faults.push(`${name}: no training within ${recoverySeconds} s`);
    }
    if (fault.said.length === 0) faults.push(`${name}: nothing said so`);
  }
  return faults;
}

function row({ kind, atSeconds, ...fault }: FaultReport): string {
  const said = fault.said.map((text) => text.replaceAll(/[\n|]/g, ' ').slice(0, 160)).join('; ');
  return (
    `| ${(atSeconds / 60).toFixed(1)} | ${kind} | ${fault.picturesAfterSeconds.toFixed(1)} ` +
    `| ${fault.trainingAfterSeconds.toFixed(1)} | ${(fault.longestGapMs / 1000).toFixed(2)} | ${said} |\n`
  );
}

function print(report: SoakReport, faults: readonly string[]): void {
  const out = (text: string): void => void process.stdout.write(text);
  out(
    '\n| at, min | fault | pictures back after, s | training back after, s | longest gap, s | said |\n' +
      '| --- | --- | --- | --- | --- | --- |\n',
  );
  for (const fault of report.faults) out(row(fault));
  const maxMb = Math.max(...report.samples.map(({ residentMb }) => residentMb));
  out(
    `\n${report.seconds.toFixed(0)} s, ${report.frames} frames; steps back: ${report.stepsBack.length}; ` +
      `server and engine ${maxMb.toFixed(0)} MB at the highest, slope from second ` +
      `${report.slopeFromSeconds.toFixed(0)} on ${report.slopeMbPerMinute.toFixed(2)} MB a minute\n`,
  );
  for (const fault of faults) out(`broken: ${fault}\n`);
  if (faults.length === 0) out('borne\n');
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '60' },
      short: { type: 'boolean' },
      clip: { type: 'string', multiple: true },
      size: { type: 'string', default: '960x540' },
      json: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  const minutes = Number(values.minutes);
  if (values.help || !(minutes >= 1) || !/^\d+x\d+$/.test(values.size)) {
    process.stdout.write(usage);
    return values.help ? 0 : 2;
  }
  const clip = await clipOf(values.clip ?? [], values.size);
  const schedule = values.short ? shortSchedule() : longSchedule(minutes);
  const report = await soak(clip, schedule, (line) => process.stderr.write(`${line}\n`));
  const faults = faultsOf(report);
  if (values.json !== undefined) {
    writeFileSync(values.json, JSON.stringify({ ...report, broken: faults }, null, 1));
  }
  print(report, faults);
  return faults.length === 0 ? 0 : 1;
}

process.exit(await main());
