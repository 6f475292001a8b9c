// The path without a relay, for servers that take RTMP alone: OBS streams straight to the server, and JPEG
// patches of the canvas go over the feedback channel, with OBS's time of their frame. Which decoded frame
// that is, the server finds out (plugin/gst/enhancer/side_patches.h).
import { numberField, parseStructure } from '../../elements/measure/structure.ts';
import { Pipeline } from '../../elements/measure/pipeline.ts';
import { warningOf } from '../../elements/measure/warning.ts';
import type { FedFrame } from './canvas-feed.ts';
import { CanvasWriter } from './canvas-writer.ts';
import { followPackets, segmentPacket } from './gdp-stream.ts';
import type { ObsClient } from './obs-client.ts';
import {
  launchWords,
  pickerProperties,
  rateProperties,
  type PathReading,
  type PathSettings,
  type Rates,
  type StreamPath,
  type StreamSight,
} from './stream-path.ts';
import { pictureBps, UnmeasuredUplink } from './unmeasured-uplink.ts';

/** The connection that patches go over. */
export interface PacketWay {
  readonly takesPatches: boolean;
  /** False when it cannot go now. */
  sendPacket(packet: Uint8Array): boolean;
}

export interface DirectPathOptions {
  readonly settings: PathSettings;
  readonly rates: Rates;
  readonly client: () => ObsClient | undefined;
  readonly way: () => PacketWay | undefined;
  readonly sight: StreamSight;
  readonly nowMs: () => number;
  readonly log: (line: string) => void;
}

const jpegQualities = { auto: 92, fine: 96, coarse: 85 } as const;
/** The engine starts and plans within. */
const planMs = 5000;

export function directLaunch(settings: PathSettings, rates: Rates, audioBps: number): string {
  const words = launchWords({
    ...pickerProperties(settings, rates),
    encoder: 'none',
    'patch-codec': 'jpeg',
    'jpeg-quality': jpegQualities[settings.patchQuality],
    uplink: 'external',
    'uplink-bitrate': pictureBps(rates.capBps, audioBps),
  });
  return (
    `fdsrc fd=0 ! gdpdepay ! queue ! patchsender name=picker ${words} ` +
    'picker.src ! fakesink sync=false async=false ' +
    'picker.patches ! queue ! gdppay ! fdsink fd=1 sync=false async=false'
  );
}

export class DirectPath implements StreamPath {
  /** Few patches are sent: they are JPEG. */
  readonly grabsPerSecond = 5;
  readonly hasCarried = true;
  readonly #options: DirectPathOptions;
  readonly #pipeline: Pipeline;
  readonly #canvas: CanvasWriter;
  readonly #openedAtMs: number;
  #rates: Rates;
  readonly #uplink: UnmeasuredUplink;
  #toldUplinkBps = 0;
  /** OBS's time of the first frame. */
  #beganNs: bigint | undefined;
  #isCarrying = true;
  #seenMs: number;
  #sentBytes = 0;
  #unsent = 0;
  #obsBytes = 0;
  #droppedFrames = 0;

  constructor(options: DirectPathOptions) {
    this.#options = options;
    const { settings, rates, nowMs, log } = options;
    this.#rates = rates;
    this.#openedAtMs = nowMs();
    this.#seenMs = nowMs();
    this.#uplink = new UnmeasuredUplink(rates.capBps, nowMs());
    this.#pipeline = new Pipeline({
      name: 'the patches',
      launch: directLaunch(settings, rates, options.sight.audioBps()),
      pipes: true,
      onMessage: (message) => {
        const warning = warningOf(message);
        if (warning !== undefined) log(warning);
      },
    });
    this.#canvas = new CanvasWriter(this.#pipeline.input, settings.framesPerSecond);
    this.#canvas.start(settings.canvas);
    this.#canvas.segment(segmentPacket());
    followPackets(
      this.#pipeline.output,
      (packet) => {
        if (packet.kind === 'buffer') this.#send(packet.payload);
      },
      (why) => {
        log(`no patches from the pipeline: ${why}`);
        void this.#pipeline.stop();
      },
    );
  }

  get done(): Promise<void> {
    return this.#pipeline.done;
  }

  get isCarrying(): boolean {
    return this.#isCarrying;
  }

  /** OBS says so, nobody else. */
  get silentMs(): number {
    return this.#options.nowMs() - this.#seenMs;
  }

  set(rates: Rates): void {
    this.#rates = rates;
    const uplinkBps = this.#pictureBps();
    const properties = { ...rateProperties(rates), 'uplink-bitrate': uplinkBps };
    for (const [property, value] of Object.entries(properties)) {
      this.#pipeline.set('picker', property, value);
    }
    this.#toldUplinkBps = uplinkBps;
  }

  canvasFrame({ frameTimeNs, luma }: FedFrame): void {
    this.#beganNs ??= frameTimeNs;
    this.#canvas.frame(luma, Number(frameTimeNs - this.#beganNs));
  }

  async read(): Promise<PathReading> {
    await this.#lookAtObs();
    const picker = parseStructure(await this.#pipeline.get('picker', 'stats'));
    const number = (name: string): number => numberField(picker, name) || 0;
    const patchBps = number('patch-bitrate-bps');
    // Until the engine has planned, all is the video's: an encoder told so would have to come down again.
    const isPlanned = patchBps > 0 || this.#options.nowMs() - this.#openedAtMs > planMs;
    const way = this.#options.way();
    return {
      isCarrying: this.#isCarrying,
      capacityBps: this.#uplink.capacityBps,
      videoBps: isPlanned ? number('video-bitrate-bps') : 0,
      patchBps,
      patchBytes: this.#sentBytes,
      patches: number('patches'),
      sentBytes: this.#sentBytes + this.#obsBytes,
      rttMs: 0,
      lost: this.#unsent,
      match: undefined,
      isCalibrated: way?.takesPatches === true,
      problem:
        way?.takesPatches === false
          ? 'the feedback server takes no patches: it is not reached, is of an older version, or has no token'
          : '',
    };
  }

  stop(): Promise<void> {
    return this.#pipeline.stop();
  }

  async #lookAtObs(): Promise<void> {
    const { client, nowMs } = this.#options;
    const obs = client();
    if (!obs) return;
    const status = await obs.call('GetStreamStatus');
    // After a reconnect the stream has other times: another path begins anew.
    this.#isCarrying = status.outputActive && !status.outputReconnecting;
    if (!this.#isCarrying) {
      void this.#pipeline.stop();
      return;
    }
    this.#seenMs = nowMs();
    this.#obsBytes = status.outputBytes;
    const droppedBefore = this.#droppedFrames;
    this.#droppedFrames = status.outputSkippedFrames;
    const sight = {
      nowMs: this.#seenMs,
      capBps: this.#rates.capBps,
      congestion: status.outputCongestion,
      droppedFrames: Math.max(0, this.#droppedFrames - droppedBefore),
      audioBps: this.#options.sight.audioBps(),
      goodputBps: this.#options.sight.takeGoodputBps(),
    };
    this.#uplink.see(sight, this.#obsBytes + this.#sentBytes);
    if (this.#pictureBps() !== this.#toldUplinkBps) this.set(this.#rates);
  }

  #pictureBps(): number {
    return this.#uplink.pictureBps(this.#options.sight.audioBps());
  }

  #send(packet: Uint8Array): void {
    if (this.#options.way()?.sendPacket(packet) === true) this.#sentBytes += packet.length;
    else this.#unsent++;
  }
}
