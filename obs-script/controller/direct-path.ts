// The path without a relay, for servers that take RTMP alone: OBS streams straight to the server, and JPEG
// patches of the canvas go over the feedback channel, with OBS's time of their frame. Which decoded frame
// that is, the server finds out (plugin/gst/enhancer/side_patches.h).
import { numberField, parseStructure } from '../../elements/measure/structure.ts';
import { Pipeline } from '../../elements/measure/pipeline.ts';
import type { FedFrame } from './canvas-feed.ts';
import { CanvasWriter } from './canvas-writer.ts';
import { initialDirectUplink, observe, type DirectUplink } from './direct-uplink.ts';
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
} from './stream-path.ts';

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
  /** What the server last said to have received, once; null: nothing new. */
  readonly takeGoodputBps: () => number | null;
  readonly nowMs: () => number;
  readonly log: (line: string) => void;
}

const jpegQualities = { auto: 92, fine: 96, coarse: 85 } as const;
/** Of the server's epochs (docs/protocol.md). */
const epochMs = 5000;
/** The engine starts and plans within. */
const planMs = 5000;

export function directLaunch(settings: PathSettings, rates: Rates): string {
  const words = launchWords({
    ...pickerProperties(settings, rates),
    encoder: 'none',
    'patch-codec': 'jpeg',
    'jpeg-quality': jpegQualities[settings.patchQuality],
    uplink: 'external',
    'uplink-bitrate': Math.round(rates.capBps),
  });
  return (
    `fdsrc fd=0 ! gdpdepay ! queue ! patchsender name=picker ${words} ` +
    'picker.src ! fakesink sync=false async=false ' +
    'picker.patches ! queue ! gdppay ! fdsink fd=1 sync=false async=false'
  );
}

/** What OBS has sent. */
interface Output {
  readonly atMs: number;
  readonly obsBytes: number;
  readonly patchBytes: number;
  readonly droppedFrames: number;
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
  #uplink: DirectUplink;
  #toldUplinkBps = 0;
  /** OBS's time of the first frame. */
  #beganNs: bigint | undefined;
  #isCarrying = true;
  #seenMs: number;
  #sentBytes = 0;
  #unsent = 0;
  #outputs: Output[] = [];

  constructor(options: DirectPathOptions) {
    this.#options = options;
    const { settings, rates, nowMs, log } = options;
    this.#rates = rates;
    this.#openedAtMs = nowMs();
    this.#seenMs = nowMs();
    this.#uplink = initialDirectUplink(rates.capBps, nowMs());
    this.#pipeline = new Pipeline({
      name: 'the patches',
      launch: directLaunch(settings, rates),
      pipes: true,
      onMessage: ({ type, text }) => {
        if (type === 'warning' && text !== null) log(text);
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
    const uplinkBps = Math.round(this.#uplink.capacityBps);
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
    const last = this.#outputs.at(-1);
    return {
      isCarrying: this.#isCarrying,
      capacityBps: this.#uplink.capacityBps,
      videoBps: isPlanned ? number('video-bitrate-bps') : 0,
      patchBps,
      patchBytes: this.#sentBytes,
      patches: number('patches'),
      sentBytes: this.#sentBytes + (last?.obsBytes ?? 0),
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
    const { client, nowMs, takeGoodputBps } = this.#options;
    const obs = client();
    if (!obs) return;
    const status = await obs.call('GetStreamStatus');
    // After a reconnect the stream has other times: another path begins anew.
    this.#isCarrying = status.outputActive && !status.outputReconnecting;
    if (!this.#isCarrying) {
      void this.#pipeline.stop();
      return;
    }
    const atMs = nowMs();
    this.#seenMs = atMs;
    const output = {
      atMs,
      obsBytes: status.outputBytes,
      patchBytes: this.#sentBytes,
      droppedFrames: status.outputSkippedFrames,
    };
    const last = this.#outputs.at(-1);
    this.#outputs.push(output);
    while ((this.#outputs[0]?.atMs ?? atMs) < atMs - epochMs - 500) this.#outputs.shift();
    const [first] = this.#outputs;
    if (!last || !first || atMs - first.atMs < epochMs / 2) return;
    const bytes = output.obsBytes + output.patchBytes - first.obsBytes - first.patchBytes;
    this.#uplink = observe(this.#uplink, {
      nowMs: atMs,
      capBps: this.#rates.capBps,
      congestion: status.outputCongestion,
      droppedFrames: Math.max(0, output.droppedFrames - last.droppedFrames),
      sentBps: (Math.max(0, bytes) * 8000) / (atMs - first.atMs),
      goodputBps: takeGoodputBps(),
    });
    if (Math.round(this.#uplink.capacityBps) !== this.#toldUplinkBps) this.set(this.#rates);
  }

  #send(packet: Uint8Array): void {
    if (this.#options.way()?.sendPacket(packet) === true) this.#sentBytes += packet.length;
    else this.#unsent++;
  }
}
