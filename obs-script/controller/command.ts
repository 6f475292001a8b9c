// `livesr obs`: the controller beside OBS, in the foreground.
import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import {
  addSecretOption,
  checkInputOnce,
  obsPasswordSecret,
  passphraseSecret,
  readSecret,
  secretsHelp,
  streamKeySecret,
  tokenSecret,
  withoutSecrets as shownUri,
} from '../../elements/cli/secrets.ts';
import { wholeWithin } from '../../elements/cli/numbers.ts';
import { asObsError, connectionFinding, findings, gatherFacts, type Finding } from './checks.ts';
import { Controller } from './controller.ts';
import { dockToken, readDockPage } from './dock-files.ts';
import { DockServer } from './dock-server.ts';
import { DockHistory, dockState } from './dock-state.ts';
import { ObsClient } from './obs-client.ts';
import { findWebSocketConfig, type WebSocketConfig } from './obs-config.ts';
import { ScriptChannel, type OwnSecrets } from './script-channel.ts';
import type { ControllerState, Wishes } from './state.ts';

interface ObsOptions {
  readonly host: string;
  readonly port?: number;
  readonly passwordFile?: string;
  readonly tokenFile?: string;
  readonly streamKeyFile?: string;
  readonly passphraseFile?: string;
  readonly relayPort: number;
  readonly dockPort: number;
  readonly check?: true;
  readonly screenshots?: true;
  readonly latencyMs: number;
  readonly json?: true;
}

const explanation = `
The script obs-script/livesr.lua in OBS (Tools > Scripts) has the settings: the server's address, the cap
of the uplink and so on. OBS streams to srt://127.0.0.1:PORT, where PORT is --relay-port; from there it
goes on to the server, with patches of the full-size picture. docs/obs.md has it step by step.

The websocket's port and password are taken from OBS's own configuration where it is found; the
options and environment variables take precedence. Token, stream key and SRT's passphrase, where they are
given here, count instead of what the script has, which OBS keeps with the scene collection.
${secretsHelp}`;

const nowMs = (): number => performance.now();
const runName = (): string => randomBytes(8).toString('hex');

export function connectionOf(options: Pick<ObsOptions, 'host' | 'port' | 'passwordFile'>): {
  readonly url: string;
  readonly password: string;
  readonly config: WebSocketConfig | undefined;
} {
  const found = findWebSocketConfig();
  const port = options.port ?? found?.port ?? 4455;
  const given = readSecret(obsPasswordSecret, options.passwordFile);
  const password = given === '' ? (found?.password ?? '') : given;
  return { url: `ws://${options.host}:${port}`, password, config: found };
}

function ownSecrets(options: ObsOptions): OwnSecrets {
  checkInputOnce([
    options.passwordFile,
    options.tokenFile,
    options.streamKeyFile,
    options.passphraseFile,
  ]);
  const given = {
    token: readSecret(tokenSecret, options.tokenFile),
    streamKey: readSecret(streamKeySecret, options.streamKeyFile),
    passphrase: readSecret(passphraseSecret, options.passphraseFile),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''));
}

function lineOf({ script, relay, training }: ControllerState): string {
  if (!relay.isCarrying) return 'waiting for OBS to stream';
  const kbps = (bps: number): string => (bps / 1000).toFixed(0);
  const gain = training?.gainDb ?? null;
  return (
    `uplink ${kbps(relay.capacityBps)} kbit/s  video ${script.status?.bitrateKbps ?? 0} ` +
    `(wanted ${kbps(relay.videoBps)})  patches ${kbps(relay.patchBps)} (${relay.patches})  ` +
    `rtt ${relay.rttMs.toFixed(0)} ms` +
    (gain === null ? '' : `  gain ${gain.toFixed(2)} dB, ${training?.state ?? ''}`) +
    (relay.isCalibrated ? '' : '  looking for the canvas in the stream')
  );
}

