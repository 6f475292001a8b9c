// A sender's end of the feedback channel as tests of either end open it.
import { FeedbackClient, type FeedbackClientOptions } from '../../elements/feedback/client.ts';
import type { Hello } from '../../elements/feedback/messages.ts';

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
