import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bottleneck, type LinkShape, type Passage } from '../../elements/link/bottleneck.ts';
import { openRate, parseRateSteps, scaledTo, steppedRate } from '../../elements/link/rates.ts';
import { Relay } from '../../elements/link/relay.ts';
import { seededRandom } from '../../elements/patch-sender/random.ts';
import { constantUplink, parseTrace, UplinkError } from '../../elements/patch-sender/uplink.ts';

const shape: LinkShape = {
  carried: constantUplink(1e6),
  delaySeconds: 0,
  jitterSeconds: 0,
  lossShare: 0,
  queueSeconds: 10,
  queueBytes: 1e9,
};

const link = (change: Partial<LinkShape>, seed = 1): Bottleneck =>
  new Bottleneck({ ...shape, ...change }, seededRandom(seed));

const arrival = (passage: Passage): number =>
  passage.kind === 'delivered' ? passage.atSeconds : NaN;

describe('a bottleneck', () => {
  it('lets packets through one after the other at its rate, then adds the way', () => {
    const bottleneck = link({ delaySeconds: 0.1 });
    expect(arrival(bottleneck.pass(0, 1250))).toBeCloseTo(0.11, 5);
    expect(arrival(bottleneck.pass(0, 1250))).toBeCloseTo(0.12, 5);
    expect(arrival(bottleneck.pass(1, 1250))).toBeCloseTo(1.11, 5);
  });

  it('drops what its queue has no room for, by time and by bytes', () => {
    const byTime = link({ queueSeconds: 0.1005 });
    const kinds = Array.from({ length: 20 }, () => byTime.pass(0, 1250).kind);
    expect(kinds.filter((kind) => kind === 'delivered')).toHaveLength(11);
    const byBytes = link({ queueBytes: 5000 });
    expect(Array.from({ length: 6 }, () => byBytes.pass(0, 1250).kind)).toEqual([
      ...Array<string>(4).fill('delivered'),
      ...Array<string>(2).fill('dropped'),
    ]);
    // 15 ms later one packet has left.
    expect(byBytes.pass(0.015, 1250).kind).toBe('delivered');
  });

  it('loses its share', () => {
    const lossy = link({ lossShare: 0.25, carried: constantUplink(1e9) });
    const lost = Array.from({ length: 4000 }, (_, i) => lossy.pass(i / 100, 100)).filter(
      ({ kind }) => kind === 'lost',
    );
    expect(lost.length / 4000).toBeGreaterThan(0.22);
    expect(lost.length / 4000).toBeLessThan(0.28);
  });

  it('serves a mahimahi trace an opportunity at a time', () => {
    const bottleneck = link({ carried: parseTrace('10\n10\n50\n100\n', 't') });
    expect(Array.from({ length: 5 }, () => arrival(bottleneck.pass(0, 1500)))).toEqual([
      expect.closeTo(0.01, 5),
      expect.closeTo(0.01, 5),
      expect.closeTo(0.05, 5),
      expect.closeTo(0.1, 5),
      expect.closeTo(0.11, 5),
    ]);
  });

  it('keeps the order, and takes its time for every packet', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.double({ min: 0, max: 0.05, noNaN: true }),
            fc.integer({ min: 40, max: 1500 }),
          ),
        ),
        fc.double({ min: 0, max: 0.05, noNaN: true }),
        (packets, jitterSeconds) => {
          const bottleneck = link({ jitterSeconds });
          let now = 0;
          let last = 0;
          for (const [wait, bytes] of packets) {
            now += wait;
            const at = arrival(bottleneck.pass(now, bytes));
            expect(at).toBeGreaterThanOrEqual(last);
            // Its own turn takes this long, after the one before has left.
            expect(at - now).toBeGreaterThan((bytes * 8) / 1e6 - 1e-5);
            last = at;
          }
        },
      ),
    );
  });
});

describe('the rate of a link', () => {
  it('is a constant or steps', () => {
    expect(parseRateSteps('3000@0, 800@20,2000@40')).toEqual([
      { fromSeconds: 0, rateBps: 3e6 },
      { fromSeconds: 20, rateBps: 0.8e6 },
      { fromSeconds: 40, rateBps: 2e6 },
    ]);
    expect(openRate('500')(4)).toBe(2e6);
    const stepped = steppedRate(parseRateSteps('3000@0,800@20'));
    expect(stepped(30) - stepped(10)).toBeCloseTo(38e6);
  });

  it.each(['', '0', '-5', '3000@5', '3000@0,800@0', '1@2@3', 'no/such/trace'])(
    'refuses "%s"',
    (text) => {
      expect(() => openRate(text)).toThrow(UplinkError);
    },
  );

  it('scales a trace to a mean', () => {
    const carried = scaledTo(parseTrace('0 1\n10 3\n20 3\n', 't'), 20, 500e3);
    expect(carried(20) / 20).toBeCloseTo(500e3);
  });
});

describe('the relay', () => {
  it('takes packets to the server and answers back, and counts', async () => {
    const server = createSocket('udp4');
    server.bind(0, '127.0.0.1');
    await once(server, 'listening');
    server.on('message', (packet, { port }) => {
      server.send(packet, port, '127.0.0.1');
    });
    const startMs = performance.now();
    const relay = await Relay.open({
      listenAddress: '127.0.0.1',
      listenPort: 0,
      serverHost: '127.0.0.1',
      serverPort: server.address().port,
      shape: { ...shape, delaySeconds: 0.001, queueBytes: 3000 },
      random: seededRandom(1),
      now: () => (performance.now() - startMs) / 1000,
    });
    const client = createSocket('udp4');
    const answered = new Promise<string[]>((resolve) => {
      const answers: string[] = [];
      client.on('message', (packet) => {
        answers.push(packet.toString());
        if (answers.length === 2) resolve(answers);
      });
    });
    client.send('one', relay.port, '127.0.0.1');
    client.send('two', relay.port, '127.0.0.1');
    expect(await answered).toEqual(['one', 'two']);
    expect(relay.counts).toMatchObject({ delivered: 2, dropped: 0, lost: 0, returned: 2 });
    expect(relay.takeDelaysSeconds()).toHaveLength(2);
    // Told once; how late depends on the machine.
    expect(relay.takeMostLateSeconds()).toBeGreaterThan(-0.001);
    expect(relay.takeMostLateSeconds()).toBe(0);
    client.close();
    relay.close();
    server.close();
  });
});
