// The path through this computer's relay: patches are made against the decoded stream, and go with it.
import { numberField } from '../../elements/measure/structure.ts';
import type { FedFrame } from './canvas-feed.ts';
import { CanvasMatcher } from './canvas-matcher.ts';
import { shrink, smallHeight, smallWidth } from './picture.ts';
import { isRtmp, Relay } from './relay.ts';
import type { Screenshot } from './screenshot-feed.ts';
import type { PathReading, PathSettings, Rates, StreamPath, StreamSight } from './stream-path.ts';
import { UnmeasuredUplink } from './unmeasured-uplink.ts';

export interface RelayPathOptions {
  readonly settings: PathSettings;
  readonly rates: Rates;
  readonly nowMs: () => number;
  readonly log: (line: string) => void;
  readonly sight: StreamSight;
}

/** OBS has stopped, or its connection hangs. */
const silentStreamMs = 5000;
/** TCP takes a stream that the uplink carries at once. */
const longestBacklogMs = 500;

export class RelayPath implements StreamPath {
  readonly grabsPerSecond = 10;
  readonly #nowMs: () => number;
  readonly #relay: Relay;
  readonly #matcher: CanvasMatcher;
  readonly #sight: StreamSight;
  /** Of RTMP; SRT measures it. */
  readonly #uplink: UnmeasuredUplink | undefined;
  #rates: Rates;
  #lastFrameMs = -Infinity;

  constructor({ settings, rates, nowMs, log, sight }: RelayPathOptions) {
    this.#nowMs = nowMs;
    this.#sight = sight;
    this.#rates = rates;
    const uplink = new UnmeasuredUplink(rates.capBps, nowMs());
    this.#uplink = isRtmp(settings.server) ? uplink : undefined;
    this.#matcher = new CanvasMatcher(1e9 / settings.framesPerSecond);
    this.#relay = new Relay(settings, rates, uplink.pictureBps(sight.audioBps()), {
      onStreamFrame: (timeNs, small) => {
        this.#lastFrameMs = nowMs();
        const matched = this.#matcher.streamFrame({ timeNs, small, atMs: this.#lastFrameMs });
        for (const { luma, timeNs: time } of matched) this.#relay.sendCanvas(luma, time);
      },
      onWarning: log,
      onEnd: () => void this.#relay.stop(),
    });
  }

  get done(): Promise<void> {
    return this.#relay.done;
  }

  get isCarrying(): boolean {
    return this.silentMs < silentStreamMs;
  }

  get silentMs(): number {
    return this.#nowMs() - this.#lastFrameMs;
  }

  get hasCarried(): boolean {
    return this.#lastFrameMs > -Infinity;
  }

  set(rates: Rates): void {
    this.#rates = rates;
    this.#relay.set(rates);
  }

  canvasFrame(frame: FedFrame): void {
    const small = shrink(frame.luma, smallWidth, smallHeight);
    this.#matcher.canvasFrame({ ...frame, small });
  }

  screenshot(shot: Screenshot): void {
    this.#matcher.screenshot(shot);
  }

  async read(): Promise<PathReading> {
    const { picker, uplink } = await this.#relay.stats();
    const number = (name: string): number => numberField(picker, name) || 0;
    const sentBytes = numberField(uplink, this.#uplink ? 'out-bytes-total' : 'bytes-sent') || 0;
    if (this.#uplink && this.isCarrying) await this.#follow(this.#uplink, sentBytes);
    return {
      isCarrying: this.isCarrying,
      capacityBps: number('estimated-uplink-bps'),
      videoBps: number('video-bitrate-bps'),
      patchBps: number('patch-bitrate-bps'),
      patchBytes: number('patch-bytes'),
      patches: number('patches'),
      sentBytes,
      rttMs: numberField(uplink, 'rtt-ms') || 0,
      lost: numberField(uplink, 'packets-sent-lost') || 0,
      match: this.#matcher.counts,
      isCalibrated: this.#matcher.hasFoundCanvas,
      problem: '',
    };
  }

  stop(): Promise<void> {
    return this.#relay.stop();
  }

  async #follow(uplink: UnmeasuredUplink, sentBytes: number): Promise<void> {
    const audioBps = this.#sight.audioBps();
    const sight = {
      nowMs: this.#nowMs(),
      capBps: this.#rates.capBps,
      congestion: (await this.#relay.backlogMs()) > longestBacklogMs ? 1 : 0,
      droppedFrames: 0,
      audioBps,
      goodputBps: this.#sight.takeGoodputBps(),
    };
    uplink.see(sight, sentBytes);
    this.#relay.setUplink(uplink.pictureBps(audioBps));
  }
}
