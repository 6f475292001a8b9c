// Targets: what comes over sockets. Frames of the channel, its messages, messages of the feedback
// connection, as each end reads them.
import {
  ChannelError,
  encodeFrame,
  FrameDecoder,
  type Frame,
} from '../../../elements/channel/frame.ts';
import {
  enhancerMessage,
  parseHead,
  senderMessage,
  startMessage,
} from '../../../elements/channel/messages.ts';
import {
  hello,
  ignoredInAll,
  initialReader,
  readFeedback,
} from '../../../elements/feedback/messages.ts';
import { isPacket } from '../../../elements/feedback/packets.ts';
import { parseTokens } from '../../../elements/feedback/tokens.ts';
import { require, type Target } from './fuzzer.ts';
import { refusing } from './files.ts';

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

function decoded(bytes: Uint8Array, sizes: readonly number[]): { frames: Frame[]; error: string } {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  let error = '';
  try {
    for (let at = 0, turn = 0; at < bytes.length; turn++) {
      const size = sizes[turn % sizes.length] ?? 1;
      decoder.push(bytes.subarray(at, at + size), (frame) => frames.push(frame));
      at += size;
    }
  } catch (fault) {
    if (!(fault instanceof ChannelError)) throw fault;
    error = fault.message;
  }
  return { frames, error };
}

const channelSeed = Buffer.concat([
  encodeFrame('notification', { type: 'time.tick', mediaTimeNs: 200_000_000 }),
  encodeFrame('request', { type: 'frame.offer', id: 3 }, Buffer.from([1, 2, 3, 4])),
  encodeFrame('response', { type: 'time.tick', id: 3 }),
]);

const channel: Target = {
  name: 'channel',
  seeds: [channelSeed, encodeFrame('notification', { type: 'a', deep: [[[[1]]]] })],
  words: ['"id":', '"type":', '{', '[', '\u0000\u0000', '\u0001\u0001'],
  run: (bytes) => {
    const whole = decoded(bytes, [bytes.length]);
    const pieces = decoded(bytes, [1, 11, 3, 64]);
    require(whole.error === pieces.error, 'chunks change no error');
    require(JSON.stringify(whole.frames) ===
      JSON.stringify(pieces.frames), 'chunks change nothing');
    for (const { kind, head, blob } of whole.frames) {
      const [again] = decoded(encodeFrame(kind, head, blob), [7]).frames;
      require(JSON.stringify(again) ===
        JSON.stringify({ kind, head, blob }), 'a frame can be written');
    }
    return `${whole.frames.length} frames, ${whole.error.replaceAll(/[\d.]+/g, '#').slice(0, 60)}`;
  },
};

const heads = [
  { type: 'time.tick', mediaTimeNs: 0, videoBytes: 10, patchBytes: 2, packets: 1, packetsLost: 0 },
  { type: 'patch.pair', sequence: 1, mediaTimeNs: 5, x: 0, y: 0, width: 64, height: 64 },
  { type: 'scene.cut', mediaTimeNs: 1 },
  { type: 'frame.offer', offer: 1, mediaTimeNs: 3, columns: 2, rows: 2, cell: 120 },
  {
    type: 'link.srt',
    timeNs: 1,
    bytesSent: 1,
    bytesRetransmitted: 0,
    packetsSent: 1,
    packetsLost: 0,
    nacks: 0,
    rttMs: 3,
  },
  {
    type: 'link.twcc',
    timeNs: 1,
    packets: [{ sequence: 1, sentNs: 1, arrivedNs: null, bytes: 100 }],
  },
];

const elementMessages: Target = {
  name: 'messages of an element',
  seeds: heads.map(json),
  words: ['"mediaTimeNs":', '9007199254740992', '"memory":', 'null', ',', '18446744073709551615'],
  run: (bytes) => {
    let head: unknown;
    try {
      head = JSON.parse(Buffer.from(bytes).toString('utf8'));
    } catch {
      return 'no JSON';
    }
    if (typeof head !== 'object' || head === null || Array.isArray(head)) return 'no head';
    const { type } = head as { type?: unknown };
    if (typeof type !== 'string') return 'no type';
    return refusing(ChannelError, () => {
      const readers = [
        () => parseHead(enhancerMessage, { ...head, type }),
        () => parseHead(senderMessage, { ...head, type }),
        () => parseHead(startMessage, { ...head, type }),
      ];
      for (const read of readers) {
        try {
          return read().type;
        } catch (error) {
          if (!(error instanceof ChannelError)) throw error;
        }
      }
      throw new ChannelError('of no element');
    });
  },
};

