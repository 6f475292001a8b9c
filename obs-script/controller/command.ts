// `livesr obs`: the controller beside OBS, in the foreground.
import type { Command } from 'commander';
import { wholeWithin } from '../../elements/cli/numbers.ts';
import { Controller } from './controller.ts';
import { findWebSocketConfig } from './obs-config.ts';
import type { ControllerState } from './state.ts';

interface ObsOptions {
  readonly host: string;
  readonly port?: number;
  readonly password?: string;
  readonly relayPort: number;
  readonly latencyMs: number;
  readonly json?: true;
}

const explanation = `
The script obs-script/livesr.lua in OBS (Tools > Scripts) has the settings: the server's address, the cap
of the uplink and so on. OBS streams to srt://127.0.0.1:PORT, where PORT is --relay-port; from there it
goes on to the server, with pieces of the full picture. docs/obs.md has it step by step.

The websocket's port and password are taken from OBS's own configuration where it is found; the
environment variable LIVESR_OBS_PASSWORD and --password take precedence.`;

export function connectionOf(options: Pick<ObsOptions, 'host' | 'port' | 'password'>): {
  readonly url: string;
  readonly password: string;
} {
  const found = findWebSocketConfig();
  const port = options.port ?? found?.port ?? 4455;
  const password = options.password ?? process.env.LIVESR_OBS_PASSWORD ?? found?.password ?? '';
  return { url: `ws://${options.host}:${port}`, password };
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

async function runObs(options: ObsOptions): Promise<void> {
  let last = '';
  const controller = new Controller({
    ...connectionOf(options),
    relayPort: options.relayPort,
    latencyMs: options.latencyMs,
    log: (line) => {
      console.error(line);
    },
    onState: () => undefined,
  });
  const report = setInterval(() => {
    const { state } = controller;
    if (options.json) {
      process.stdout.write(`${JSON.stringify(withoutSecrets(state))}\n`);
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
  }
}

/** What may be shown and logged. */
export function withoutSecrets(state: ControllerState): ControllerState {
  const { status } = state.script;
  if (!status) return state;
  const hidden = { ...status, token: '', streamKey: '', canvasFile: '' };
  return { ...state, script: { ...state.script, status: hidden } };
}

export function registerObs(program: Command): void {
  program
    .command('obs')
    .description('stream from OBS with patches: the relay and the controller of the OBS script')
    .option('--host <address>', 'where OBS runs', '127.0.0.1')
    .option('--port <port>', "of OBS's websocket server", wholeWithin(1, 65_535))
    .option('--password <text>', "of OBS's websocket server")
    .option('--relay-port <port>', 'where OBS streams to', wholeWithin(1, 65_535), 7010)
    .option('--latency-ms <ms>', "SRT's latency to the server", wholeWithin(20, 60_000), 600)
    .option('--json', 'a line of JSON each second on standard output')
    .addHelpText('after', explanation)
    .action(runObs);
}