/** What is in the way, one connection's worth of looking. */
export async function check(options: ObsOptions): Promise<Finding[]> {
  const secrets = ownSecrets(options);
  const { url, password, config } = connectionOf(options);
  let client: ObsClient;
  try {
    client = await ObsClient.connect({ url, password });
  } catch (error) {
    return [connectionFinding(asObsError(error), url, config)];
  }
  try {
    const channel = new ScriptChannel(client, runName(), secrets);
    return findings(await gatherFacts(client, await channel.look(), options.relayPort));
  } finally {
    await client.close();
  }
}

async function runCheck(options: ObsOptions): Promise<void> {
  const found = await check(options);
  if (options.json) process.stdout.write(`${JSON.stringify(found)}\n`);
  else if (found.length === 0) console.log('OBS is set up for livesr.');
  else for (const { cause, remedy } of found) console.log(`${cause}\n  ${remedy}`);
  if (found.length > 0) process.exitCode = 1;
}

async function openDock(options: ObsOptions, controller: Controller): Promise<DockServer> {
  const page = readDockPage();
  const onWish = (wishes: Wishes): void => {
    controller.wish(wishes);
  };
  const token = dockToken((line) => {
    console.error(line);
  });
  const open = (port: number) => DockServer.open({ port, token, page, onWish });
  try {
    return await open(options.dockPort);
  } catch {
    // Another one may run; the dock's address is then another one as well.
    return open(0);
  }
}

async function runObs(options: ObsOptions): Promise<void> {
  if (options.check) {
    await runCheck(options);
    return;
  }
  let last = '';
  const secrets = ownSecrets(options);
  const controller = new Controller({
    ...connectionOf(options),
    secrets,
    relayPort: options.relayPort,
    latencyMs: options.latencyMs,
    screenshots: options.screenshots === true,
    run: runName(),
    nowMs,
    random: Math.random,
    log: (line) => {
      console.error(line);
    },
    onState: () => undefined,
  });
  const dock = await openDock(options, controller);
  controller.dockAddress = dock.address;
  const history = new DockHistory();
  if (!options.json) console.log(`dock: ${dock.address}`);
  const report = setInterval(() => {
    const { state } = controller;
    const atSeconds = Math.round(nowMs() / 1000);
    const shown = dockState(state, history, state.warnings, controller.format, atSeconds);
    dock.tell(shown, history.points);
    if (options.json) {
      process.stdout.write(`${JSON.stringify({ ...withoutSecrets(state), dock: dock.address })}\n`);
      return;
    }
    const line = lineOf(state);
    if (line !== last) console.log(line);
    last = line;
  }, 1000);
  const stop = (): void => {
    controller.stop();
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    await controller.run();
  } finally {
    clearInterval(report);
    dock.close();
  }
}

/** What may be shown and logged. */
export function withoutSecrets(state: ControllerState): ControllerState {
  const { status } = state.script;
  if (!status) return state;
  const hidden = {
    ...status,
    server: shownUri(status.server),
    feedback: shownUri(status.feedback),
    token: '',
    streamKey: '',
    passphrase: '',
    canvasFile: '',
  };
  return { ...state, script: { ...state.script, status: hidden } };
}

export function registerObs(program: Command): void {
  const command = program
    .command('obs')
    .description('stream from OBS with patches: the relay and the controller of the OBS script')
    .option('--host <address>', 'where OBS runs', '127.0.0.1')
    .option('--port <port>', "of OBS's websocket server", wholeWithin(1, 65_535))
    .option('--relay-port <port>', 'where OBS streams to', wholeWithin(1, 65_535), 7010)
    .option('--dock-port <port>', 'of the dock', wholeWithin(1, 65_535), 7011)
    .option('--screenshots', 'canvas by screenshots even where the script could hand it over')
    .option('--check', "say what is missing in OBS's set-up and how to mend it, and end")
    .option('--latency-ms <ms>', "SRT's latency to the server", wholeWithin(20, 60_000), 600)
    .option('--json', 'a line of JSON each second on standard output')
    .addHelpText('after', explanation)
    .action(runObs);
  for (const secret of [obsPasswordSecret, tokenSecret, streamKeySecret, passphraseSecret]) {
    addSecretOption(command, secret);
  }
}
