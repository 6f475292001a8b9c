import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { Admission, networkOf, type AdmissionLimits } from '../../elements/feedback/admission.ts';

const limits: AdmissionLimits = {
  maxStrangers: 6,
  maxStrangersOfAddress: 3,
  maxClients: 5,
  maxClientsOfAddress: 4,
  maxClientsOfStream: 2,
};

describe('admission to the feedback port', () => {
  it('lets the oldest stranger of an address go when a further one comes from there', () => {
    const admission = new Admission(limits);
    expect([1, 2, 3, 4, 5].map((id) => admission.enter(id, 'a'))).toEqual([[], [], [], [1], [2]]);
    expect(admission.connections).toBe(3);
  });

  it('takes the place for a newcomer from the address with the highest number of strangers', () => {
    const admission = new Admission(limits);
    for (const id of [1, 2]) admission.enter(id, 'quiet');
    for (const id of [3, 4, 5]) admission.enter(id, 'greedy');
    admission.enter(6, 'third');
    expect(admission.enter(7, 'fourth')).toEqual([3]);
  });

  it('lets those go first that are refused, then those without a token that is known', () => {
    const admission = new Admission(limits);
    for (const id of [1, 2, 3]) admission.enter(id, 'a');
    admission.showedToken(1);
    admission.refused(3);
    expect(admission.enter(4, 'a')).toEqual([3]);
    expect(admission.enter(5, 'a')).toEqual([2]);
    expect(admission.enter(6, 'a')).toEqual([4]);
  });

  it('gives a newcomer time to show a token, whoever has one already', () => {
    const admission = new Admission({ ...limits, maxStrangers: 100, maxStrangersOfAddress: 20 });
    for (let id = 1; id <= 20; id++) {
      admission.enter(id, 'a');
      admission.showedToken(id);
    }
    const sender = 21;
    admission.enter(sender, 'a');
    for (let id = 22; id < 31; id++) {
      expect(admission.enter(id, 'a')).not.toContain(sender);
      admission.showedToken(id);
    }
  });

  it('does not let those of many addresses with tokens push out one of another address', () => {
    const admission = new Admission(limits);
    for (let id = 1; id <= 6; id++) {
      admission.enter(id, id % 2 === 0 ? 'a' : 'b');
      admission.showedToken(id);
    }
    const sender = 7;
    admission.enter(sender, 'c');
    for (let id = 8; id < 50; id++) {
      expect(admission.enter(id, id % 2 === 0 ? 'a' : 'b')).not.toContain(sender);
      admission.showedToken(id);
    }
  });

  it('keeps the room of clients whatever strangers come', () => {
    const admission = new Admission(limits);
    admission.enter(1, 'a');
    expect(admission.admit(1, 'stream')).toEqual({ isAdmitted: true, gone: [] });
    for (let id = 2; id < 500; id++) expect(admission.enter(id, `${id % 9}`)).not.toContain(1);
    expect(admission.clients).toBe(1);
    expect(admission.connections).toBe(1 + limits.maxStrangers);
  });

  it('lets the oldest client of a stream go for one more of it', () => {
    const admission = new Admission(limits);
    for (const id of [1, 2, 3]) admission.enter(id, 'a');
    for (const id of [1, 2]) admission.admit(id, 'stream');
    expect(admission.admit(3, 'stream')).toEqual({ isAdmitted: true, gone: [1] });
  });

  it('has no room for more clients of an address than it may have, but for those of others', () => {
    const admission = new Admission(limits);
    for (let id = 1; id <= 4; id++) {
      admission.enter(id, 'a');
      expect(admission.admit(id, `${id}`).isAdmitted).toBe(true);
    }
    admission.enter(5, 'a');
    expect(admission.admit(5, 'five').isAdmitted).toBe(false);
    admission.enter(6, 'b');
    expect(admission.admit(6, 'six').isAdmitted).toBe(true);
    admission.enter(7, 'c');
    expect(admission.admit(7, 'seven').isAdmitted).toBe(false);
  });

  it('never has more connections than strangers and clients together, whatever happens', () => {
    const step = fc.tuple(
      fc.constantFrom('enter', 'showedToken', 'refused', 'admit', 'leave'),
      fc.nat(40),
      fc.constantFrom('a', 'b', 'c', '2001:db8::1'),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const admission = new Admission(limits);
        const here = new Set<number>();
        let last = 0;
        const gone = (ids: readonly number[]): void => {
          for (const id of ids) expect(here.delete(id)).toBe(true);
        };
        for (const [what, number, word] of steps) {
          const id = [...here][number % Math.max(1, here.size)] ?? 0;
          if (what === 'enter') {
            here.add(++last);
            gone(admission.enter(last, word));
            expect(here.has(last)).toBe(true);
          } else if (what === 'admit') gone(admission.admit(id, word).gone);
          else if (what === 'leave') here.delete(id);
          if (what === 'leave') admission.leave(id);
          if (what === 'showedToken') admission.showedToken(id);
          if (what === 'refused') admission.refused(id);
          expect(admission.connections).toBe(here.size);
          expect(here.size).toBeLessThanOrEqual(limits.maxStrangers + limits.maxClients);
          expect(admission.clients).toBeLessThanOrEqual(limits.maxClients);
        }
      }),
    );
  });
});

it.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::9', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
])('the network of %s is %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
