// The controller: keeps in touch with OBS and the script, runs the relay, matches canvas and stream, and
// passes the scheduler's rate on. What is decided is in pairing.ts, in patchpicker's engine and in the
// script; here is who talks to whom, and what happens when one of them goes away.
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../../elements/feedback/backoff.ts';
import { FeedbackClient } from '../../elements/feedback/client.ts';
import { feedbackVersion } from '../../elements/feedback/messages.ts';
import { numberField } from '../../elements/measure/structure.ts';
import { CanvasSources } from './canvas-sources.ts';
import { CanvasMatcher } from './canvas-matcher.ts';
import { asObsError, connectionFinding, findings, gatherFacts, type Finding } from './checks.ts';
import { ObsClient, ObsError } from './obs-client.ts';
import type { WebSocketConfig } from './obs-config.ts';
import { Relay, type RelaySettings } from './relay.ts';
import { ScriptChannel, type Answer, type ScriptStatus } from './script-channel.ts';
import { initialState, type ControllerState, type Wishes } from './state.ts';
import { readStreamFormat, type StreamFormat } from './stream-format.ts';

export interface ControllerOptions {
  readonly url: string;
  readonly password: string;
  readonly relayPort: number;
  /** What OBS's own configuration says, where it was found. */
  readonly config: WebSocketConfig | undefined;
  readonly latencyMs: number;
  /** Even where the script could hand frames over. */
  readonly screenshots: boolean;
  /** This run's name: so the script tells our wishes from another run's. */
  readonly run: string;
  /** A clock that only goes on, ms. */
  readonly nowMs: () => number;
  /** Within [0, 1): spreads attempts to connect over time. */
  readonly random: () => number;
  readonly log: (line: string) => void;
  /** After each second, and when something has changed. */
  readonly onState: (state: ControllerState) => void;
}

const beatMs = 1000;
const grabsPerSecond = 10;
const canvasDelayMs = 600;
/** OBS has stopped, or its connection hangs. */
const silentStreamMs = 5000;

