// What goes over the feedback channel, from the server's engine to the sender's (docs/protocol.md), and
// how the sender reads it: as if a stranger had written it.
import { z } from 'zod';
import { memoryBenefit, patchGrid, rungScale } from '../channel/messages.ts';

export const feedbackVersion = 1;

/** Longer texts are refused unread. */
export const mostMessageBytes = 16_384;

/** Why the server closes a connection. */
export const closeCodes = {
  late: 4000,
  noHello: 4001,
  secondHello: 4002,
  wrongToken: 4003,
  tooMuch: 4008,
  noRoom: 4009,
} as const;

const count = z.int().nonnegative();
// No network of this size gains or loses more; what claims to is a lie or an error.
const plausibleDb = z.number().min(-60).max(60).nullable();

export const hello = z.object({
  type: z.literal('hello'),
  version: z.literal(feedbackVersion),
  streamKey: z.string().max(256),
  streamClass: z.string().max(64),
  scale: rungScale,
  frameWidth: count.max(32_768),
  frameHeight: count.max(32_768),
  /** Whether it understands `memory`. */
  memory: z.boolean().default(false),
});
export type Hello = z.infer<typeof hello>;

/** Names the server's run: sequences count from 0 within it. */
export const welcome = z.object({
  type: z.literal('welcome'),
  version: z.literal(feedbackVersion),
  session: z.string().min(1).max(64),
  /** Whether it takes patch packets. */
  patches: z.boolean().default(false),
});

export const training = z.object({
  type: z.literal('training'),
  version: z.literal(feedbackVersion),
  session: z.string().min(1).max(64),
  /** Rising. */
  sequence: count,
  /** Of the server's stream. */
  mediaTimeNs: count,
  /** That was trained for; null, or not there: unknown. */
  rung: rungScale.nullable().default(null),
  epoch: count,
  state: z.enum(['waiting', 'training', 'suspended', 'off']),
  /** Over bicubic, on patches held out of training. */
  gainDb: plausibleDb,
  genericGainDb: plausibleDb,
  /** Of this epoch's weights over those of the epoch before, on the same patches. */
  epochGainDb: plausibleDb,
  pairs: count,
  /** Of video and patches as they arrived in the epoch, bit/s; null, or not there: unknown. */
  goodputBps: z.number().nonnegative().max(1e12).nullable().default(null),
  /** Share of the epoch's patch packets that did not arrive. */
  packetLoss: z.number().min(0).max(1).nullable().default(null),
});
export type Training = z.infer<typeof training>;

/** Levels of `cover`: a hexadecimal digit. */
export const mostCover = 15;

/** What the server's texture memory knows of a frame, about once a second; no cells: nothing. */
export const memory = patchGrid
  .safeExtend({
    type: z.literal('memory'),
    version: z.literal(feedbackVersion),
    session: z.string().min(1).max(64),
    /** Rising, together with those of `training`. */
    sequence: count,
    /** Of the sender's clock. */
    mediaTimeNs: count,
    /** That it is of; null, or not there: unknown. */
    rung: rungScale.nullable().default(null),
    /** Of each cell, row by row, the share that is in memory: a digit, f for all of it. */
    cover: z.string().regex(/^[0-9a-f]*$/),
    /** Of the squared error of what is known, the share that memory takes away. */
    benefit: memoryBenefit,
  })
  .refine(({ cover, columns, rows }) => cover.length === columns * rows, 'a digit for each cell');
export type Memory = z.infer<typeof memory>;

/** Why messages were not acted upon. */
export interface Ignored {
  readonly malformed: number;
  readonly otherVersion: number;
  /** Before a welcome, or of another run of the server. */
  readonly otherSession: number;
  readonly replayed: number;
}

/** Of one connection, but for the counts. */
export interface Reader {
  readonly session: string | undefined;
  /** The server takes patch packets. */
  readonly takesPatches: boolean;
  readonly lastSequence: number;
  readonly received: number;
  readonly ignored: Ignored;
}

export const initialReader: Reader = {
  session: undefined,
  takesPatches: false,
  lastSequence: -1,
  received: 0,
  ignored: { malformed: 0, otherVersion: 0, otherSession: 0, replayed: 0 },
};

/** For the next connection. A server that has not restarted goes on where it was. */
export function reconnected(reader: Reader): Reader {
  return { ...reader, session: undefined, takesPatches: false };
}

export function ignoredInAll({ ignored }: Reader): number {
  return ignored.malformed + ignored.otherVersion + ignored.otherSession + ignored.replayed;
}

export interface Reading {
  readonly reader: Reader;
  /** What may be acted upon. */
  readonly training?: Training;
  readonly memory?: Memory;
}

/** Sessions seen before and how far they had come: a replay may come over a connection of its own. */
export function readFeedback(reader: Reader, text: string, seen: Map<string, number>): Reading {
  const ignore = (why: keyof Ignored): Reading => ({
    reader: { ...reader, ignored: { ...reader.ignored, [why]: reader.ignored[why] + 1 } },
  });
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return ignore('malformed');
  }
  const envelope = z
    .object({ type: z.string(), version: z.unknown().optional() })
    .safeParse(message);
  if (!envelope.success) return ignore('malformed');
  if (envelope.data.version !== feedbackVersion) return ignore('otherVersion');
  const welcomed = welcome.safeParse(message);
  if (welcomed.success) {
    const { session, patches: takesPatches } = welcomed.data;
    const lastSequence = seen.get(session) ?? -1;
    return { reader: { ...reader, session, takesPatches, lastSequence } };
  }
  const told = z.union([training, memory]).safeParse(message);
  if (!told.success) return ignore('malformed');
  const { session, sequence, type } = told.data;
  if (session !== reader.session) return ignore('otherSession');
  if (sequence <= reader.lastSequence) return ignore('replayed');
  remember(seen, session, sequence);
  return {
    reader: { ...reader, lastSequence: sequence, received: reader.received + 1 },
    ...(type === 'training' ? { training: told.data } : { memory: told.data }),
  };
}

/** A server that takes another name each time must not fill the memory. */
const maxSessions = 64;

function remember(seen: Map<string, number>, session: string, sequence: number): void {
  seen.delete(session);
  seen.set(session, sequence);
  for (const oldest of seen.keys()) {
    if (seen.size <= maxSessions) break;
    seen.delete(oldest);
  }
}
