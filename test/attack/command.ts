// `npm run attack -- [--seconds N] [--only TEXT] [--json FILE]`: attacks a real server and says what each
// attack did. Ends with 1 when one of them broke a ceiling.
import { appendFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ceilings, faultsOf, faultsOfAll } from './ceilings.ts';
import { prepareMaterial } from './material.ts';
import { roleArgument, runRole } from './roles.ts';
import { attackNames, runAttack, runTogether, type Outcome } from './run.ts';
import { streamAttacks } from './stream-attacks.ts';

const usage = `Usage: npm run attack -- [options]
  --seconds N   how long each attack lasts (20)
  --together    all on one server, one after the other (4 s each is enough)
  --max-p99-ms N  ceiling of added latency (33.3); of a busy machine only a higher one says anything
  --only TEXT   attacks whose name contains it; may be given several times
  --list        names of all attacks
  --json FILE   a line of JSON for each attack
`;

function row(outcome: Outcome, faults: readonly string[]): string {
  const { victim, neighbour, seconds } = outcome;
  const rate = (frames: number): string => (frames / seconds).toFixed(1);
  return [
    outcome.attack,
    `${rate(victim.framesOut)} of ${rate(victim.framesSent)}`,
    `${victim.delayP99Ms.toFixed(0)} / ${victim.delayMaxMs.toFixed(0)}`,
    `${outcome.residentMbBefore.toFixed(0)} → ${outcome.maxResidentMb.toFixed(0)}`,
    `${victim.pairs} / ${victim.steps}`,
    `${rate(neighbour.framesOut)}, ${neighbour.pairs} / ${neighbour.steps}`,
    faults.length === 0 ? 'borne' : faults.join('; ').replaceAll('\n', ' ').replaceAll('|', '/'),
  ].join(' | ');
}

const heading =
  '| attack | frames/s shown of sent | added latency p99 / max, ms | server and engine, MB | pairs / steps | neighbour: frames/s, pairs / steps | outcome |\n' +
  '| --- | --- | --- | --- | --- | --- | --- |\n';

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '20' },
      together: { type: 'boolean' },
      'max-p99-ms': { type: 'string', default: String(ceilings.maxDelayP99Ms) },
      only: { type: 'string', multiple: true },
      list: { type: 'boolean' },
      json: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  const seconds = Number(values.seconds);
  if (values.help || !(seconds >= 1)) {
    process.stdout.write(usage);
    return values.help ? 0 : 2;
  }
  const chosen = attackNames.filter((name) =>
    (values.only ?? ['']).some((text) => name.includes(text)),
  );
  if (values.list) {
    process.stdout.write(chosen.map((name) => `${name}\n`).join(''));
    return 0;
  }
  const materials = chosen.flatMap((name) => streamAttacks[name]?.materials ?? []);
  for (const name of new Set(['victim', 'neighbour', ...materials] as const)) {
    await prepareMaterial(name);
  }
  if (values.json !== undefined) writeFileSync(values.json, '');
  process.stdout.write(heading);
  const limits = { ...ceilings, maxDelayP99Ms: Number(values['max-p99-ms']) };
  let broken = 0;
  const tell = (outcome: Outcome): void => {
    const faults = faultsOf(outcome, limits);
    if (faults.length > 0) broken++;
    process.stdout.write(`| ${row(outcome, faults)} |\n`);
    if (values.json !== undefined) {
      appendFileSync(values.json, `${JSON.stringify({ ...outcome, faults })}\n`);
    }
  };
  if (values.together) {
    const outcomes: Outcome[] = [];
    await runTogether(seconds, (outcome) => {
      outcomes.push(outcome);
      tell(outcome);
    });
    const faults = faultsOfAll(outcomes, limits);
    for (const fault of faults) process.stdout.write(`all together: ${fault}\n`);
    return faults.length === 0 ? 0 : 1;
  } else {
    for (const name of chosen) tell(await runAttack(name, seconds));
  }
  return broken === 0 ? 0 : 1;
}

const [first, role] = process.argv.slice(2);
if (first === roleArgument && role !== undefined) await runRole(role);
else process.exit(await main());
