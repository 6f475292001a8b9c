// The commands around a sender's uplink: link, send, curves.
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { meanCurve, normalised } from '../../elements/measure/curves.ts';

const script = fileURLToPath(new URL('../../dist/elements/livesr.mjs', import.meta.url));

describe('wrong use', () => {
  test.each([
    [['link'], '--to'],
    [['link', '--to', 'nowhere'], 'HOST:PORT'],
    [['link', '--to', 'h:1', '--rate', '5@5'], 'times must rise'],
    [['link', '--to', 'h:1', '--rate', 'no-such-trace'], 'neither kbit/s nor a trace'],
    [['link', '--to', 'h:1', '--loss', '2'], 'from 0 to 1'],
    [['send'], '--to'],
    [['send', '--to', 'srt://h:1', '--source', 'no-such-file'], 'neither a file'],
    [['send', '--to', 'http://h:1'], 'speaks SRT, not http: give srt://HOST:PORT'],
    [['send', '--to', 'srt://h'], 'no port'],
    [['send', '--to', 'h:1'], 'speaks SRT'],
    [['send', '--to', 'srt://h:1?mode=listener'], 'leave out mode=listener'],
    [['send', '--to', 'srt://h:1?passphrase=0123456789'], '--passphrase-file'],
    [['send', '--to', 'srt://h:1', '--passphrase', 'long enough'], '--passphrase-file'],
    [['send', '--to', 'srt://h:1', '--token', 'secret'], 'LIVESR_TOKEN'],
    [['send', '--to', 'srt://h:1', '--feedback', 'http://h:2'], 'wss://HOST:PORT'],
    [['send', '--to', 'srt://h:1', '--source', 'package.json', '--audio', 'hw:0'], 'its own sound'],
    [['send', '--to', 'srt://h:1', '--scale', '7'], 'auto, 1, 1.5, 2, 3, 4'],
    [['curves'], '--class'],
    [['curves', '--class', 'talk'], 'NAME=FILE'],
    [['curves', '--class', 'talk=no-such-file.mp4'], 'no such file'],
  ])('%j says what is wrong', (args, message) => {
    const { status, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(status).toBe(2);
  });
});

test('livesr link relays and reports each second', async () => {
  const server = createSocket('udp4');
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const port = await freeUdpPort();
  const link = spawn(process.execPath, [
    script,
    ...['link', '--listen', String(port), '--to', `127.0.0.1:${server.address().port}`],
    ...['--rate', '1000', '--delay-ms', '5', '--json'],
  ]);
  const lines = createInterface({ input: link.stdout })[Symbol.asyncIterator]();
  const client = createSocket('udp4');
  // Until the relay is there; the server hears of the first that passes.
  const knocking = setInterval(() => {
    client.send('knock', port, '127.0.0.1');
  }, 50);
  const [packet] = (await once(server, 'message')) as [Buffer];
  expect(packet.toString()).toBe('knock');
  let delivered = 0;
  while (delivered === 0) {
    const { value } = (await lines.next()) as { value: string };
    const report = JSON.parse(value) as { deliveredKbps: number; dropped: number };
    delivered = report.deliveredKbps;
    expect(report.dropped).toBe(0);
  }
  clearInterval(knocking);
  link.kill('SIGTERM');
  const [code] = (await once(link, 'exit')) as [number];
  expect(code).toBe(0);
  client.close();
  server.close();
});

describe('curves', () => {
  const curve = [
    { bitsPerPixel: 0.01, quality: 30 },
    { bitsPerPixel: 0.02, quality: 35 },
    { bitsPerPixel: 0.02, quality: 36 },
    { bitsPerPixel: 0.04, quality: 40 },
  ];

  test('are over the highest quality, without the rates that the encoder did not reach', () => {
    expect(normalised(curve, 'clip')).toEqual([
      { bitsPerPixel: 0.01, quality: 0.75 },
      { bitsPerPixel: 0.02, quality: 0.875 },
      { bitsPerPixel: 0.04, quality: 1 },
    ]);
  });

  test('of a clip that looks the same at every rate are none', () => {
    expect(() => normalised(curve.slice(0, 1), 'clip')).toThrow('use another clip');
  });

  test('have a mean from the rate that all have to the highest of any', () => {
    const mean = meanCurve([
      normalised(curve, 'a'),
      [
        { bitsPerPixel: 0.005, quality: 0.9 },
        { bitsPerPixel: 0.02, quality: 1 },
      ],
    ]);
    expect(mean[0]?.bitsPerPixel).toBe(0.01);
    expect(mean[0]?.quality).toBeCloseTo(0.85);
    expect(mean.at(-1)).toEqual({ bitsPerPixel: 0.04, quality: 1 });
  });
});