const welcome = { type: 'welcome', version: 1, session: 'a', patches: true };
const news = {
  type: 'training',
  version: 1,
  session: 'a',
  sequence: 1,
  mediaTimeNs: 5,
  epoch: 1,
  state: 'training',
  gainDb: 1.5,
  genericGainDb: 1,
  epochGainDb: null,
  pairs: 10,
};
const memory = {
  type: 'memory',
  version: 1,
  session: 'a',
  sequence: 2,
  mediaTimeNs: 5,
  cell: 120,
  columns: 2,
  rows: 1,
  cover: '0f',
};
const lines = (...messages: readonly unknown[]): Buffer =>
  Buffer.from(messages.map((message) => JSON.stringify(message)).join('\n'));

/** The sender's end: a server that says anything, line by line. */
const feedbackNews: Target = {
  name: 'news of a feedback server',
  seeds: [lines(welcome, news, memory), lines(welcome, news, { ...welcome, session: 'b' }, news)],
  words: [
    '\n',
    '"session":"b"',
    '"sequence":',
    '"cover":"',
    '"columns":8192',
    '"version":2',
    '1e308',
  ],
  run: (bytes) => {
    const seen = new Map<string, number>();
    let reader = initialReader;
    let acted = 0;
    const texts = Buffer.from(bytes).toString('utf8').split('\n');
    for (const text of texts) {
      const before = reader;
      const { reader: after, training, memory: told } = readFeedback(reader, text, seen);
      reader = after;
      require(!(training && told), 'a message is one thing');
      if (!training && !told) continue;
      acted++;
      require(after.lastSequence > before.lastSequence, 'what is acted upon is newer');
      require(after.session === before.session, 'and of the session that was welcomed');
      if (training) {
        require(Math.abs(training.gainDb ?? 0) <= 60, 'gains that there are');
        require(training.goodputBps === null || training.goodputBps >= 0, 'rates that there are');
      }
      if (told) require(told.cover.length === told.columns * told.rows, 'a digit for each cell');
    }
    require(reader.received === acted, 'what was received is counted once');
    require(acted + ignoredInAll(reader) <= texts.length, 'what was ignored is counted once');
    require(seen.size <= 16, 'sessions that are remembered are bounded');
    return `${acted} acted upon, ${JSON.stringify(reader.ignored)}`;
  },
};

const feedbackHello: Target = {
  name: 'hello of a sender',
  seeds: [
    json({
      type: 'hello',
      version: 1,
      streamKey: 'a',
      streamClass: 'default',
      scale: 1.5,
      frameWidth: 1280,
      frameHeight: 720,
      memory: true,
    }),
  ],
  words: ['"streamKey":', '"scale":2', '"__proto__":{"memory":true}', '"a"'.padEnd(300, 'b')],
  run: (bytes) => {
    isPacket(bytes);
    let said: unknown;
    try {
      said = JSON.parse(Buffer.from(bytes).toString('utf8'));
    } catch {
      return 'no JSON';
    }
    const read = hello.safeParse(said);
    if (!read.success) return read.error.issues.map(({ path }) => path.join('.')).join();
    const { streamKey, frameWidth, frameHeight } = read.data;
    require(streamKey.length <= 256, 'a stream key of bounded length');
    require(frameWidth <= 32_768 && frameHeight <= 32_768, 'a picture that there is');
    require(Number.isInteger(frameWidth) && frameWidth >= 0, 'whole pixels');
    return 'a hello';
  },
};

const tokens: Target = {
  name: 'tokens file',
  seeds: [
    Buffer.from('# key, token\nstudio-1 abc\nstudio-2   def\n'),
    json({ 'studio-1': 'abc', 'studio-2': ['def', 'ghi'] }),
  ],
  words: ['\n', ' ', '#', '{', '"a":', '__proto__', 'constructor'],
  run: (bytes) =>
    refusing(Error, () => {
      const { tokens: read, faults } = parseTokens(Buffer.from(bytes).toString('utf8'));
      for (const [key, values] of read) {
        require(key.length > 0 && values.length > 0, 'a stream key has a token');
        require(values.every(
          (value) => value.length > 0,
        ), 'no token is empty: it would let everybody in');
      }
      return `${Math.min(3, read.size)} keys, ${Math.min(3, faults.length)} faults`;
    }),
};

export const messageTargets: readonly Target[] = [
  channel,
  elementMessages,
  feedbackNews,
  feedbackHello,
  tokens,
];
