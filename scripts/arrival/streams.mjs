// The two ends of a measurement and what may lie between them.

const loopback = (port) => `srt://127.0.0.1:${port}`;

/** A picture with edges that move, in real time; a Y4M file where one is given. */
export function source(clip) {
  if (clip !== undefined) return `srloopsrc is-live=true location="${clip}"`;
  return (
    'videotestsrc is-live=true pattern=zone-plate kx2=12 ky2=12 kt=3 ' +
    '! video/x-raw,format=I420,width=640,height=360,framerate=30/1'
  );
}

/** Elements that make and take the transport stream: GStreamer's own, or livesr's around them. */
export const transports = {
  livesr: {
    mux: 'livesrmux name=mux',
    demux: { element: 'livesrdemux', video: 'demux.video', patches: 'demux.patches' },
  },
  plain: {
    mux: 'mpegtsmux name=mux alignment=7',
    demux: {
      element: 'tsdemux',
      video: 'demux. ! video/x-h264',
      patches: 'demux. ! meta/x-klv',
    },
  },
};

export function sender({ transport, clip, port, bitrate = 600_000 }) {
  return (
    `${source(clip)} ! queue ! patchsender name=sender scale=2 max-bitrate=${bitrate} ` +
    `sender.src ! h264parse ! queue ! ${transports[transport].mux} ` +
    `! srtsink uri="${loopback(port)}?mode=caller" sender.patches ! queue ! mux.`
  );
}

/** What the server receives from; a way below names one. */
const inputs = {
  srt: (port) => `srtsrc uri="${loopback(port)}?mode=listener" keep-listening=true`,
  udp: (port) => `udpsrc port=${port} buffer-size=2000000`,
};

export function server({ transport, way, port }) {
  const { element, video, patches } = transports[transport].demux;
  return (
    `${inputs[ways[way].input](port)} ! ${element} name=demux ` +
    `${video} ! queue ! h264parse ! avdec_h264 ! srenhancer name=enhancer scale=2 ` +
    `! fakesink sync=true ${patches} ! queue ! enhancer.patches`
  );
}

const ffmpeg = (from, options, to) => [
  'ffmpeg',
  ...['-hide_banner', '-loglevel', 'error', '-fflags', 'nobuffer'],
  ...['-i', `${loopback(from)}?mode=listener`, ...options.split(' '), '-f', 'mpegts', to],
];
const toSrt = (port) => `${loopback(port)}?mode=caller`;
const toUdp = (port) => `udp://127.0.0.1:${port}?pkt_size=1316`;

/** Ways from the sender to the server: what is started between two ports, and what listens behind. */
export const ways = {
  direct: { input: 'srt' },
  'srt-live-transmit': {
    input: 'srt',
    relay: (from, to) => [
      ...['srt-live-transmit', '-q', '-chunk', '1316'],
      ...[`${loopback(from)}?mode=listener`, `${loopback(to)}?mode=caller`],
    ],
  },
  'ffmpeg -map 0 -c copy, SRT': {
    input: 'srt',
    relay: (from, to) => ffmpeg(from, '-map 0 -c copy', toSrt(to)),
  },
  'ffmpeg -map 0 -c copy, UDP': {
    input: 'udp',
    relay: (from, to) => ffmpeg(from, '-map 0 -c copy', toUdp(to)),
  },
  'ffmpeg -map 0 -c copy -copyts, SRT': {
    input: 'srt',
    relay: (from, to) => ffmpeg(from, '-map 0 -c copy -copyts', toSrt(to)),
  },
  'ffmpeg -c copy, SRT': {
    input: 'srt',
    relay: (from, to) => ffmpeg(from, '-c copy', toSrt(to)),
  },
  'ffmpeg -c copy, UDP': {
    input: 'udp',
    relay: (from, to) => ffmpeg(from, '-c copy', toUdp(to)),
  },
};
