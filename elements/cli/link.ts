// `livesr link`: a bad uplink on one machine. A UDP relay with a bottleneck, for tests and for people.
import { setInterval } from 'node:timers';
import { InvalidArgumentError, type Command } from 'commander';
import type { LinkShape } from '../link/bottleneck.ts';
import { openRate } from '../link/rates.ts';
import { Relay, type RelayCounts } from '../link/relay.ts';
import { seededRandom } from '../patch-sender/random.ts';
import { UplinkError } from '../patch-sender/uplink.ts';
import { Failure, UsageError } from './failure.ts';
import { numberWithin, wholeWithin } from './numbers.ts';

interface LinkOptions {
  readonly listen: number;
  readonly address: string;
  readonly to: { readonly host: string; readonly port: number };
  readonly rate: string;
  readonly queueMs: number;
  readonly queueBytes: number;
  readonly delayMs: number;
  readonly jitterMs: number;
  readonly loss: number;
  readonly seconds?: number;
  readonly seed: number;
  readonly json?: true;
}

const explanation = `
What comes to the port passes a bottleneck and goes on to the server; what the server answers only
takes its time. Rates and bytes count IP and UDP headers. Time begins with the relay.

  livesr link --listen 7000 --to 127.0.0.1:7001 --rate 3000@0,800@20,2000@40 --delay-ms 20

sends at 3 Mbit/s, from second 20 on at 0.8, from second 40 on at 2. A file is a trace: mahimahi (a line
is the time in ms of an opportunity to deliver 1500 bytes) or two columns (seconds, Mbit/s). Both
repeat.`;

function hostAndPort(text: string): LinkOptions['to'] {
  const [, host, portText] = /^(.+):(\d+)$/.exec(text) ?? [];
  const port = Number(portText);
  if (host === undefined || !(port >= 1 && port <= 65_535)) {
    throw new InvalidArgumentError('Give HOST:PORT.');
  }
  return { host, port };
}

function shapeOf(options: LinkOptions): LinkShape {
  try {
    return {
      carried: openRate(options.rate),
      delaySeconds: options.delayMs / 1000,
      jitterSeconds: options.jitterMs / 1000,
      lossShare: options.loss,
      queueSeconds: options.queueMs / 1000,
      queueBytes: options.queueBytes,
    };
  } catch (error) {
    if (error instanceof UplinkError) throw new UsageError(error.message);
    throw error;
  }
}

/** One second of the link, as --json writes it. */
interface LinkReport {
  readonly seconds: number;
  readonly deliveredKbps: number;
  readonly dropped: number;
  readonly lost: number;
  readonly returned: number;
  readonly delayMeanMs: number;
  readonly delayMostMs: number;
}

function reportOf(
  seconds: number,
  before: RelayCounts,
  now: RelayCounts,
  delaysSeconds: readonly number[],
): LinkReport {
  const sum = delaysSeconds.reduce((total, delay) => total + delay, 0);
  const toMs = (value: number): number => Math.round(value * 10_000) / 10;
  return {
    seconds,
    deliveredKbps: ((now.deliveredBytes - before.deliveredBytes) * 8) / 1000,
    dropped: now.dropped - before.dropped,
    lost: now.lost - before.lost,
    returned: now.returned - before.returned,
    delayMeanMs: toMs(sum / Math.max(1, delaysSeconds.length)),
    delayMostMs: toMs(Math.max(0, ...delaysSeconds)),
  };
}

async function runLink(options: LinkOptions): Promise<void> {
  const startMs = performance.now();
  let relay: Relay;
  try {
    relay = await Relay.open({
      listenAddress: options.address,
      listenPort: options.listen,
      serverHost: options.to.host,
      serverPort: options.to.port,
      shape: shapeOf(options),
      random: seededRandom(options.seed),
      now: () => (performance.now() - startMs) / 1000,
    });
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(`cannot listen on ${options.address}:${options.listen}: ${reason}`);
  }
  console.error(
    `${options.address}:${relay.port} -> ${options.to.host}:${options.to.port}, Ctrl+C ends it`,
  );
  let before = relay.counts;
  let second = 0;
  const timer = setInterval(() => {
    const now = relay.counts;
    second++;
    const report = reportOf(second, before, now, relay.takeDelaysSeconds());
    before = now;
    if (options.json) {
      process.stdout.write(`${JSON.stringify(report)}\n`);
    } else {
      const { deliveredKbps, delayMeanMs, delayMostMs, dropped, lost } = report;
      console.log(
        `${String(second).padStart(5)} s  ${deliveredKbps.toFixed(0).padStart(6)} kbit/s  ` +
          `delay ${delayMeanMs.toFixed(0)} ms, at most ${delayMostMs.toFixed(0)}  ` +
          `dropped ${dropped}  lost ${lost}`,
      );
    }
  }, 1000);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
    if (options.seconds !== undefined) setTimeout(resolve, options.seconds * 1000);
  });
  clearInterval(timer);
  relay.close();
}

export function registerLink(program: Command): void {
  program
    .command('link')
    .description('relay UDP over an emulated link: rate, queue, delay, jitter, loss')
    .requiredOption('--to <host:port>', 'the server', hostAndPort)
    .option('--listen <port>', 'port to listen on; 0: any that is free', wholeWithin(0, 65_535), 0)
    .option('--address <address>', 'address to listen on', '127.0.0.1')
    .option('--rate <kbits|steps|trace>', 'kbit/s, KBITS@SECONDS,…, or a trace file', '2000')
    .option('--queue-ms <ms>', 'longest wait in the queue', numberWithin(0, 60_000), 300)
    .option('--queue-bytes <bytes>', 'longest queue', numberWithin(1500, 1e9), 1e9)
    .option('--delay-ms <ms>', 'delay each way', numberWithin(0, 10_000), 20)
    .option('--jitter-ms <ms>', 'at most this much more, order kept', numberWithin(0, 10_000), 0)
    .option('--loss <share>', 'share of packets lost at random', numberWithin(0, 1), 0)
    .option('--seconds <s>', 'end after this time', numberWithin(0.1, 1e6))
    .option('--seed <n>', 'seed of jitter and loss', wholeWithin(0, 2 ** 31 - 1), 1)
    .option('--json', 'a line of JSON each second on standard output')
    .addHelpText('after', explanation)
    .action(runLink);
}
