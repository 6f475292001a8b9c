// Where a stream's training reports, and what its memory knows, go out as feedback. Streams of one engine share the server of an
// address. When the last one has gone it is closed, a moment later: a stream that begins afresh, with
// another size say, finds its senders still there.
import type { EnhancerStart } from '../channel/messages.ts';
import type { Host } from '../engine/contract.ts';
import { FeedbackServer, type News } from './server.ts';

type OnPacket = (packet: Uint8Array) => void;

interface Shared {
  readonly server: Promise<FeedbackServer | undefined>;
  /** By stream key. */
  readonly listeners: Map<string, Set<OnPacket>>;
  readonly token: string;
  readonly certificate: string;
  users: number;
}

const lingerMs = 1000;

const servers = new Map<string, Shared>();

export interface Publisher {
  tell(news: News): void;
  close(): void;
}

type Settings = Pick<
  EnhancerStart,
  'feedbackListen' | 'feedbackCertificate' | 'token' | 'streamKey'
>;

/** undefined when none is asked for. What is wrong is said; the stream goes on without feedback. */
export function openPublisher(
  settings: Settings,
  host: Pick<Host, 'log' | 'nowMs'>,
  onPacket: OnPacket,
): Publisher | undefined {
  const { log } = host;
  const { feedbackListen, feedbackCertificate: certificate, token, streamKey } = settings;
  if (feedbackListen === '') return undefined;
  let shared = servers.get(feedbackListen);
  if (!shared) {
    const listeners = new Map<string, Set<OnPacket>>();
    const server = openServer(settings, host, listeners);
    shared = { server, listeners, token, certificate, users: 0 };
    servers.set(feedbackListen, shared);
  } else if (shared.token !== token || shared.certificate !== certificate) {
    log(
      `feedback on ${feedbackListen}: another stream listens there with another token or ` +
        'certificate; give this one an address of its own',
    );
    return undefined;
  }
  shared.users++;
  const { server, listeners } = shared;
  const ofStream = listeners.get(streamKey) ?? new Set();
  listeners.set(streamKey, ofStream.add(onPacket));
  return {
    tell: (news) => {
      void server.then((open) => open?.publish(streamKey, news));
    },
    close: () => {
      shared.users--;
      ofStream.delete(onPacket);
      if (ofStream.size === 0 && listeners.get(streamKey) === ofStream) listeners.delete(streamKey);
      void server.then((open) => {
        open?.forget(streamKey);
        const timer = setTimeout(() => {
          if (shared.users > 0 || servers.get(feedbackListen) !== shared) return;
          servers.delete(feedbackListen);
          open?.close();
        }, lingerMs);
        timer.unref();
      });
    },
  };
}

async function openServer(
  settings: Settings,
  { log, nowMs }: Pick<Host, 'log' | 'nowMs'>,
  listeners: ReadonlyMap<string, ReadonlySet<OnPacket>>,
): Promise<FeedbackServer | undefined> {
  const { feedbackListen, feedbackCertificate, token } = settings;
  const [, address, port] = /^\[?(.+?)\]?:(\d{1,5})$/.exec(feedbackListen) ?? [];
  if (address === undefined) {
    log(`feedback-listen "${feedbackListen}": use ADDRESS:PORT; there is no feedback`);
    return undefined;
  }
  try {
    return await FeedbackServer.open({
      address,
      port: Number(port),
      token,
      certificate: feedbackCertificate,
      log,
      packets: {
        onPacket: (streamKey, packet) => {
          for (const onPacket of listeners.get(streamKey) ?? []) onPacket(packet);
        },
        nowMs,
      },
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    log(`feedback-listen ${feedbackListen}: ${reason}; there is no feedback`);
    return undefined;
  }
}
