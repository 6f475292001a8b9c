// What a warning of a pipeline says, as far as gstreamer-superficial hands it over.
import type { BusMessage } from '../../elements/measure/pipeline-messages.ts';

export function warningText({ text, source, fields }: BusMessage): string {
  if (text !== null) return text;
  const { gerror, debug } = fields;
  const said = [gerror, debug].filter((part): part is string => typeof part === 'string');
  return `${source}: ${said.join(' ').replaceAll(/\s+/g, ' ')}`;
}
