// Runs doctest executables and reads what they report, so that vitest can show each case as a test.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';

export interface DoctestCase {
  readonly name: string;
  /** file:line, which tells cases of one name apart. */
  readonly location: string;
}

export interface DoctestOutcome {
  readonly passed: boolean;
  /** Failed assertions, or what became of a case that has no end. */
  readonly detail: string;
}

export interface DoctestRun {
  /** By location. A case that the run did not reach is absent. */
  readonly outcomes: ReadonlyMap<string, DoctestOutcome>;
  /** Exit status, or the name of the signal that ended the run. */
  readonly end: number | string;
  /** Last part of standard output and error: a sanitizer's report stands there. */
  readonly log: string;
}

const caseElement =
  /<TestCase name="([^"]*)" filename="([^"]*)" line="(\d+)"[^>]*?(?:\/>|>([\s\S]*?)(?:<\/TestCase>|$))/g;

function decodeEntities(text: string): string {
  const named: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
  return text.replace(/&(#x?)?(\w+);/g, (whole, number: string | undefined, body: string) => {
    if (number === undefined) return named[body] ?? whole;
    return String.fromCodePoint(Number.parseInt(body, number === '#x' ? 16 : 10));
  });
}

/** Cases of doctest's XML, with what stands inside each: results after a run, nothing in a listing. */
function* casesOf(xml: string): Generator<DoctestCase & { readonly body: string }> {
  for (const [, name = '', file = '', line = '', body = ''] of xml.matchAll(caseElement)) {
    yield {
      name: decodeEntities(name),
      location: `${decodeEntities(file)}:${line}`,
      body,
    };
  }
}

export function parseListing(xml: string): DoctestCase[] {
  return [...casesOf(xml)].map(({ name, location }) => ({ name, location }));
}

/** Elements of a report as lines of text: where, what, and its values. */
function readable(body: string): string {
  return decodeEntities(
    body
      .replace(/<(?:Expression|Message|Exception)\b([^>]*)>/g, (_, attributes: string) => {
        const at = /filename="([^"]*)" line="(\d+)"/.exec(attributes);
        return at ? `${at[1] ?? ''}:${at[2] ?? ''}` : '';
      })
      .replace(/<[^>]*>/g, ''),
  )
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');
}

export function parseOutcomes(xml: string): Map<string, DoctestOutcome> {
  const outcomes = new Map<string, DoctestOutcome>();
  for (const { location, body } of casesOf(xml)) {
    const end = /<OverallResultsAsserts[^>]*test_case_success="(true|false)"/.exec(body);
    outcomes.set(location, {
      passed: end?.[1] === 'true',
      detail: end ? readable(body) : `the run ended in the middle of this case\n${readable(body)}`,
    });
  }
  return outcomes;
}

export function listCases(executable: string, environment: NodeJS.ProcessEnv): DoctestCase[] {
  return parseListing(
    execFileSync(executable, ['--list-test-cases', '--reporters=xml'], {
      encoding: 'utf8',
      env: environment,
      maxBuffer: 64 << 20,
    }),
  );
}

export async function runCases(
  executable: string,
  environment: NodeJS.ProcessEnv,
): Promise<DoctestRun> {
  const report = `${executable}.xml`;
  rmSync(report, { force: true });
  const child = spawn(executable, ['--reporters=xml', `--out=${report}`], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-8000);
    });
  }
  const end = await new Promise<number | string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve(code ?? signal ?? 'unknown');
    });
  });
  let xml = '';
  try {
    xml = readFileSync(report, 'utf8');
  } catch {
    // Nothing was reported: every case will say so.
  }
  return { outcomes: parseOutcomes(xml), end, log };
}
