// Which patches arrive and are aligned, live over SRT on this machine: for different orders of
// starting, and through relays.
//
//   node scripts/patch-arrival.mjs --way direct --scenario 'sender after 5 s' --runs 3
//
// Prints a table; what each end said follows it. docs/relays.md has the outcome.
import { parseArgs } from 'node:util';
import { scenarios, measure } from './arrival/scenarios.mjs';
import { transports, ways } from './arrival/streams.mjs';
import { runMain, say, SetupError } from './shell.mjs';

const options = {
  transport: { type: 'string', default: 'livesr' },
  carriage: { type: 'string', default: 'sei' },
  way: { type: 'string', multiple: true, default: ['direct'] },
  scenario: { type: 'string', multiple: true, default: Object.keys(scenarios) },
  runs: { type: 'string', default: '1' },
  seconds: { type: 'string', default: '12' },
  clip: { type: 'string' },
  record: { type: 'string' },
  json: { type: 'boolean', default: false },
};

const usage = `Usage: node scripts/patch-arrival.mjs [options]
  --transport NAME  ${Object.keys(transports).join(' | ')}: which muxer and demuxer (default: livesr)
  --carriage sei|klv  inside the pictures, or a track of their own (default: sei)
  --way NAME        may be given more than once; all: ${Object.keys(ways).join(' | ')}
  --scenario NAME   may be given more than once (default: each of them):
                    ${Object.keys(scenarios).join(' | ')}
  --runs N          of each (default: 1)
  --seconds S       from the start of the later side (default: 12)
  --clip FILE.y4m   in place of a test picture
  --record FILE     in place of the server: what it would receive goes to a file
  --json            the counters, one line each run`;

function readArguments() {
  let values;
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    throw new SetupError(`${error.message}\n${usage}`);
  }
  const all = (names, known) => (names.includes('all') ? Object.keys(known) : names);
  const wanted = {
    ...values,
    way: all(values.way, ways),
    scenario: all(values.scenario, scenarios),
    runs: Number(values.runs),
    seconds: Number(values.seconds),
  };
  const isKnown =
    wanted.transport in transports &&
    ['sei', 'klv'].includes(wanted.carriage) &&
    wanted.way.every((name) => name in ways) &&
    wanted.scenario.every((name) => name in scenarios) &&
    wanted.runs > 0 &&
    wanted.seconds > 0;
  if (!isKnown) throw new SetupError(usage);
  return wanted;
}

const head = [
  'way',
  'start',
  'patches sent',
  'received',
  'lost before the server',
  'aligned',
  'not aligned, by cause',
  'first received, s',
  'first aligned, s',
  'frames',
];

const share = (part, whole) => (whole > 0 ? ` (${((part / whole) * 100).toFixed(0)} %)` : '');

function row({ name, way, sent, stats, firsts }) {
  const causes = Object.entries(stats)
    .filter(([field, value]) => /^(patches|packets)-dropped-|-waiting$/.test(field) && value > 0)
    .map(([field, value]) => `${field.replace(/^(patches|packets)-(dropped-)?/, '')} ${value}`);
  const received = stats['patches-received'] ?? 0;
  const aligned = stats['patches-aligned'] ?? 0;
  return [
    way,
    name,
    sent,
    received,
    stats['packets-lost'] ?? 0,
    `${aligned}${share(aligned, received)}`,
    causes.join(', ') || '–',
    firsts.received?.toFixed(1) ?? 'never',
    firsts.aligned?.toFixed(1) ?? 'never',
    stats.frames ?? 0,
  ];
}

const line = (cells) => `| ${cells.join(' | ')} |`;

await runMain(async () => {
  const wanted = readArguments();
  if (!wanted.json) console.log(`${line(head)}\n${line(head.map(() => '---'))}`);
  for (const way of wanted.way) {
    for (const scenario of wanted.scenario) {
      for (let run = 0; run < wanted.runs; run++) {
        const outcome = await measure(scenario, { ...wanted, way });
        console.log(wanted.json ? JSON.stringify(outcome) : line(row(outcome)));
        for (const [side, texts] of Object.entries(outcome.said)) {
          for (const text of new Set(texts)) say(`  ${side}: ${text}`);
        }
      }
    }
  }
});
