// The two ends of a measurement.
import { quoted } from '../../elements/measure/pipeline.ts';
import type { Input, Ports, Way } from './ways.ts';

/** Elements that make and take the transport stream: GStreamer's own, or livesr's around them. */
export const transports = {
  livesr: {
    mux: 'livesrmux name=mux',
    demux: 'livesrdemux name=demux',
    video: () => 'demux.video',
    patches: 'demux.patches',
  },
  plain: {
    mux: 'mpegtsmux name=mux alignment=7',
    demux: 'tsdemux name=demux',
    video: (caps: string) => `demux. ! ${caps}`,
    patches: 'demux. ! meta/x-klv',
  },
} as const;

export type Transport = keyof typeof transports;
export type Carriage = 'sei' | 'klv';

const codecs = {
  h264: { caps: 'video/x-h264', parse: 'h264parse', decode: 'avdec_h264' },
  h265: { caps: 'video/x-h265', parse: 'h265parse', decode: 'avdec_h265' },
} as const;

export const encoders = {
  x264: {
    codec: 'h264',
    launch:
      'x264enc tune=zerolatency speed-preset=veryfast threads=1 key-int-max=60 vbv-buf-capacity=250',
  },
  'x264, 2 B frames': {
    codec: 'h264',
    launch: 'x264enc speed-preset=veryfast bframes=2 rc-lookahead=10 threads=1 key-int-max=60',
  },
  x265: {
    codec: 'h265',
    launch: 'x265enc tune=zerolatency speed-preset=ultrafast key-int-max=60',
  },
} as const;

export type EncoderName = keyof typeof encoders;

export interface Stream {
  readonly transport: Transport;
  readonly carriage: Carriage;
  readonly encoder: EncoderName;
  readonly patchCodec: 'residual' | 'jpeg';
  readonly patchBitrate: number;
  readonly clip: string;
}

export function sender(stream: Stream, way: Way, ports: Ports): string {
  const { codec, launch } = encoders[stream.encoder];
  const { parse } = codecs[codec];
  const { mux } = transports[stream.transport];
  const isTransportStream = way.output.container === 'mpegts';
  return (
    `srloopsrc is-live=true location=${quoted(stream.clip)} ! queue ` +
    `! patchsender name=sender carriage=${stream.carriage} scale=2 max-bitrate=1500000 ` +
    `patch-codec=${stream.patchCodec} patch-bitrate=${stream.patchBitrate} ` +
    `encoder=${quoted(launch)} ` +
    `sender.src ! ${parse} config-interval=-1 ! queue ! ${isTransportStream ? `${mux} ! ` : ''}` +
    way.output.launch(ports) +
    (isTransportStream && stream.carriage === 'klv' ? ' sender.patches ! queue ! mux.' : '')
  );
}

/** The pads of a demultiplexer: of the video, and of a track of patches. */
function tracks(stream: Stream, input: Input): { video: string; patches?: string } {
  if (input.container === undefined) return { video: '' };
  if (input.container !== 'mpegts') return { video: `! ${input.container}` };
  const { demux, video, patches } = transports[stream.transport];
  const { caps } = codecs[encoders[stream.encoder].codec];
  return { video: `! ${demux} ${video(caps)}`, patches };
}

export function server(stream: Stream, input: Input, ports: Ports, engine: string): string {
  const { parse, decode } = codecs[encoders[stream.encoder].codec];
  const { video, patches } = tracks(stream, input);
  return (
    `${input.launch(ports)} ${video} ! queue ! ${parse} ! ${decode} ` +
    `! srenhancer name=enhancer scale=2 engine=${quoted(`unix:${engine}`)} ` +
    `! fakesink sync=${input.isPaced ?? false}` +
    (stream.carriage === 'klv' && patches !== undefined
      ? ` ${patches} ! queue ! enhancer.patches`
      : '')
  );
}
