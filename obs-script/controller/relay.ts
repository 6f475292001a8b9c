// The relay: OBS's stream comes in over SRT on this machine, goes on to the server as it is, and patches
// of the canvas go with it. One pipeline for each connection of OBS; what decides is in patchpicker's
// engine, like in `livesr send`.
import { Pipeline, quoted } from '../../elements/measure/pipeline.ts';
import { parseStructure, type StructureFields } from '../../elements/measure/structure.ts';
import {
  bufferHeader,
  capsPacket,
  gapPacket,
  GdpError,
  GdpReader,
  streamStartPacket,
} from './gdp-stream.ts';
import type { Luma } from './picture.ts';

/** Size of the pictures that are compared. */
export const smallWidth = 320;
export const smallHeight = 180;

export interface RelaySettings {
  /** Where OBS streams to, on this machine. */
  readonly listenPort: number;
  /** srt://HOST:PORT */
  readonly server: string;
  readonly latencyMs: number;
  readonly scale: number;
  readonly framesPerSecond: number;
  readonly canvasWidth: number;
  readonly canvasHeight: number;
  readonly capBps: number;
  readonly minVideoBps: number;
  /** 0: scheduled. */
  readonly patchBps: number;
  readonly patches: boolean;
  readonly streamClass: string;
  readonly streamKey: string;
  readonly feedback: string;
  readonly token: string;
  /** Of residual patches; 0: as fits. */
  readonly residualStep: number;
  /** How long decoded frames wait for the canvas. */
  readonly canvasDelayMs: number;
}

export interface RelayHandlers {
  readonly onStreamFrame: (timeNs: number, small: Luma) => void;
  readonly onWarning: (text: string) => void;
  /** OBS's connection has ended. */
  readonly onEnd: () => void;
}

/** The server's address with the stream key where SRT servers look for it. */
export function serverUri(server: string, streamKey: string): string {
  const url = new URL(server);
  if (streamKey !== '' && !url.searchParams.has('streamid')) {
    url.searchParams.set('streamid', streamKey);
  }
  return url.href;
}

export function relayLaunch(settings: RelaySettings): string {
  const picker = {
    scale: settings.scale,
    patches: settings.patches ? 'auto' : 'off',
    uplink: 'srt:uplink',
    'max-bitrate': Math.round(settings.capBps),
    'min-video-bitrate': Math.round(settings.minVideoBps),
    'patch-bitrate': Math.round(settings.patchBps),
    'residual-step': settings.residualStep,
    'stream-class': settings.streamClass,
    'stream-key': settings.streamKey,
    'feedback-uri': settings.feedback,
    token: settings.token,
  };
  const words = Object.entries(picker).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? quoted(value) : value}`,
  );
  const unbounded = 'max-size-buffers=0 max-size-bytes=0 max-size-time=10000000000';
  const listen = `srt://127.0.0.1:${settings.listenPort}?mode=listener`;
  return (
    // Times without the correction of clocks that PCR brings: the constant between canvas and stream
    // must hold.
    `srtsrc uri=${quoted(listen)} latency=60 ! tsdemux name=demux ignore-pcr=true ` +
    'demux. ! video/x-h264 ! queue ! h264parse ! tee name=coded ' +
    `coded. ! queue ${unbounded} ! mux. coded. ! queue ! avdec_h264 ! tee name=decoded ` +
    `decoded. ! queue ${unbounded} min-threshold-time=${settings.canvasDelayMs * 1e6} ! picker.lowres ` +
    `decoded. ! queue ! videoconvertscale ! video/x-raw,format=I420,width=${smallWidth},height=${smallHeight} ` +
    '! gdppay ! fdsink fd=1 sync=false async=false ' +
    'demux. ! audio/mpeg ! queue ! aacparse ! mux. ' +
    `fdsrc fd=0 ! gdpdepay ! queue ! patchpicker name=picker ${words.join(' ')} ` +
    'picker.patches ! queue ! mux. mpegtsmux name=mux alignment=7 ' +
    `! queue ${unbounded} ! srtsink name=uplink uri=${quoted(serverUri(settings.server, settings.streamKey))} ` +
    `latency=${settings.latencyMs} sync=false async=false`
  );
}

/** What may be waiting in the pipe before frames are left out. */
const mostWaitingBytes = 64 << 20;

