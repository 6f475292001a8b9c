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

export function sender({ clip, port, bitrate = 600_000 }) {
  return (
    `${source(clip)} ! queue ! patchsender name=sender scale=2 max-bitrate=${bitrate} ` +
    `sender.src ! h264parse ! queue ! mpegtsmux name=mux alignment=7 ` +
    `! srtsink uri="${loopback(port)}?mode=caller" sender.patches ! queue ! mux.`
  );
}

const transportStream = (input, name) =>
  `${input} ! tsdemux name=demux ` +
  `demux. ! video/x-h264 ! queue ! h264parse ! avdec_h264 ! srenhancer name=${name} scale=2 ` +
  `! fakesink sync=true demux. ! meta/x-klv ! queue ! ${name}.patches`;

/** What the server receives from: the name of each is part of a way below. */
const servers = {
  srt: (port) =>
    transportStream(`srtsrc uri="${loopback(port)}?mode=listener" keep-listening=true`, 'enhancer'),
  udp: (port) => transportStream(`udpsrc port=${port} buffer-size=2000000`, 'enhancer'),
};

const ffmpeg = (from, options, to) => [
  'ffmpeg',
  ...['-hide_banner', '-loglevel', 'error', '-fflags', 'nobuffer'],
  ...['-i', `${loopback(from)}?mode=listener`, ...options.split(' '), '-f', 'mpegts', to],
];
const toSrt = (port) => `${loopback(port)}?mode=caller`;
const toUdp = (port) => `udp://127.0.0.1:${port}?pkt_size=1316`;

/** Ways from the sender to the server: what is started between two ports, and what listens behind. */
export const ways = {
  direct: { server: 'srt' },
  'srt-live-transmit': {
    server: 'srt',
    relay: (from, to) => [
      ...['srt-live-transmit', '-q', '-chunk', '1316'],
      ...[`${loopback(from)}?mode=listener`, `${loopback(to)}?mode=caller`],
    ],
  },
  'ffmpeg -map 0 -c copy, SRT': {
    server: 'srt',
    relay: (from, to) => ffmpeg(from, '-map 0 -c copy', toSrt(to)),
  },
  'ffmpeg -map 0 -c copy, UDP': {
    server: 'udp',
    relay: (from, to) => ffmpeg(from, '-map 0 -c copy', toUdp(to)),
  },
  'ffmpeg -map 0 -c copy -copyts, SRT': {
    server: 'srt',
    relay: (from, to) => ffmpeg(from, '-map 0 -c copy -copyts', toSrt(to)),
  },
  'ffmpeg -c copy, SRT': {
    server: 'srt',
    relay: (from, to) => ffmpeg(from, '-c copy', toSrt(to)),
  },
  'ffmpeg -c copy, UDP': {
    server: 'udp',
    relay: (from, to) => ffmpeg(from, '-c copy', toUdp(to)),
  },
};

export const server = (way, port) => servers[ways[way].server](port);
