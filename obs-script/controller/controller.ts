// The controller: keeps in touch with OBS and the script, runs the relay, matches canvas and stream, and
// passes the scheduler's rate on. What is decided is in pairing.ts, in patchpicker's engine and in the
// script; here is who talks to whom, and what happens when one of them goes away.
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../../elements/feedback/backoff.ts';
import { FeedbackClient } from '../../elements/feedback/client.ts';
import { feedbackVersion } from '../../elements/feedback/messages.ts';
import { CanvasSources } from './canvas-sources.ts';
import { asObsError, connectionFinding, findings, gatherFacts, type Finding } from './checks.ts';
import { ObsClient, ObsError } from './obs-client.ts';
import type { WebSocketConfig } from './obs-config.ts';
import { DirectPath } from './direct-path.ts';
import { RelayPath } from './relay-path.ts';
import {
  ScriptChannel,
  type Answer,
  type OwnSecrets,
  type ScriptStatus,
} from './script-channel.ts';
import { initialState, type ControllerState, type Wishes } from './state.ts';
import { readStreamFormat, type StreamFormat } from './stream-format.ts';
import type { PathSettings, Rates, StreamPath } from './stream-path.ts';

export interface ControllerOptions {
  readonly url: string;
  readonly password: string;
  readonly secrets: OwnSecrets;
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
/**
 * Without the websocket the stream may go on, but so long a silence besides means that OBS is gone. SRT
 * notices after five seconds, and what it had kept comes through then: the end is not to be waited for.
 */
const silenceWithoutObsMs = 3000;

export class Controller {
  readonly #options: ControllerOptions;
  readonly #stopping = new AbortController();
  #state: ControllerState = initialState;
  #wishes: Wishes = {};
  #dockAddress = '';
  #client: ObsClient | undefined;
  #channel: ScriptChannel | undefined;
  #format: StreamFormat | undefined;
  #path: StreamPath | undefined;
  #pathSettings = '';
  #pathFailures = 0;
  #pathRetryAtMs = 0;
  readonly #canvas: CanvasSources;
  #feedback: FeedbackClient | undefined;
  #feedbackFor = '';
  #goodputBps: number | null = null;
  #videoBitrateBps = 0;
  #lastWarnings = '';

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#canvas = new CanvasSources({
      nowMs: options.nowMs,
      onFrame: (frame) => this.#path?.canvasFrame(frame),
      onShot: (shot) => this.#path?.screenshot?.(shot),
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
    const watching = this.#watchPath();
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
    await watching;
    await this.#stopPath();
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
    this.#channel = new ScriptChannel(this.#client, this.#options.run, this.#options.secrets);
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

  /**
   * A path is left when the websocket and the stream are both gone. Apart from the attempts to connect, which
   * may hang while OBS closes.
   */
  async #watchPath(): Promise<void> {
    while (!this.#isStopping) {
      await this.#pause(beatMs);
      const silentMs = this.#path?.hasCarried ? this.#path.silentMs : 0;
      if (this.#state.obs.connected || silentMs < silenceWithoutObsMs) continue;
      // Said at once: its end may take the pipeline seconds.
      const stopped = this.#stopPath();
      this.#change({ relay: initialState.relay });
      await stopped;
    }
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
    const grabs = this.#path?.grabsPerSecond ?? 0;
    const answer = await this.#channel?.exchange({
      bitrateKbps: this.#isOn ? Math.round(this.#videoBitrateBps / 1000) : 0,
      grabsPerSecond: this.#wantsCanvas && !this.#options.screenshots ? grabs : 0,
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
    await this.#steerPath(status);
    await this.#readPath();
    return answer;
  }

  get #isOn(): boolean {
    return this.#state.script.status?.enabled === true && this.#wishes.on !== false;
  }

