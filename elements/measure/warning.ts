// Warnings of a pipeline as people read them.
import type { BusMessage } from './pipeline-messages.ts';

/** Our elements post each warning twice: gstreamer-superficial leaves out the text of the first. */
const isOfOurs = (debug: string): boolean => debug.includes(' post_warning (');

/** What a message warns of; undefined where it is no warning, or one that comes again with its text. */
export function warningOf({ type, name, source, fields }: BusMessage): string | undefined {
  const { cause, remedy, debug } = fields;
  if (name === 'livesr-warning' && typeof cause === 'string') {
    const words = typeof remedy === 'string' && remedy !== '' ? [cause, remedy] : [cause];
    return words.map((text) => (text.endsWith('.') ? text : `${text}.`)).join(' ');
  }
  if (type !== 'warning' || typeof debug !== 'string' || isOfOurs(debug)) return undefined;
  return `${source}: ${debug.replaceAll(/\s+/g, ' ')}`;
}
