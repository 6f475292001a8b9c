// The relay: OBS's stream comes in over SRT on this machine, goes on to the server as it is, and patches
// of the canvas go with it. One pipeline for each connection of OBS; what decides is in patchpicker's
// engine, like in `livesr send`.
import { Pipeline, quoted } from '../../elements/measure/pipeline.ts';
import { parseStructure, type StructureFields } from '../../elements/measure/structure.ts';
import { warningOf } from '../../elements/measure/warning.ts';
import { CanvasWriter } from './canvas-writer.ts';
import { followPackets, type GdpPacket } from './gdp-stream.ts';
import { smallHeight, smallWidth, type Luma } from './picture.ts';
import {
  launchWords,
  pickerProperties,
  rateProperties,
  type PathSettings,
  type Rates,
} from './stream-path.ts';

/** How long decoded frames wait for the canvas. */
const canvasDelayMs = 600;
/** Of residual patches; 0: as fits. */
const residualSteps = { auto: 0, fine: 16, coarse: 36 } as const;

export interface RelayHandlers {
  readonly onStreamFrame: (timeNs: number, small: Luma) => void;
  readonly onWarning: (text: string) => void;
  /** OBS's connection has ended. */
  readonly onEnd: () => void;
}

export const isRtmp = (server: string): boolean => /^rtmps?:/.test(server);

/** The server's address with the stream key where servers of its kind look for it. */
export function serverUri(server: string, streamKey: string): string {
  if (isRtmp(server)) {
    return streamKey === '' ? server : `${server.replace(/\/$/, '')}/${streamKey}`;
  }
  const url = new URL(server);
  if (streamKey !== '' && !url.searchParams.has('streamid')) {
    url.searchParams.set('streamid', streamKey);
  }
  return url.href;
}

const unbounded = 'max-size-buffers=0 max-size-bytes=0 max-size-time=10000000000';

/** From pictures and audio to the server. */
function outletLaunch({ server, streamKey, passphrase, latencyMs }: PathSettings): string {
  const uri = quoted(serverUri(server, streamKey));
  const unsynced = 'sync=false async=false';
  if (isRtmp(server)) {
    return (
      `flvmux name=mux streamable=true ! queue name=backlog ${unbounded} ` +
      `! rtmp2sink name=uplink location=${uri} ${unsynced}`
    );
  }
  const encryption = passphrase === '' ? '' : `passphrase=${quoted(passphrase)} `;
  return (
    `livesrmux name=mux ! queue ${unbounded} ` +
    `! srtsink name=uplink uri=${uri} ${encryption}latency=${latencyMs} ${unsynced}`
  );
}

export function relayLaunch(settings: PathSettings, rates: Rates, pictureBps: number): string {
  const words = launchWords({
    ...pickerProperties(settings, rates),
    ...(isRtmp(settings.server)
      ? { uplink: 'external', 'uplink-bitrate': pictureBps }
      : { uplink: 'srt:uplink' }),
    'residual-step': residualSteps[settings.patchQuality],
  });
  // FLV has no place for a track of patches.
  const isInside = settings.carriage === 'auto' || isRtmp(settings.server);
  const pictures = isInside
    ? `coded. ! queue ${unbounded} ! inserter.sink picker.patches ! queue ! inserter.patches ` +
      'patchinserter name=inserter ! h264parse ! mux. '
    : `coded. ! queue ${unbounded} ! mux. picker.patches ! queue ! mux. `;
  const listen = `srt://127.0.0.1:${settings.listenPort}?mode=listener`;
  return (
    // Times without the correction of clocks that PCR brings: the constant between canvas and stream
    // must hold.
    `srtsrc uri=${quoted(listen)} latency=60 ! tsdemux name=demux ignore-pcr=true ` +
    'demux. ! video/x-h264 ! queue ! h264parse ! tee name=coded ' +
    `${pictures}coded. ! queue ! avdec_h264 ! tee name=decoded ` +
    `decoded. ! queue ${unbounded} min-threshold-time=${canvasDelayMs * 1e6} ! picker.lowres ` +
    `decoded. ! queue ! videoconvertscale ! video/x-raw,format=I420,width=${smallWidth},height=${smallHeight} ` +
    '! gdppay ! fdsink fd=1 sync=false async=false ' +
    'demux. ! audio/mpeg ! queue ! aacparse ! mux. ' +
    `fdsrc fd=0 ! gdpdepay ! queue ! patchpicker name=picker ${words} ` +
    outletLaunch(settings)
  );
}

export class Relay {
  readonly #pipeline: Pipeline;
  readonly #settings: PathSettings;
  readonly #handlers: RelayHandlers;
  readonly #canvas: CanvasWriter;

  constructor(settings: PathSettings, rates: Rates, pictureBps: number, handlers: RelayHandlers) {
    this.#settings = settings;
    this.#handlers = handlers;
    this.#pipeline = new Pipeline({
      name: 'the relay',
      launch: relayLaunch(settings, rates, pictureBps),
      pipes: true,
      onMessage: (message) => {
        const warning = warningOf(message);
        if (warning !== undefined) handlers.onWarning(warning);
      },
    });
    this.#canvas = new CanvasWriter(this.#pipeline.input, settings.framesPerSecond);
    followPackets(
      this.#pipeline.output,
      (packet) => {
        this.#take(packet);
      },
      (why) => {
        handlers.onWarning(`no pictures from the relay: ${why}`);
        void this.#pipeline.stop();
      },
    );
  }

  /** As Pipeline.done: when OBS's connection has ended, or with what went wrong. */
  get done(): Promise<void> {
    return this.#pipeline.done;
  }

  stop(): Promise<void> {
    return this.#pipeline.stop();
  }

  set(rates: Rates): void {
    for (const [property, value] of Object.entries(rateProperties(rates))) {
      this.#pipeline.set('picker', property, value);
    }
  }

  /** What video and patches may have of an uplink that the transport does not measure. */
  setUplink(pictureBps: number): void {
    this.#pipeline.set('picker', 'uplink-bitrate', pictureBps);
  }

  async stats(): Promise<{ picker: StructureFields; uplink: StructureFields }> {
    const [picker, uplink] = await Promise.all([
      this.#pipeline.get('picker', 'stats'),
      this.#pipeline.get('uplink', 'stats'),
    ]);
    return { picker: parseStructure(picker), uplink: parseStructure(uplink) };
  }

  /** What waits for the network, of RTMP. */
  async backlogMs(): Promise<number> {
    return Number(await this.#pipeline.get('backlog', 'current-level-time')) / 1e6 || 0;
  }

  /** A frame of the canvas and its time in the stream, for patches. */
  sendCanvas(luma: Luma, timeNs: number): void {
    this.#canvas.frame(luma, timeNs);
  }

  #take(packet: GdpPacket): void {
    if (packet.kind === 'buffer') {
      // The multiplexer waits for whichever input is behind.
      this.#canvas.gap(packet.timeNs);
      const pixels = new Uint8Array(packet.payload.subarray(0, smallWidth * smallHeight));
      const small = { width: smallWidth, height: smallHeight, pixels };
      this.#handlers.onStreamFrame(packet.timeNs, small);
    } else if (packet.kind === 'event') {
      // The canvas' stream has the decoded stream's beginning, so that their times are the same; not
      // its start, which names objects of that process.
      if (packet.text.startsWith('GstEventStreamStart')) this.#canvas.start(this.#settings.canvas);
      else if (packet.text.startsWith('GstEventSegment')) this.#canvas.segment(packet.packet);
    } else if (packet.kind === 'end') {
      this.#handlers.onEnd();
    }
  }
}