  get #wantsCanvas(): boolean {
    return this.#isOn && this.#isCarrying && (this.#format?.scale ?? 1) > 1;
  }

  get #isCarrying(): boolean {
    return this.#path?.isCarrying === true;
  }

  /** The end of the stream does not always come through to the relay. */
  get #hasFallenSilent(): boolean {
    return this.#path?.hasCarried === true && !this.#isCarrying;
  }

  #takeGoodputBps(): number | null {
    const goodputBps = this.#goodputBps;
    this.#goodputBps = null;
    return goodputBps;
  }

  // --- the way that stream and patches go --------------------------------------------------------

  async #steerPath(status: ScriptStatus): Promise<void> {
    const format = this.#format;
    if (!format) return;
    if (status.mode === 'direct' ? !status.streaming : status.server === '') {
      await this.#stopPath();
      const problem = status.mode === 'direct' ? '' : "the script's server address is empty";
      this.#change({ relay: { ...initialState.relay, problem } });
      return;
    }
    if (this.#hasFallenSilent && !status.streaming) await this.#stopPath();
    const settings = this.#settingsOf(status, format);
    const rates = this.#ratesOf(status);
    const fixed = JSON.stringify(settings);
    const mayRestart = !this.#isCarrying && this.#options.nowMs() >= this.#pathRetryAtMs;
    if (this.#path && fixed !== this.#pathSettings && mayRestart) await this.#stopPath();
    if (!this.#path && mayRestart) {
      this.#openPath(settings, rates);
      this.#pathSettings = fixed;
    } else {
      this.#path?.set(rates);
    }
  }

  #settingsOf(status: ScriptStatus, format: StreamFormat): PathSettings {
    const { relayPort, latencyMs } = this.#options;
    return {
      mode: status.mode,
      listenPort: relayPort,
      server: status.server,
      passphrase: status.passphrase,
      carriage: status.carriage,
      latencyMs,
      scale: format.scale ?? 1,
      framesPerSecond: format.framesPerSecond,
      canvas: format.canvas,
      patches: (format.scale ?? 1) > 1,
      patchQuality: status.patchQuality,
      streamKey: status.streamKey,
      feedback: status.feedback,
      token: status.token,
    };
  }

  #ratesOf(status: ScriptStatus): Rates {
    const capKbps = Math.min(status.capKbps, this.#wishes.capKbps ?? Infinity);
    const minKbps = Math.min(capKbps, Math.max(status.minKbps, this.#wishes.minKbps ?? 0));
    const share = this.#wishes.patchShare ?? 'auto';
    return {
      capBps: capKbps * 1000,
      minVideoBps: minKbps * 1000,
      patchBps: share === 'auto' ? 0 : Math.round((share / 100) * capKbps * 1000),
      streamClass: this.#wishes.streamClass ?? status.streamClass,
    };
  }

  #openPath(settings: PathSettings, rates: Rates): void {
    const { nowMs, log } = this.#options;
    const sight = {
      takeGoodputBps: () => this.#takeGoodputBps(),
      audioBps: () => (this.#state.script.status?.audioKbps ?? 0) * 1000,
    };
    const path =
      settings.mode === 'relay'
        ? new RelayPath({ settings, rates, nowMs, log, sight })
        : new DirectPath({
            settings,
            rates,
            nowMs,
            log,
            client: () => this.#client,
            way: () => this.#feedback,
            sight,
          });
    this.#path = path;
    this.#videoBitrateBps = 0;
    path.done.then(
      () => {
        this.#pathEnded(path, undefined);
      },
      (error: unknown) => {
        this.#pathEnded(path, error instanceof Error ? error.message : String(error));
      },
    );
  }

  /** OBS has disconnected, or the server could not be reached; the next beat begins anew. */
  #pathEnded(path: StreamPath, problem: string | undefined): void {
    if (this.#path !== path) return;
    this.#path = undefined;
    this.#videoBitrateBps = 0;
    this.#pathFailures = problem === undefined ? 0 : this.#pathFailures + 1;
    const waitMs = problem === undefined ? 0 : Math.min(5000, backoffMs(this.#pathFailures, 0.5));
    this.#pathRetryAtMs = this.#options.nowMs() + waitMs;
    this.#change({ relay: { ...initialState.relay, problem: problem ?? '' } });
  }

  async #stopPath(): Promise<void> {
    const path = this.#path;
    this.#path = undefined;
    this.#videoBitrateBps = 0;
    await path?.stop().catch(() => undefined);
  }

  async #readPath(): Promise<void> {
    const path = this.#path;
    if (!path) return;
    const reading = await path.read();
    if (path !== this.#path) return;
    if (reading.isCarrying) this.#pathFailures = 0;
    this.#videoBitrateBps = reading.isCarrying ? reading.videoBps : 0;
    const problem = reading.isCarrying ? reading.problem : this.#state.relay.problem;
    this.#change({ relay: { ...reading, isRunning: true, problem } });
  }

  // --- the canvas --------------------------------------------------------------------------------

  #openCanvas(status: ScriptStatus): void {
    const wantsShots = this.#options.screenshots || status.canvasProblem !== '';
    this.#canvas.follow({
      client: this.#client,
      format: this.#format,
      file: status.canvasFile,
      takesShots: wantsShots && this.#wantsCanvas && this.#path?.screenshot !== undefined,
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
        // Which patches go is chosen by patchpicker's engine.
        memory: false,
      },
      random: this.#options.random,
      nowMs: this.#options.nowMs,
      log: this.#options.log,
    });
    this.#feedback.onTraining = ({ state, gainDb, genericGainDb, goodputBps }) => {
      this.#goodputBps = goodputBps;
      this.#change({ training: { state, gainDb, genericGainDb } });
    };
  }
}
