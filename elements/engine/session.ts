// Which half of the engine a connection gets: the one for the element that its start message names.
import { ChannelError, type Head } from '../channel/frame.ts';
import { parseHead, startMessage, type EnhancerStart } from '../channel/messages.ts';
import { openPublisher } from '../feedback/publisher.ts';
import { EnhancerSession } from '../sr-enhancer/session.ts';
import { SenderSession } from '../patch-sender/session.ts';
import type { Host, Session } from './contract.ts';

/**
 * The session that a start message asks for; what it sends at once has been sent. `before`: the one
 * that it takes the place of, and that is closed.
 */
export function startSession(head: Head, blob: Uint8Array, host: Host, before?: Session): Session {
  const start = parseHead(startMessage, head);
  if (start.type === 'enhancer.start') {
    // Before the new one reads what the old one keeps of the stream.
    before?.close();
    return publishing(start, blob, host);
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

/** What the element is told of training, senders are told too, where that is asked for. */
function publishing(start: EnhancerStart, blob: Uint8Array, host: Host): Session {
  const publisher = openPublisher(start, host.log);
  const session = new EnhancerSession(start, blob, {
    ...host,
    send: (message, payload) => {
      if (message.type === 'training.report') publisher?.tell(message);
      host.send(message, payload);
    },
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
