// Processes of an attack beside the servers: players and flooders. The parent starts one with fork() and
// says what it is to be; a message begins the attack, its end is a kill.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { feedbackAttacks, type FeedbackTarget } from './feedback-attacks.ts';
import type { MaterialName } from './material.ts';
import { processTree } from './memory.ts';
import { Player } from './player.ts';
import type { StreamAttack } from './stream-attack.ts';
import { streamAttacks } from './stream-attacks.ts';

export type Role =
  | {
      readonly kind: 'player';
      readonly uri: string;
      readonly material: MaterialName;
      /** Further ones that attacks play. */
      readonly materials: readonly MaterialName[];
      readonly attack: string;
    }
  | { readonly kind: 'flooder'; readonly target: FeedbackTarget; readonly attack: string };

export const roleArgument = 'role';

/** What the parent says: this attack, from now on. */
interface Order {
  readonly attack: string;
}

/** The inside of such a process. */
export async function runRole(text: string): Promise<void> {
  const role = JSON.parse(text) as Role;
  const begun = new AbortController();
  let current = role.attack;
  process.on('message', ({ attack }: Order) => {
    current = attack;
    begun.abort();
  });
  process.on('disconnect', () => process.exit(0));
  if (role.kind === 'player') {
    let sent = 0;
    const none: StreamAttack = {};
    await new Player({
      ...role,
      attack: () => streamAttacks[current] ?? none,
      attacks: () => begun.signal.aborted,
      onShowable: () => {
        sent++;
        process.send?.({ sent });
      },
    }).run();
    return;
  }
  if (!begun.signal.aborted) await once(begun.signal, 'abort');
  await feedbackAttacks[current]?.(role.target);
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

  attack(attack: string): void {
    const order: Order = { attack };
    this.#child.send(order, () => undefined);
  }

  async stop(): Promise<void> {
    // A pipeline of its own may hang in a connection that is not there any more.
    for (const id of processTree(this.#child.pid ?? 0)) process.kill(id, 'SIGKILL');
    while (!this.#ended) await delay(20);
  }
}
