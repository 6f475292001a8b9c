// A sender's end of the feedback channel as tests of either end open it.
import { FeedbackClient, type FeedbackClientOptions } from '../../elements/feedback/client.ts';
import type { Hello } from '../../elements/feedback/messages.ts';
import { FeedbackServer, type FeedbackServerOptions } from '../../elements/feedback/server.ts';
import { StreamAuthority } from '../../elements/feedback/tokens.ts';

export const feedbackHello: Hello = {
  type: 'hello',
  version: 1,
  streamKey: 'stream',
  streamClass: 'default',
  scale: 2,
  frameWidth: 1280,
  frameHeight: 720,
  memory: true,
};

export function feedbackClient(
  port: number,
  change: Partial<FeedbackClientOptions> = {},
): FeedbackClient {
  return new FeedbackClient({
    uri: `ws://127.0.0.1:${port}`,
    token: '',
    hello: feedbackHello,
    random: () => 0,
    nowMs: () => performance.now(),
    log: () => undefined,
    ...change,
  });
}

/** Streams and the token of each; empty: open to all. */
export function authorityOf(tokens: Readonly<Record<string, string>>): StreamAuthority {
  const authority = new StreamAuthority(() => undefined);
  for (const [streamKey, token] of Object.entries(tokens)) {
    authority.add(streamKey, { token, tokensFile: '' });
  }
  return authority;
}

/** A server of one stream, "stream", that is open to all. */
export function feedbackServer(
  change: Partial<FeedbackServerOptions> = {},
): Promise<FeedbackServer> {
  return FeedbackServer.open({
    address: '127.0.0.1',
    port: 0,
    certificate: '',
    authority: authorityOf({ stream: '' }),
    log: () => undefined,
    nowMs: () => performance.now(),
    ...change,
  });
}
