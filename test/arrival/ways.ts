// What may lie between a sender and its server.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { quoted } from '../../elements/measure/pipeline.ts';
import { PictureDropper } from './picture-dropper.ts';
import { startFileServer, startProgram, systemPython, type Running } from './programs.ts';

export interface Ports {
  /** Where the sender sends to. */
  readonly entry: number;
  /** Where the server listens, or where it takes the stream from. */
  readonly exit: number;
  /** For what a relay writes. */
  readonly folder: string;
}

export interface Output {
  readonly launch: (ports: Ports) => string;
  /** Coded video as it is where there is none. */
  readonly container?: 'mpegts';
}

export interface Input {
  readonly launch: (ports: Ports) => string;
  /** mpegts, or the demuxer of another one; none where coded video comes as it is. */
  readonly container?: 'mpegts' | 'flvdemux' | 'qtdemux';
  /** Reads as fast as it is allowed to. */
  readonly isPaced?: boolean;
}

export interface Way {
  readonly output: Output;
  /** In the order in which they are started. */
  readonly relays?: readonly ((ports: Ports) => Running | Promise<Running>)[];
  readonly input: Input;
  /** The first of the relays gives the server its standard input. */
  readonly isPiped?: boolean;
  /** The server starts when sender and relays have ended. */
  readonly isRecording?: boolean;
  /** Its server can start only when something has arrived. */
  readonly serverWaitsFor?: (ports: Ports) => string;
  /** How far the server may be behind the sender. */
  readonly delaySeconds?: number;
  readonly needs?: readonly Need[];
}

export type Need = 'ffmpeg' | 'srt-live-transmit' | 'nginx-rtmp' | 'gst-rtsp-server';

const srt = (port: number): string => `srt://127.0.0.1:${port}`;
const rtmp = (port: number): string => `rtmp://127.0.0.1:${port}/live/stream`;

const toSrt: Output = {
  container: 'mpegts',
  launch: ({ entry }) => `srtsink uri="${srt(entry)}?mode=caller&conntimeo=20000"`,
};
const fromSrt: Input = {
  container: 'mpegts',
  launch: ({ exit }) => `srtsrc uri="${srt(exit)}?mode=listener" keep-listening=true`,
};
const fromUdp: Input = {
  container: 'mpegts',
  launch: ({ exit }) => `udpsrc port=${exit} buffer-size=2000000`,
};
const fromRtmp: Input = {
  container: 'flvdemux',
  launch: ({ exit }) => `rtmp2src location="${rtmp(exit)}"`,
};

const rtpCaps = (encoding: string): string =>
  `application/x-rtp,media=(string)video,encoding-name=(string)${encoding},payload=(int)96,clock-rate=(int)90000`;

function ffmpeg(
  options: string,
  target: (ports: Ports) => string,
  { isPiped = false } = {},
): (ports: Ports) => Running {
  return (ports) =>
    startProgram(
      'ffmpeg',
      [
        ...['-hide_banner', '-loglevel', 'warning', '-y'],
        ...['-i', `${srt(ports.entry)}?mode=listener`, ...options.split(' '), target(ports)],
      ],
      { isPiped },
    );
}
const ffmpegSrt = ({ exit }: Ports): string => `${srt(exit)}?mode=caller`;
const ffmpegUdp = ({ exit }: Ports): string => `udp://127.0.0.1:${exit}?pkt_size=1316`;
const ffmpegRtmp = ({ exit }: Ports): string => rtmp(exit);
const recordingIn = ({ folder }: Ports): string => join(folder, 'recording.mp4');
const playlistIn = (folder: string): string => join(folder, 'playlist.m3u8');

