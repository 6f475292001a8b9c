// `npm run relays -- --way 'ffmpeg -c copy, FLV'`: which patches arrive, live on this machine, through
// relays and for different orders of starting, and whether each is paired with its own frame. Prints a
// table; what each end said goes to standard error. docs/relays.md has the outcome.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { cacheDirectory } from '../../elements/measure/environment.ts';
import { numberField } from '../../elements/measure/structure.ts';
import { writeNumberedY4m } from '../e2e/numbered-clip.ts';
import { missing } from './programs.ts';
import { measure, scenarios, type Outcome } from './run.ts';
import { encoders, transports, type EncoderName, type Stream, type Transport } from './streams.ts';
import { ways } from './ways.ts';

const options = {
  transport: { type: 'string', default: 'livesr' },
  carriage: { type: 'string', default: 'sei' },
  encoder: { type: 'string', multiple: true, default: ['x264'] },
  codec: { type: 'string', default: 'residual' },
  way: { type: 'string', multiple: true, default: ['direct'] },
  scenario: { type: 'string', multiple: true, default: ['server first'] },
  runs: { type: 'string', default: '1' },
  seconds: { type: 'string', default: '20' },
  'patch-bitrate': { type: 'string', default: '100000' },
  json: { type: 'boolean', default: false },
} satisfies ParseArgsConfig['options'];

const usage = `Usage: npm run relays -- [options]
  --way NAME        may be given more than once; all, or
                    ${Object.keys(ways).join('\n                    ')}
  --scenario NAME   may be given more than once; all, or ${Object.keys(scenarios).join(' | ')}
                    (default: server first)
  --encoder NAME    may be given more than once; ${Object.keys(encoders).join(' | ')} (default: x264)
  --carriage sei|klv          inside the pictures, or a track of their own (default: sei)
  --codec residual|jpeg       of the patches (default: residual)
  --patch-bitrate BPS         (default: 100000)
  --transport ${Object.keys(transports).join('|')}    which multiplexer and demultiplexer (default: livesr)
  --runs N          of each (default: 1)
  --seconds S       with patches, from the start of the later side (default: 20)
  --json            one line each run
`;

const head = [
  'way',
  'encoder',
  'start',
  'patches sent',
  'received',
  'aligned',
  'not aligned, by cause',
  'pairs read',
  'of two frames',
  'frames',
];

const share = (part: number, whole: number): string =>
  whole > 0 ? ` (${((part / whole) * 100).toFixed(1)} %)` : '';

const count = (stats: Outcome['stats'], name: string): number => {
  const value = numberField(stats, name);
  return Number.isFinite(value) ? value : 0;
};

function row(named: readonly string[], { sent, stats, pairs }: Outcome): string[] {
  const causes = Object.entries(stats)
    .filter(
      ([name, value]) =>
        /^(?:patches|packets)-dropped-|-waiting$|^carried-(?!packets)/.test(name) &&
        typeof value === 'number' &&
        value > 0,
    )
    .map(([name, value]) => `${name.replace(/^(?:patches|packets)-(?:dropped-)?/, '')} ${value}`);
  const received = count(stats, 'patches-received');
  const aligned = count(stats, 'patches-aligned');
  const off = pairs.filter(({ high, low }) => high !== low).length;
  return [
    ...named,
    String(sent),
    String(received),
    `${aligned}${share(aligned, received)}`,
    causes.join(', ') || '–',
    String(pairs.length),
    String(off),
    String(count(stats, 'frames')),
  ];
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;

interface Wanted {
  readonly ways: readonly string[];
  readonly scenarios: readonly string[];
  readonly encoders: readonly EncoderName[];
  readonly stream: Omit<Stream, 'encoder' | 'clip'>;
  readonly runs: number;
  readonly seconds: number;
  readonly json: boolean;
}

function readArguments(): Wanted {
  const { values } = parseArgs({ options });
  const all = (names: readonly string[], known: object): readonly string[] =>
    names.includes('all') ? Object.keys(known) : names;
  const { carriage, codec, transport, json } = values;
  const wanted = {
    ways: all(values.way, ways),
    scenarios: all(values.scenario, scenarios),
    encoders: all(values.encoder, encoders) as readonly EncoderName[],
    stream: {
      transport: transport as Transport,
      carriage: carriage as Stream['carriage'],
      patchCodec: codec as Stream['patchCodec'],
      patchBitrate: Number(values['patch-bitrate']),
    },
    runs: Number(values.runs),
    seconds: Number(values.seconds),
    json,
  };
  const isKnown =
    wanted.ways.every((name) => name in ways) &&
    wanted.scenarios.every((name) => name in scenarios) &&
    wanted.encoders.every((name) => name in encoders) &&
    transport in transports &&
    ['sei', 'klv'].includes(carriage) &&
    ['residual', 'jpeg'].includes(codec) &&
    wanted.stream.patchBitrate > 0 &&
    wanted.runs > 0 &&
    wanted.seconds > 0;
  if (!isKnown) throw new Error('unknown value');
  return wanted;
}

async function makeClip(): Promise<string> {
  const folder = join(cacheDirectory(), 'arrival');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'numbered.y4m');
  if (!existsSync(path)) await writeNumberedY4m(path);
  return path;
}

async function run({ json, runs, seconds, ...wanted }: Wanted): Promise<void> {
  const clip = await makeClip();
  const out = (text: string): void => void process.stdout.write(text);
  if (!json) out(line(head) + line(head.map(() => '---')));
  for (const name of wanted.ways) {
    const way = ways[name];
    if (way === undefined) continue;
    const lacking = missing(way.needs);
    if (lacking.length > 0) {
      process.stderr.write(`${name} is left out: no ${lacking.join(', ')}\n`);
      continue;
    }
    for (const encoder of wanted.encoders) {
      for (const scenario of wanted.scenarios) {
        const times = scenarios[scenario];
        for (let i = 0; times !== undefined && i < runs; i++) {
          const outcome = await measure({ ...wanted.stream, encoder, clip }, way, times, seconds);
          const { pairs, ...rest } = outcome;
          const off = pairs.filter(({ high, low }) => high !== low);
          out(
            json
              ? `${JSON.stringify({ way: name, encoder, scenario, ...rest, pairs: pairs.length, off })}\n`
              : line(row([name, encoder, scenario], outcome)),
          );
          for (const [side, texts] of Object.entries(outcome.said)) {
            for (const text of texts) process.stderr.write(`  ${side}: ${text}\n`);
          }
        }
      }
    }
  }
}

let wanted: Wanted | undefined;
try {
  wanted = readArguments();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : ''}\n${usage}`);
  process.exitCode = 2;
}
if (wanted) await run(wanted);
