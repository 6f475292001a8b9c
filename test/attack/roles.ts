// Processes of an attack beside the servers: players and flooders. The parent starts one with fork() and
// says what it is to be; a message begins the attack, its end is a kill.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { feedbackAttacks, type FeedbackTarget } from './feedback-attacks.ts';
import type { MaterialName } from './material.ts';
import { Player } from './player.ts';
import { streamAttacks } from './stream-attacks.ts';

export type Role =
  | {
      readonly kind: 'player';
      readonly uri: string;
      readonly material: MaterialName;
      readonly attack: string;
    }
  | { readonly kind: 'flooder'; readonly target: FeedbackTarget; readonly attack: string };

export const roleArgument = 'role';

/** The inside of such a process. */
export async function runRole(text: string): Promise<void> {
  const role = JSON.parse(text) as Role;
  const begun = new AbortController();
  process.on('message', () => {
    begun.abort();
  });
  process.on('disconnect', () => process.exit(0));
  if (role.kind === 'player') {
    let sent = 0;
    const onShowable = (): void => {
      sent++;
      process.send?.({ sent });
    };
    const attacks = (): boolean => begun.signal.aborted;
    await new Player({
      ...role,
      attack: streamAttacks[role.attack] ?? {},
      attacks,
      onShowable,
    }).run();
    return;
  }
  if (!begun.signal.aborted) await once(begun.signal, 'abort');
  await feedbackAttacks[role.attack]?.(role.target);
}

export class RoleProcess {
  /** Frames of a player that the server should show. */
  sent = 0;
  readonly #child: ChildProcess;
  #ended = false;

  constructor(role: Role) {
    this.#child = fork(process.argv[1] ?? '', [roleArgument, JSON.stringify(role)]);
    this.#child.on('message', (message: { sent: number }) => (this.sent = message.sent));
    this.#child.on('exit', () => (this.#ended = true));
  }

  get ended(): boolean {
    return this.#ended;
  }

  attack(): void {
    this.#child.send('attack', () => undefined);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    while (!this.#ended) await delay(20);
  }
}
