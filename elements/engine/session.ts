// Which half of the engine a connection gets: the one for the element that its start message names.
import { ChannelError, type Head } from '../channel/frame.ts';
import { parseHead, startMessage } from '../channel/messages.ts';
import { EnhancerStream } from '../sr-enhancer/stream.ts';
import { SenderSession } from '../patch-sender/session.ts';
import type { Host, Session } from './contract.ts';

/**
 * The session that a start message asks for; what it sends at once has been sent. `before`: the one
 * that it takes the place of, and that is closed.
 */
export function startSession(head: Head, blob: Uint8Array, host: Host, before?: Session): Session {
  const start = parseHead(startMessage, head);
  if (start.type === 'enhancer.start') {
    if (before instanceof EnhancerStream && before.goesOn(start, blob)) return before;
    // Before the new one reads what the old one keeps of the stream.
    before?.close();
    return new EnhancerStream(start, blob, host);
  }
  if (blob.length > 0) throw new ChannelError('sender.start carries no blob');
  const session = new SenderSession(
    start,
    host,
    before instanceof SenderSession ? before : undefined,
  );
  before?.close();
  return session;
}
