// The two ends of a measurement and what may lie between them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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

export function sender({ transport, carriage, clip, port, bitrate = 600_000 }) {
  return (
    `${source(clip)} ! queue ! patchsender name=sender carriage=${carriage} scale=2 max-bitrate=${bitrate} ` +
    `sender.src ! h264parse config-interval=-1 ! queue ! ${transports[transport].mux} ` +
    `! srtsink uri="${loopback(port)}?mode=caller"` +
    (carriage === 'klv' ? ' sender.patches ! queue ! mux.' : '')
  );
}

/** What the server receives from; a way below names one. */
const inputs = {
  srt: (port) => ({
    source: `srtsrc uri="${loopback(port)}?mode=listener" keep-listening=true`,
  }),
  udp: (port) => ({ source: `udpsrc port=${port} buffer-size=2000000` }),
  rtmp: (port) => ({
    source: `rtmpsrc location="${toRtmp(port)} live=1"`,
    demux: { element: 'flvdemux', video: 'demux.video' },
  }),
};

export function server({ transport, carriage, way, port, record }) {
  const input = inputs[ways[way].input](port);
  if (record !== undefined) return `${input.source} ! filesink location="${record}"`;
  const { element, video, patches } = input.demux ?? transports[transport].demux;
  return (
    `${input.source} ! ${element} name=demux ` +
    `${video} ! queue ! h264parse ! avdec_h264 ! srenhancer name=enhancer scale=2 ` +
    '! fakesink sync=true' +
    (carriage === 'klv' && patches !== undefined ? ` ${patches} ! queue ! enhancer.patches` : '')
  );
}

const ffmpeg = (from, options, to) => [
  'ffmpeg',
  ...['-hide_banner', '-loglevel', 'error', '-fflags', 'nobuffer'],
  ...['-i', `${loopback(from)}?mode=listener`, ...options.split(' '), to],
];
const toSrt = (port) => `${loopback(port)}?mode=caller`;
const toRtmp = (port) => `rtmp://127.0.0.1:${port}/live/stream`;
const toUdp = (port) => `udp://127.0.0.1:${port}?pkt_size=1316`;

// nginx with its RTMP module as one process that needs nothing of an installed one's configuration.
function nginx(port) {
  const folder = mkdtempSync(join(tmpdir(), 'livesr-nginx-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `load_module modules/ngx_rtmp_module.so;
daemon off;
master_process off;
pid ${folder}/pid;
error_log stderr error;
events {}
rtmp {
  access_log off;
  server {
    listen 127.0.0.1:${port};
    application live { live on; }
  }
}
`,
  );
  return ['nginx', '-c', file, '-p', '/usr/share/nginx'];
}

/**
 * Ways from the sender to the server: what is started between two ports, and what the server
 * receives from.
 */
export const ways = {
  direct: { input: 'srt' },
  'srt-live-transmit': {
    input: 'srt',
    relays: (from, to) => [
      [
        ...['srt-live-transmit', '-q', '-chunk', '1316'],
        ...[`${loopback(from)}?mode=listener`, toSrt(to)],
      ],
    ],
  },
  'ffmpeg -map 0 -c copy, SRT': {
    input: 'srt',
    relays: (from, to) => [ffmpeg(from, '-map 0 -c copy -f mpegts', toSrt(to))],
  },
  'ffmpeg -map 0 -c copy, UDP': {
    input: 'udp',
    relays: (from, to) => [ffmpeg(from, '-map 0 -c copy -f mpegts', toUdp(to))],
  },
  'ffmpeg -map 0 -c copy -copyts, SRT': {
    input: 'srt',
    relays: (from, to) => [ffmpeg(from, '-map 0 -c copy -copyts -f mpegts', toSrt(to))],
  },
  'ffmpeg -c copy, SRT': {
    input: 'srt',
    relays: (from, to) => [ffmpeg(from, '-c copy -f mpegts', toSrt(to))],
  },
  'ffmpeg -c copy, UDP': {
    input: 'udp',
    relays: (from, to) => [ffmpeg(from, '-c copy -f mpegts', toUdp(to))],
  },
  'ffmpeg -c copy, nginx-rtmp': {
    input: 'rtmp',
    relays: (from, to) => [nginx(to), ffmpeg(from, '-c copy -f flv', toRtmp(to))],
  },
};
