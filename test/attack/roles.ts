// Processes of an attack beside the servers: players and flooders. The parent starts one with fork() and
// says what it is to be; a message begins the attack, its end is a kill.
import { fork, type ChildProcess } from 'node:child_process';
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
  let attacks = false;
  process.on('message', () => (attacks = true));
  process.on('disconnect', () => process.exit(0));
  if (role.kind === 'player') {
    const attack = streamAttacks[role.attack] ?? {};
    await new Player({ ...role, attack, attacks: () => attacks }).run();
    return;
  }
  while (!attacks) await delay(20);
  await feedbackAttacks[role.attack]?.(role.target);
}

export class RoleProcess {
  readonly #child: ChildProcess;
  #ended = false;

  constructor(role: Role) {
    this.#child = fork(process.argv[1] ?? '', [roleArgument, JSON.stringify(role)]);
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
