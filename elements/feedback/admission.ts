// Who may be connected to the feedback port, and who goes when there is no room. Whatever strangers do,
// clients keep their room; and among strangers one address cannot take the places of the others.
import type { FeedbackLimits } from './limits.ts';

export type AdmissionLimits = Pick<
  FeedbackLimits,
  | 'maxStrangers'
  | 'maxStrangersOfAddress'
  | 'maxClients'
  | 'maxClientsOfAddress'
  | 'maxClientsOfStream'
>;

/** Of strangers those with the lower one go first. */
const standings = { refused: 0, connected: 1, hasToken: 2, client: 3 } as const;
type Standing = (typeof standings)[keyof typeof standings];

interface Guest {
  readonly id: number;
  /** As `networkOf` has it. */
  readonly network: string;
  standing: Standing;
  streamKey: string | undefined;
}

/** Ids rise with each connection. Those that are returned are to be closed; each then leaves. */
export class Admission {
  readonly #limits: AdmissionLimits;
  /** The oldest first. */
  readonly #guests = new Map<number, Guest>();

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get connections(): number {
    return this.#guests.size;
  }

  get clients(): number {
    return this.#of(isClient).length;
  }

  /** A connection has come. */
  enter(id: number, address: string): number[] {
    const guest: Guest = {
      id,
      network: networkOf(address),
      standing: standings.connected,
      streamKey: undefined,
    };
    this.#guests.set(id, guest);
    const { maxStrangers, maxStrangersOfAddress } = this.#limits;
    const strangers = this.#of((one) => !isClient(one));
    const neighbours = strangers.filter(({ network }) => network === guest.network);
    // The newest stays: it may be a sender, and the others have had some time to say so.
    if (neighbours.length > maxStrangersOfAddress) return this.#remove(neighbours, id);
    return strangers.length > maxStrangers ? this.#remove(strangers, id) : [];
  }

  /** It has shown a token that opens some stream. */
  showedToken(id: number): void {
    this.#stand(id, standings.hasToken);
  }

  /** It is being sent away. */
  refused(id: number): void {
    this.#stand(id, standings.refused);
  }

  /** It has said whose stream it is of, and may be; false when there is no room for it. */
  admit(id: number, streamKey: string): { readonly isAdmitted: boolean; readonly gone: number[] } {
    const guest = this.#guests.get(id);
    const { maxClients, maxClientsOfAddress, maxClientsOfStream } = this.#limits;
    const clients = this.#of(isClient);
    const neighbours = clients.filter(({ network }) => network === guest?.network);
    const ofStream = clients.filter((client) => client.streamKey === streamKey);
    const takesPlace = ofStream.length >= maxClientsOfStream;
    const hasRoom = clients.length < maxClients && neighbours.length < maxClientsOfAddress;
    if (!guest || (!takesPlace && !hasRoom)) return { isAdmitted: false, gone: [] };
    const gone = takesPlace ? this.#remove(ofStream, id) : [];
    guest.standing = standings.client;
    guest.streamKey = streamKey;
    return { isAdmitted: true, gone };
  }

  leave(id: number): void {
    this.#guests.delete(id);
  }

  #of(isMeant: (guest: Guest) => boolean): Guest[] {
    return [...this.#guests.values()].filter(isMeant);
  }

  #stand(id: number, standing: Standing): void {
    const guest = this.#guests.get(id);
    if (!guest) return;
    guest.standing = standing;
    guest.streamKey = undefined;
  }

  #remove(guests: readonly Guest[], except: number): number[] {
    const goes = whoGoes(guests.filter(({ id }) => id !== except));
    if (!goes) return [];
    this.#guests.delete(goes.id);
    return [goes.id];
  }
}

const isClient = ({ standing }: Guest): boolean => standing === standings.client;

/**
 * Of the address with the highest number of them: one that was refused; or else, in the older half, the oldest of the
 * lowest standing. The younger half has had no time yet to show a token.
 */
function whoGoes(guests: readonly Guest[]): Guest | undefined {
  const counts = new Map<string, number>();
  for (const { network } of guests) counts.set(network, (counts.get(network) ?? 0) + 1);
  const maxCount = Math.max(...counts.values());
  const first = guests.find(({ network }) => counts.get(network) === maxCount);
  const crowd = guests.filter(({ network }) => network === first?.network);
  const refused = crowd.find(({ standing }) => standing === standings.refused);
  if (refused) return refused;
  const older = crowd.slice(0, Math.ceil(crowd.length / 2));
  const lowest = Math.min(...older.map(({ standing }) => standing));
  return older.find(({ standing }) => standing === lowest);
}

/** Whoever has one address of IPv6 has 2^64 of them. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1] !== undefined) return mapped[1];
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.replace(/%.*$/, '').toLowerCase().split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? [] : tail.split(':');
    while (groups.length + after.length < 8) groups.push('0');
    groups.push(...after);
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
