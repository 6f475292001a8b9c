// What a connection serves: one half of the engine for one stream of one element.
import { ChannelError, type Head } from '../channel/frame.ts';
import {
  parseHead,
  startMessage,
  type EngineMessage,
  type EnhancerStart,
} from '../channel/messages.ts';
import { openPublisher } from '../feedback/publisher.ts';
import { EnhancerSession } from '../sr-enhancer/session.ts';
import { SenderSession } from '../patch-sender/session.ts';

/** Calls never overlap: the connection awaits each. Errors close the connection, loudly. */
export interface Session {
  /** A message after the start. A request is answered when this resolves. */
  handle(head: Head, blob: Uint8Array): Promise<void>;
  /** Does some ten ms of work of its own when no message waits; false when there is none to do. */
  work(): Promise<boolean>;
  /** The element is gone, or begins afresh. May come while one of the others is under way. */
  close(): void;
}

export type Send = (message: EngineMessage, blob?: Uint8Array) => void;
export type Log = (line: string) => void;

/**
 * The session that a start message asks for; what it sends at once has been sent. `before`: the one
 * that it takes the place of, and that is closed.
 */
export function startSession(
  head: Head,
  blob: Uint8Array,
  send: Send,
  log: Log,
  before?: Session,
): Session {
  const start = parseHead(startMessage, head);
  if (start.type === 'enhancer.start') {
    // Before the new one reads what the old one keeps of the stream.
    before?.close();
    return publishing(start, blob, send, log);
  }
  if (blob.length > 0) throw new ChannelError('sender.start carries no blob');
  const session = new SenderSession(
    start,
    send,
    log,
    before instanceof SenderSession ? before : undefined,
  );
  before?.close();
  return session;
}

/** What the element is told of training, senders are told too, where that is asked for. */
function publishing(start: EnhancerStart, blob: Uint8Array, send: Send, log: Log): Session {
  const publisher = openPublisher(start, log);
  const session = new EnhancerSession(start, blob, (message, payload) => {
    if (message.type === 'training.report') publisher?.tell(message);
    send(message, payload);
  });
  return {
    handle: (head, payload) => session.handle(head, payload),
    work: () => session.work(),
    close: () => {
      session.close();
      publisher?.close();
    },
  };
}
