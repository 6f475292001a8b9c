// Where a stream's training reports, and what its memory knows, go out as feedback. Streams of one engine
// share the server of an address, each with a token of its own. When the last one has gone it is closed,
// a moment later: a stream that begins afresh, with another size say, finds its senders still there.
import { statSync } from 'node:fs';
import type { EnhancerStart } from '../channel/messages.ts';
import type { Host } from '../engine/contract.ts';
import { FeedbackServer, type News, type ServerCounts } from './server.ts';
import { canOthersRead } from './secret-files.ts';
import { StreamAuthority, type Warn } from './tokens.ts';

type OnPacket = (packet: Uint8Array) => void;

interface Stream {
  readonly onPacket: OnPacket;
  readonly warn: Warn;
  readonly log: Host['log'];
}

interface Shared {
  readonly server: Promise<FeedbackServer | undefined>;
  readonly authority: StreamAuthority;
  /** By stream key. */
  readonly streams: Map<string, Set<Stream>>;
  readonly certificate: string;
  users: number;
}

const lingerMs = 1000;

const servers = new Map<string, Shared>();

export interface Publisher {
  tell(news: News): void;
  /** undefined while the server is not there. */
  readonly counts: ServerCounts | undefined;
  close(): void;
}

export type PublisherSettings = Pick<
  EnhancerStart,
  'feedbackListen' | 'feedbackCertificate' | 'token' | 'tokensFile' | 'streamKey'
>;

export interface PublisherHost extends Pick<Host, 'log' | 'nowMs'> {
  readonly warn: Warn;
}

/** undefined when none is asked for. What is wrong is said; the stream goes on without feedback. */
export function openPublisher(
  settings: PublisherSettings,
  host: PublisherHost,
  onPacket: OnPacket,
): Publisher | undefined {
  const { warn } = host;
  const { feedbackListen, feedbackCertificate, token, tokensFile, streamKey } = settings;
  if (feedbackListen === '') return undefined;
  const shared = servers.get(feedbackListen) ?? openShared(settings, host);
  if (!shared) return undefined;
  if (shared.certificate !== feedbackCertificate) {
    warn(
      `feedback-listen ${feedbackListen}: another stream listens there with another certificate.`,
      'Give this one an address of its own. Until then it has no feedback.',
    );
    return undefined;
  }
  const stream = { onPacket, warn, log: host.log };
  if (!shared.authority.add(streamKey, { token, tokensFile })) {
    warn(
      `feedback-listen ${feedbackListen}: another stream of the same stream key has another token.`,
      'Set a stream-key of its own. Until then it has no feedback.',
    );
    return undefined;
  }
  if (token !== '' && tokensFile !== '') {
    warn('Both token and tokens-file are set: the file counts.', 'Set one of them.');
  }
  shared.users++;
  const ofStream = shared.streams.get(streamKey) ?? new Set();
  shared.streams.set(streamKey, ofStream.add(stream));
  // What is wrong with a file is said at the start, not when the first sender comes.
  shared.authority.refresh();
  return publisherOf(shared, feedbackListen, streamKey, stream);
}

function publisherOf(
  shared: Shared,
  address: string,
  streamKey: string,
  stream: Stream,
): Publisher {
  let open: FeedbackServer | undefined;
  void shared.server.then((server) => {
    open = server;
    if (server) stream.log(`feedback of this stream is open at ${address}`);
  });
  return {
    tell: (news) => {
      void shared.server.then((server) => server?.publish(streamKey, news));
    },
    get counts() {
      return open?.counts;
    },
    close: () => {
      stream.log(`feedback of this stream is closed at ${address}`);
      shared.users--;
      shared.authority.leave(streamKey);
      const ofStream = shared.streams.get(streamKey);
      ofStream?.delete(stream);
      if (ofStream?.size === 0) shared.streams.delete(streamKey);
      void shared.server.then((server) => {
        server?.forget(streamKey);
        const timer = setTimeout(() => {
          shared.authority.forget(streamKey);
          if (shared.users > 0 || servers.get(address) !== shared) return;
          servers.delete(address);
          server?.close();
        }, lingerMs);
        timer.unref();
      });
    },
  };
}

/** The private key stands in it. */
function checkCertificate(certificate: string, warn: Warn): void {
  const found = certificate === '' ? undefined : statSync(certificate, { throwIfNoEntry: false });
  if (!found || !canOthersRead(found.mode)) return;
  warn(
    `feedback-certificate ${certificate}: others on this machine can read its private key.`,
    `chmod 600 ${certificate}`,
  );
}

function openShared(settings: PublisherSettings, host: PublisherHost): Shared | undefined {
  const { feedbackListen, feedbackCertificate: certificate } = settings;
  const [, address, port] = /^\[?(.+?)\]?:(\d{1,5})$/.exec(feedbackListen) ?? [];
  if (address === undefined) {
    host.warn(
      `feedback-listen "${feedbackListen}" is no address; there is no feedback.`,
      'Use ADDRESS:PORT, 0.0.0.0:7002 for one.',
    );
    return undefined;
  }
  checkCertificate(certificate, host.warn);
  const streams: Shared['streams'] = new Map();
  const authority = new StreamAuthority((cause, remedy) => {
    host.log(`${cause} ${remedy}`);
    for (const ofStream of streams.values()) for (const { warn } of ofStream) warn(cause, remedy);
  });
  const server = FeedbackServer.open({
    address,
    port: Number(port),
    certificate,
    authority,
    log: host.log,
    nowMs: host.nowMs,
    onPacket: (streamKey, packet) => {
      for (const { onPacket } of streams.get(streamKey) ?? []) onPacket(packet);
    },
  }).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    host.warn(
      `feedback-listen ${feedbackListen}: ${reason}; there is no feedback.`,
      'Give it an address and a port that are free, and a certificate that can be read.',
    );
    return undefined;
  });
  const shared = { server, authority, streams, certificate, users: 0 };
  servers.set(feedbackListen, shared);
  return shared;
}
