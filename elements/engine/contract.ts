// What a connection serves, and what it is given: one half of the engine for one stream of one element.
import type { Head } from '../channel/frame.ts';
import type { EngineMessage } from '../channel/messages.ts';
import type { MayUse } from './access.ts';

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

/** What a session has of the world. */
export interface Host {
  readonly send: Send;
  /** Events, a line each, for people; no secrets. */
  readonly log: Log;
  /** Milliseconds since any moment, never falling: paces work that is not keyed to media time. */
  readonly nowMs: () => number;
  /** Optional fields of a message were not as agreed and are left out. */
  readonly fieldsDropped?: (type: string, fields: readonly string[]) => void;
  /** Which files the element may name; all where it is left out. */
  readonly mayUse?: MayUse;
}
