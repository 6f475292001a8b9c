// A sender over SRT whose link is cut for longer than SRT bears: what it puts out when it is back.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { Pipeline } from '../../elements/measure/pipeline.ts';
import { numberField, parseStructure } from '../../elements/measure/structure.ts';

const capBps = 1_500_000;
const headerBytes = 16;
const binSeconds = 0.1;

interface DataPacket {
  readonly connection: number;
  /** By the sender's clock, of this connection: when SRT was given it. */
  readonly seconds: number;
  readonly bytes: number;
  readonly isSentAgain: boolean;
}

function dataPacket(packet: Buffer): DataPacket | undefined {
  const isControl = packet.readUInt8(0) >= 0x80;
  if (isControl) return undefined;
  return {
    connection: packet.readUInt32BE(12),
    seconds: packet.readUInt32BE(8) / 1e6,
    bytes: packet.length - headerBytes,
    isSentAgain: (packet.readUInt8(4) & 0x04) !== 0,
  };
}

/** Passes packets between one sender at a time and a server, while it is not cut. */
class CutLink {
  readonly packets: DataPacket[] = [];
  isCut = false;
  readonly #near: Socket = createSocket('udp4');
  readonly #far = new Map<number, Socket>();

  async open(serverPort: number): Promise<number> {
    this.#near.on('message', (packet, { port }) => {
      const data = dataPacket(packet);
      if (data) this.packets.push(data);
      if (!this.isCut) this.#farFor(port).send(packet, serverPort, '127.0.0.1');
    });
    this.#near.bind(0, '127.0.0.1');
    await once(this.#near, 'listening');
    return this.#near.address().port;
  }

  #farFor(port: number): Socket {
    const known = this.#far.get(port);
    if (known) return known;
    const socket = createSocket('udp4');
    socket.on('error', () => undefined);
    socket.on('message', (packet) => {
      if (!this.isCut) this.#near.send(packet, port, '127.0.0.1');
    });
    this.#far.set(port, socket);
    return socket;
  }

  close(): void {
    this.#near.close();
    for (const socket of this.#far.values()) socket.close();
  }
}

/** The most bits that any second of any connection got. */
function mostBps(packets: readonly DataPacket[]): number {
  const bins = new Map<string, number>();
  const at = (connection: number, bin: number): number => bins.get(`${connection} ${bin}`) ?? 0;
  for (const { connection, seconds, bytes } of packets) {
    const bin = Math.floor(seconds / binSeconds);
    bins.set(`${connection} ${bin}`, at(connection, bin) + bytes * 8);
  }
  return Math.max(
    ...packets.map(({ connection, seconds }) => {
      const first = Math.floor(seconds / binSeconds);
      let sum = 0;
      for (let bin = first; bin < first + 1 / binSeconds; bin++) sum += at(connection, bin);
      return sum;
    }),
  );
}

test('after an outage the sender begins afresh, at once, and within its cap', async () => {
  const serverPort = await freeUdpPort();
  const link = new CutLink();
  const linkPort = await link.open(serverPort);
  const receiver = new Pipeline({
    name: 'the receiver',
    launch: `srtsrc uri="srt://127.0.0.1:${serverPort}?mode=listener" latency=600 keep-listening=true ! fakesink sync=false`,
  });
  await delay(500);
  const sender = new Pipeline({
    name: 'the sender',
    launch:
      'videotestsrc is-live=true pattern=smpte horizontal-speed=8 ! video/x-raw,width=640,height=360,framerate=25/1 ! queue ! ' +
      `patchsender name=sender uplink=auto engine=off scale=1 max-bitrate=${capBps} ` +
      '! h264parse ! queue ! livesrmux ! ' +
      `srtsink uri="srt://127.0.0.1:${linkPort}?mode=caller" latency=600`,
  });
  try {
    await delay(4000);
    link.isCut = true;
    await delay(7000);
    const during = new Set(link.packets.map(({ connection }) => connection));
    link.isCut = false;
    await delay(5000);
    const stats = parseStructure(await sender.get('sender', 'stats'));
    const fresh = link.packets.filter(({ connection }) => !during.has(connection));
    // Several seconds of it, of a connection of its own.
    const bytes = fresh.reduce((sum, packet) => sum + packet.bytes, 0);
    expect(bytes * 8).toBeGreaterThan(0.5 * capBps);
    // 110 %, less what the limit keeps for timers.
    expect(mostBps(link.packets.filter(({ isSentAgain }) => !isSentAgain))).toBeLessThan(
      1.1 * capBps,
    );
    const again = link.packets.filter(({ isSentAgain }) => isSentAgain);
    expect(again.reduce((sum, packet) => sum + packet.bytes, 0) * 8).toBeLessThan(0.6 * capBps);
    expect(
      numberField(stats, 'frames-dropped-stale') + numberField(stats, 'pictures-dropped-stale'),
    ).toBeGreaterThan(50);
  } finally {
    await sender.stop().catch(() => undefined);
    await receiver.stop().catch(() => undefined);
    link.close();
  }
}, 40_000);