/** nginx with its RTMP module as one process that needs nothing of an installed one's configuration. */
function nginx({ folder, exit }: Ports): Running {
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
    listen 127.0.0.1:${exit};
    application live { live on; }
  }
}
`,
  );
  return startProgram('nginx', ['-c', file, '-p', '/usr/share/nginx']);
}

/** gst-rtsp-server has no program of its own; its bindings are the system's. */
const rtspServer = `
import sys, gi
gi.require_version('Gst', '1.0')
gi.require_version('GstRtspServer', '1.0')
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer(address='127.0.0.1', service=sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(sys.argv[2])
factory.set_shared(True)
server.get_mount_points().add_factory('/stream', factory)
server.attach(None)
GLib.MainLoop().run()
`;

/** By the names that the command line takes. */
export const ways: Readonly<Record<string, Way>> = {
  direct: { output: toSrt, input: fromSrt },
  'srt-live-transmit': {
    output: toSrt,
    relays: [
      ({ entry, exit }) =>
        startProgram('srt-live-transmit', [
          ...['-q', '-chunk', '1316'],
          ...[`${srt(entry)}?mode=listener`, `${srt(exit)}?mode=caller`],
        ]),
    ],
    input: fromSrt,
    needs: ['srt-live-transmit'],
  },
  'ffmpeg -c copy, SRT': {
    output: toSrt,
    relays: [ffmpeg('-c copy -f mpegts', ffmpegSrt)],
    input: fromSrt,
    needs: ['ffmpeg'],
  },
  'ffmpeg -c copy, UDP': {
    output: toSrt,
    relays: [ffmpeg('-c copy -f mpegts', ffmpegUdp)],
    input: fromUdp,
    needs: ['ffmpeg'],
  },
  'ffmpeg -map 0 -c copy, SRT': {
    output: toSrt,
    relays: [ffmpeg('-map 0 -c copy -f mpegts', ffmpegSrt)],
    input: fromSrt,
    needs: ['ffmpeg'],
  },
  'ffmpeg -map 0 -c copy, UDP': {
    output: toSrt,
    relays: [ffmpeg('-map 0 -c copy -f mpegts', ffmpegUdp)],
    input: fromUdp,
    needs: ['ffmpeg'],
  },
  'ffmpeg -map 0 -c copy -copyts, SRT': {
    output: toSrt,
    relays: [ffmpeg('-map 0 -c copy -copyts -f mpegts', ffmpegSrt)],
    input: fromSrt,
    needs: ['ffmpeg'],
  },
  'ffmpeg -c copy, FLV': {
    output: toSrt,
    relays: [ffmpeg('-c copy -f flv', () => 'pipe:1', { isPiped: true })],
    isPiped: true,
    input: { container: 'flvdemux', launch: () => 'fdsrc fd=0' },
    needs: ['ffmpeg'],
  },
  'ffmpeg -c copy, MP4': {
    output: toSrt,
    relays: [ffmpeg('-c copy', recordingIn)],
    isRecording: true,
    input: {
      container: 'qtdemux',
      launch: (ports) => `filesrc location=${quoted(recordingIn(ports))}`,
      isPaced: true,
    },
    needs: ['ffmpeg'],
  },
  'ffmpeg -c copy, MP4, as fast as it goes': {
    output: toSrt,
    relays: [ffmpeg('-c copy', recordingIn)],
    isRecording: true,
    input: {
      container: 'qtdemux',
      launch: (ports) => `filesrc location=${quoted(recordingIn(ports))}`,
    },
    needs: ['ffmpeg'],
  },
  'ffmpeg -c copy, nginx-rtmp': {
    output: toSrt,
    relays: [nginx, ffmpeg('-c copy -f flv', ffmpegRtmp)],
    input: fromRtmp,
    delaySeconds: 2,
    needs: ['ffmpeg', 'nginx-rtmp'],
  },
  'nginx-rtmp': {
    output: {
      launch: ({ exit }) => `flvmux streamable=true ! rtmp2sink location="${rtmp(exit)}"`,
    },
    relays: [nginx],
    input: fromRtmp,
    delaySeconds: 2,
    needs: ['nginx-rtmp'],
  },
  'RTP over UDP': {
    output: {
      launch: ({ exit }) =>
        `rtph264pay config-interval=-1 pt=96 ! udpsink host=127.0.0.1 port=${exit} sync=false`,
    },
    input: {
      launch: ({ exit }) =>
        `udpsrc port=${exit} buffer-size=2000000 caps=${quoted(rtpCaps('H264'))} ` +
        '! rtpjitterbuffer latency=200 ! rtph264depay',
    },
  },
  'RTSP, gst-rtsp-server': {
    output: {
      container: 'mpegts',
      launch: ({ entry }) => `udpsink host=127.0.0.1 port=${entry} sync=false`,
    },
    relays: [
      ({ entry, exit }) =>
        startProgram(systemPython, [
          '-c',
          rtspServer,
          String(exit),
          `( udpsrc port=${entry} buffer-size=2000000 ! tsdemux ! h264parse ! rtph264pay name=pay0 pt=96 )`,
        ]),
    ],
    input: {
      launch: ({ exit }) =>
        `rtspsrc location=rtsp://127.0.0.1:${exit}/stream latency=200 ! rtph264depay`,
    },
    needs: ['gst-rtsp-server'],
  },
  'HLS, hlssink2': {
    output: {
      launch: ({ folder }) =>
        `sink.video hlssink2 name=sink target-duration=2 playlist-length=6 max-files=12 ` +
        `location=${quoted(join(folder, '%05d.ts'))} playlist-location=${quoted(playlistIn(folder))}`,
    },
    relays: [({ exit, folder }) => startFileServer(folder, exit)],
    serverWaitsFor: ({ folder }) => playlistIn(folder),
    input: {
      container: 'mpegts',
      launch: ({ exit }) =>
        `souphttpsrc location=http://127.0.0.1:${exit}/playlist.m3u8 ! hlsdemux`,
      isPaced: true,
    },
    delaySeconds: 12,
  },
  'drops every 50th picture': {
    output: toSrt,
    relays: [({ entry, exit }) => new PictureDropper(srt(entry), srt(exit), 'any')],
    input: fromSrt,
    delaySeconds: 1,
  },
  'drops every 50th picture that none refers to': {
    output: toSrt,
    relays: [({ entry, exit }) => new PictureDropper(srt(entry), srt(exit), 'unreferenced')],
    input: fromSrt,
    delaySeconds: 1,
  },
};
