// What senders are told of the texture memory: once a second of media time, from what the element says
// with its ticks.
import { ChannelError } from '../channel/frame.ts';
import type { EnhancerTick } from '../channel/messages.ts';
import { mostCover } from '../feedback/messages.ts';
import type { News } from '../feedback/server.ts';

const second = (tick: EnhancerTick): number => Math.floor(tick.mediaTimeNs / 1e9);

/** After `before`; undefined while the second is the same. A tick without memory says that there is none. */
export function memoryNews(
  before: EnhancerTick | undefined,
  tick: EnhancerTick,
  blob: Uint8Array,
  rung: number,
): News | undefined {
  const { memory, mediaTimeNs } = tick;
  const cells = memory ? memory.columns * memory.rows : 0;
  if (blob.length !== cells) {
    throw new ChannelError(
      `time.tick of ${cells} cells in memory carries ${blob.length} bytes, must carry ${cells}`,
    );
  }
  if (before === undefined || second(before) === second(tick)) return undefined;
  if (!memory) {
    return {
      type: 'memory',
      mediaTimeNs,
      rung,
      cell: 1,
      columns: 0,
      rows: 0,
      cover: '',
      benefit: null,
    };
  }
  const { senderTimeNs, ...grid } = memory;
  // Rounded down: what a cell lacks is told.
  const digits = Array.from(blob, (share) => Math.floor((share * mostCover) / 255).toString(16));
  return { type: 'memory', mediaTimeNs: senderTimeNs, rung, ...grid, cover: digits.join('') };
}