export class Relay {
  readonly #pipeline: Pipeline;
  readonly #settings: RelaySettings;
  readonly #handlers: RelayHandlers;
  readonly #reader = new GdpReader();
  #begun = false;
  #sentCaps = '';

  constructor(settings: RelaySettings, handlers: RelayHandlers) {
    this.#settings = settings;
    this.#handlers = handlers;
    this.#pipeline = new Pipeline({
      name: 'the relay',
      launch: relayLaunch(settings),
      pipes: true,
      onMessage: ({ type, text }) => {
        if (type === 'warning' && text !== null) handlers.onWarning(text);
      },
    });
    this.#pipeline.output?.on('data', (chunk: Buffer) => {
      this.#read(chunk);
    });
  }

  /** As Pipeline.done: when OBS's connection has ended, or with what went wrong. */
  get done(): Promise<void> {
    return this.#pipeline.done;
  }

  get processId(): number | undefined {
    return this.#pipeline.processId;
  }

  stop(): Promise<void> {
    return this.#pipeline.stop();
  }

  set(property: string, value: string | number | boolean): void {
    this.#pipeline.set('picker', property, value);
  }

  async stats(): Promise<{ picker: StructureFields; uplink: StructureFields }> {
    const [picker, uplink] = await Promise.all([
      this.#pipeline.get('picker', 'stats'),
      this.#pipeline.get('uplink', 'stats'),
    ]);
    return { picker: parseStructure(picker), uplink: parseStructure(uplink) };
  }

  /** A frame of the canvas and its time in the stream, for patches. Frames come in order. */
  sendCanvas({ width, height, pixels }: Luma, timeNs: number): void {
    const { input } = this.#pipeline;
    if (!this.#begun || !input?.writable || input.writableLength > mostWaitingBytes) return;
    input.cork();
    this.#sendCaps(width, height);
    // Rows of GStreamer begin at multiples of four bytes.
    const stride = Math.ceil(width / 4) * 4;
    const frame = stride === width ? pixels : withStride(pixels, width, height, stride);
    input.write(bufferHeader(timeNs, this.#frameNs, frame.length));
    input.write(frame);
    input.uncork();
  }

  get #frameNs(): number {
    return 1e9 / this.#settings.framesPerSecond;
  }

  #sendCaps(width: number, height: number): void {
    const caps =
      `video/x-raw, format=(string)GRAY8, width=(int)${width}, height=(int)${height}, ` +
      `framerate=(fraction)${Math.round(this.#settings.framesPerSecond * 1000)}/1000`;
    if (caps !== this.#sentCaps) this.#pipeline.input?.write(capsPacket(caps));
    this.#sentCaps = caps;
  }

  #read(chunk: Uint8Array): void {
    let packets;
    try {
      packets = this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof GdpError)) throw error;
      this.#handlers.onWarning(`no pictures from the relay: ${error.message}`);
      void this.#pipeline.stop();
      return;
    }
    for (const packet of packets) {
      if (packet.kind === 'buffer') {
        // The multiplexer waits for whichever input is behind.
        if (this.#begun) this.#pipeline.input?.write(gapPacket(packet.timeNs, this.#frameNs));
        const pixels = Uint8Array.from(packet.payload.subarray(0, smallWidth * smallHeight));
        const small = { width: smallWidth, height: smallHeight, pixels };
        this.#handlers.onStreamFrame(packet.timeNs, small);
      } else if (packet.kind === 'event') {
        this.#share(packet.text, packet.packet);
      } else if (packet.kind === 'end') {
        this.#handlers.onEnd();
      }
    }
  }

  /** The canvas' stream has the decoded stream's beginning, so that their times are the same. */
  #share(event: string, packet: Uint8Array): void {
    const { input } = this.#pipeline;
    if (event.startsWith('GstEventStreamStart')) {
      // Not theirs: it names objects of that process, which cannot be read back.
      input?.write(streamStartPacket('canvas'));
      const { canvasWidth, canvasHeight } = this.#settings;
      this.#sentCaps = '';
      this.#sendCaps(canvasWidth, canvasHeight);
    } else if (event.startsWith('GstEventSegment')) {
      input?.write(packet);
      this.#begun = true;
    }
  }
}

function withStride(pixels: Uint8Array, width: number, height: number, stride: number): Uint8Array {
  const frame = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++)
    frame.set(pixels.subarray(y * width, (y + 1) * width), y * stride);
  return frame;
}
