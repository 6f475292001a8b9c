// Which half of the engine a connection gets: the one for the element that its start message names.
import { ChannelError, type Head } from '../channel/frame.ts';
import { parseHead, startMessage } from '../channel/messages.ts';
import { EnhancerStream } from '../sr-enhancer/stream.ts';
import { SenderSession } from '../patch-sender/session.ts';
import { withinEnhancer, withinSender, type MayUse, type Refused } from './access.ts';
import type { Host, Session } from './contract.ts';

/**
 * The session that a start message asks for; what it sends at once has been sent. `before`: the one
 * that it takes the place of, and that is closed.
 */
export function startSession(head: Head, blob: Uint8Array, host: Host, before?: Session): Session {
  const asked = parseHead(startMessage, head, host.fieldsDropped);
  if (asked.type === 'enhancer.start') {
    const start = allowed(host, (mayUse) => withinEnhancer(asked, mayUse)) ?? asked;
    host.log(
      `start of srenhancer: scale ${start.rung}, ${start.width} x ${start.height}, training ` +
        `${start.training}, weights ${start.liveSource}${start.lockstep ? ', lockstep' : ''}`,
    );
    if (before instanceof EnhancerStream && before.goesOn(start, blob)) return before;
    // Before the new one reads what the old one keeps of the stream.
    before?.close();
    return new EnhancerStream(start, blob, host);
  }
  if (blob.length > 0) throw new ChannelError('sender.start carries no blob');
  const start = allowed(host, (mayUse) => withinSender(asked, mayUse)) ?? asked;
  host.log(
    `start of patchsender: scale ${start.scale}, ${start.frameWidth} x ${start.frameHeight}`,
  );
  const session = new SenderSession(
    start,
    host,
    before instanceof SenderSession ? before : undefined,
  );
  before?.close();
  return session;
}

/** undefined: the element may name any file. */
function allowed<Start>(host: Host, within: (mayUse: MayUse) => Refused<Start>): Start | undefined {
  if (!host.mayUse) return undefined;
  const { start, warnings } = within(host.mayUse);
  for (const { cause, remedy } of warnings) {
    host.log(`warning: ${cause}`);
    host.send({ type: 'engine.warning', cause, remedy });
  }
  return start;
}