export class Controller {
  readonly #options: ControllerOptions;
  readonly #stopping = new AbortController();
  #state: ControllerState = initialState;
  #wishes: Wishes = {};
  #dockAddress = '';
  #client: ObsClient | undefined;
  #channel: ScriptChannel | undefined;
  #format: StreamFormat | undefined;
  #relay: Relay | undefined;
  #relaySettings = '';
  #relayFailures = 0;
  #relayRetryAtMs = 0;
  #matcher: CanvasMatcher | undefined;
  readonly #canvas: CanvasSources;
  #feedback: FeedbackClient | undefined;
  #feedbackFor = '';
  #lastFrameMs = 0;
  #videoBitrateBps = 0;
  #lastWarnings = '';

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#canvas = new CanvasSources({
      nowMs: options.nowMs,
      onFrame: (frame) => this.#matcher?.canvasFrame(frame),
      onShot: (shot) => this.#matcher?.screenshot(shot),
      log: options.log,
    });
  }

  get format(): StreamFormat | undefined {
    return this.#format;
  }

  get state(): ControllerState {
    return this.#state;
  }

  set dockAddress(address: string) {
    this.#dockAddress = address;
  }

  /** What the dock asks for; takes effect within the script's bounds. */
  wish(wishes: Wishes): void {
    this.#wishes = { ...this.#wishes, ...wishes };
    this.#change({ wishes: this.#wishes });
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Until stop() or the script's button. Rejects never because of OBS or the network. */
  async run(): Promise<void> {
    let failures = 0;
    while (!this.#isStopping) {
      try {
        await this.#connect();
        failures = 0;
        await this.#attend();
      } catch (error) {
        failures++;
        const reason = error instanceof ObsError ? error.message : String(error);
        const code = error instanceof ObsError ? error.code : undefined;
        this.#change({ obs: { connected: false, reason, code } });
        const { url, config } = this.#options;
        this.#warn([connectionFinding(asObsError(error), url, config)]);
      }
      await this.#disconnect();
      await this.#pause(backoffMs(failures, this.#options.random()));
    }
    await this.#stopRelay();
    this.#feedback?.close();
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  #change(part: Partial<ControllerState>): void {
    const before = this.#state;
    this.#state = { ...before, ...part };
    if (part.obs?.connected === true && !before.obs.connected)
      this.#options.log('connected to OBS');
    if (part.relay && part.relay.problem !== before.relay.problem && part.relay.problem !== '') {
      this.#options.log(part.relay.problem);
    }
    this.#options.onState(this.#state);
  }

  /** Each set of them is said once. */
  #warn(warnings: readonly Finding[]): void {
    const told = JSON.stringify(warnings);
    if (told === this.#lastWarnings) return;
    this.#lastWarnings = told;
    for (const { cause, remedy } of warnings) this.#options.log(`${cause} ${remedy}`.trim());
    this.#change({ warnings });
  }

  #pause(ms: number): Promise<void> {
    return delay(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }

  async #connect(): Promise<void> {
    const { url, password } = this.#options;
    this.#client = await ObsClient.connect({ url, password });
    this.#channel = new ScriptChannel(this.#client, this.#options.run);
    this.#format = undefined;
    this.#change({ obs: { connected: true, reason: '', code: undefined } });
  }

  /** OBS may be gone, the stream may go on: the relay stays. */
  async #disconnect(): Promise<void> {
    if (this.#isStopping && this.#channel) {
      const farewell = { bitrateKbps: 0, grabsPerSecond: 0, dock: '' };
      await this.#channel.exchange(farewell).catch(() => undefined);
    }
    await this.#client?.close();
    this.#client = undefined;
    this.#channel = undefined;
    this.#canvas.close();
  }

  /** A beat a second, until the connection is lost. */
  async #attend(): Promise<void> {
    let beats = 0;
    while (!this.#isStopping) {
      const isCheck = beats++ % 5 === 0 || !this.#format;
      if (this.#client && isCheck) this.#format = await readStreamFormat(this.#client);
      const answer = await this.#beat();
      if (this.#client && answer && isCheck) {
        this.#warn(findings(await gatherFacts(this.#client, answer, this.#options.relayPort)));
      }
      await this.#pause(beatMs);
    }
  }

  async #beat(): Promise<Answer | undefined> {
    const answer = await this.#channel?.exchange({
      bitrateKbps: this.#isOn ? Math.round(this.#videoBitrateBps / 1000) : 0,
      grabsPerSecond: this.#wantsCanvas && !this.#options.screenshots ? grabsPerSecond : 0,
      dock: this.#dockAddress,
    });
    if (answer?.kind !== 'status') {
      const problem =
        answer?.kind === 'foreign' ? answer.reason : 'the script livesr.lua is not loaded in OBS';
      this.#change({ script: { status: undefined, problem } });
      return answer;
    }
    const { status } = answer;
    this.#change({ script: { status, problem: status.problem || status.note } });
    if (status.stopAsked) {
      this.stop();
      return answer;
    }
    this.#openFeedback(status);
    this.#openCanvas(status);
    await this.#steerRelay(status);
    await this.#readRelay();
    return answer;
  }

  get #isOn(): boolean {
    return this.#state.script.status?.enabled === true && this.#wishes.on !== false;
  }

  get #wantsCanvas(): boolean {
    return this.#isOn && this.#relayIsCarrying && (this.#format?.scale ?? 1) > 1;
  }

  get #relayIsCarrying(): boolean {
    return this.#relay !== undefined && this.#options.nowMs() - this.#lastFrameMs < silentStreamMs;
  }

  // --- the relay ---------------------------------------------------------------------------------

  async #steerRelay(status: ScriptStatus): Promise<void> {
    const format = this.#format;
    if (!format) return;
    if (status.server === '') {
      await this.#stopRelay();
      this.#change({
        relay: { ...this.#state.relay, problem: "the script's server address is empty" },
      });
      return;
    }
    const settings = this.#settingsOf(status, format);
    const fixed = JSON.stringify({
      ...settings,
      capBps: 0,
      minVideoBps: 0,
      patchBps: 0,
      streamClass: '',
    });
    const mayRestart = !this.#relayIsCarrying && this.#options.nowMs() >= this.#relayRetryAtMs;
    if (this.#relay && fixed !== this.#relaySettings && mayRestart) await this.#stopRelay();
    if (!this.#relay && mayRestart) {
      this.#startRelay(settings, format);
      this.#relaySettings = fixed;
    } else {
      this.#relay?.set('max-bitrate', settings.capBps);
      this.#relay?.set('min-video-bitrate', settings.minVideoBps);
      this.#relay?.set('patch-bitrate', settings.patchBps);
      this.#relay?.set('stream-class', settings.streamClass);
    }
  }

  #settingsOf(status: ScriptStatus, format: StreamFormat): RelaySettings {
    const { relayPort, latencyMs } = this.#options;
    const capKbps = Math.min(status.capKbps, this.#wishes.capKbps ?? Infinity);
    const minKbps = Math.min(capKbps, Math.max(status.minKbps, this.#wishes.minKbps ?? 0));
    const share = this.#wishes.patchShare ?? 'auto';
    return {
      listenPort: relayPort,
      server: status.server,
      latencyMs,
      scale: format.scale ?? 1,
      framesPerSecond: format.framesPerSecond,
      canvasWidth: format.canvas.width,
      canvasHeight: format.canvas.height,
      capBps: capKbps * 1000,
      minVideoBps: minKbps * 1000,
      patchBps: share === 'auto' ? 0 : Math.round((share / 100) * capKbps * 1000),
      patches: (format.scale ?? 1) > 1,
      streamClass: this.#wishes.streamClass ?? status.streamClass,
      streamKey: status.streamKey,
      feedback: status.feedback,
      token: status.token,
      residualStep: { auto: 0, fine: 16, coarse: 36 }[status.patchQuality],
      canvasDelayMs,
    };
  }

  #startRelay(settings: RelaySettings, format: StreamFormat): void {
    const matcher = new CanvasMatcher(1e9 / format.framesPerSecond);
    const relay = new Relay(settings, {
      onStreamFrame: (timeNs, small) => {
        this.#lastFrameMs = this.#options.nowMs();
        const matched = matcher.streamFrame({ timeNs, small, atMs: this.#lastFrameMs });
        for (const { luma, timeNs: time } of matched) relay.sendCanvas(luma, time);
      },
      onWarning: (text) => {
        this.#options.log(text);
      },
      onEnd: () => void relay.stop(),
    });
    this.#relay = relay;
    this.#matcher = matcher;
    this.#lastFrameMs = 0;
    this.#videoBitrateBps = 0;
    relay.done.then(
      () => {
        this.#relayEnded(relay, undefined);
      },
      (error: unknown) => {
        this.#relayEnded(relay, error instanceof Error ? error.message : String(error));
      },
    );
  }

  /** OBS has disconnected, or the server could not be reached; the next beat begins anew. */
  #relayEnded(relay: Relay, problem: string | undefined): void {
    if (this.#relay !== relay) return;
    this.#relay = undefined;
    this.#matcher = undefined;
    this.#videoBitrateBps = 0;
    this.#lastFrameMs = 0;
    this.#relayFailures = problem === undefined ? 0 : this.#relayFailures + 1;
    const waitMs = problem === undefined ? 0 : Math.min(5000, backoffMs(this.#relayFailures, 0.5));
    this.#relayRetryAtMs = this.#options.nowMs() + waitMs;
    this.#change({ relay: { ...initialState.relay, problem: problem ?? '' } });
  }

  async #stopRelay(): Promise<void> {
    const relay = this.#relay;
    this.#relay = undefined;
    this.#videoBitrateBps = 0;
    await relay?.stop().catch(() => undefined);
  }

  async #readRelay(): Promise<void> {
    const relay = this.#relay;
    if (!relay) return;
    const { picker, uplink } = await relay.stats();
    if (relay !== this.#relay) return;
    const isCarrying = this.#relayIsCarrying;
    if (isCarrying) this.#relayFailures = 0;
    const before = this.#state.relay;
    const number = (name: string): number => numberField(picker, name) || 0;
    this.#videoBitrateBps = isCarrying ? number('video-bitrate-bps') : 0;
    this.#change({
      relay: {
        problem: isCarrying ? '' : before.problem,
        isRunning: true,
        isCarrying,
        capacityBps: number('estimated-uplink-bps'),
        videoBps: number('video-bitrate-bps'),
        patchBps: number('patch-bitrate-bps'),
        patchBytes: number('patch-bytes'),
        patches: number('patches'),
        sentBytes: numberField(uplink, 'bytes-sent') || 0,
        rttMs: numberField(uplink, 'rtt-ms') || 0,
        lost: numberField(uplink, 'packets-sent-lost') || 0,
        match: this.#matcher?.counts,
        isCalibrated: this.#matcher?.hasFoundCanvas === true,
      },
    });
  }

  // --- the canvas --------------------------------------------------------------------------------

  #openCanvas(status: ScriptStatus): void {
    const wantsShots = this.#options.screenshots || status.canvasProblem !== '';
    this.#canvas.follow({
      client: this.#client,
      format: this.#format,
      file: status.canvasFile,
      takesShots: wantsShots && this.#wantsCanvas,
    });
  }

  // --- what the server tells ---------------------------------------------------------------------

  #openFeedback(status: ScriptStatus): void {
    const { feedback, token, streamKey } = status;
    const wanted = JSON.stringify([feedback, token, streamKey]);
    if (wanted === this.#feedbackFor) return;
    this.#feedbackFor = wanted;
    this.#feedback?.close();
    this.#feedback = undefined;
    if (!/^wss?:\/\//.test(feedback)) return;
    const size = this.#format?.canvas ?? { width: 0, height: 0 };
    this.#feedback = new FeedbackClient({
      uri: feedback,
      token,
      hello: {
        type: 'hello',
        version: feedbackVersion,
        streamKey,
        streamClass: status.streamClass,
        scale: this.#format?.scale ?? 1,
        frameWidth: size.width,
        frameHeight: size.height,
      },
      random: this.#options.random,
      nowMs: this.#options.nowMs,
      log: this.#options.log,
    });
    this.#feedback.onTraining = ({ state, gainDb, genericGainDb }) => {
      this.#change({ training: { state, gainDb, genericGainDb } });
    };
  }
}
