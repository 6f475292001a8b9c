// A real OBS that streams straight to a server pipeline, without the relay: patches go beside the stream,
// and the server finds out which decoded frame each is of. A way into its engine shows what was paired.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { numberField, parseStructure } from '../../elements/measure/structure.ts';
import { ObsClient } from '../../obs-script/controller/obs-client.ts';
import { ControllerProcess, until } from './controller-process.ts';
import { freeTcpPort, type HeadlessObs } from './headless-obs.ts';
import { password, startNumberedObs, streamersKbps } from './numbered-obs.ts';
import { rtmp, srt, StreamServer } from './stream-server.ts';
import { WatchedEngine } from './watched-engine.ts';

for (const transport of [srt, rtmp]) {
  const { name, missing: reason } = transport;
  if (reason !== undefined) console.warn(`OBS over ${name} is skipped: ${reason}`);
  describe.skipIf(reason !== undefined)(`a real OBS without the relay, over ${name}`, () => {
    let obs: HeadlessObs | undefined;
    let client: ObsClient | undefined;
    let controller: ControllerProcess | undefined;
    let server: StreamServer | undefined;
    let engine: WatchedEngine | undefined;
    let folder = '';
    let serverPort = 0;
    let feedbackPort = 0;

    const startServer = (): StreamServer =>
      new StreamServer(transport, serverPort, feedbackPort, join(folder, 'engine'));

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'livesr-direct-'));
      serverPort = await transport.freePort();
      feedbackPort = await freeTcpPort();
      engine = new WatchedEngine(join(folder, 'engine'));
      server = startServer();
      ({ obs, client } = await startNumberedObs(folder, {
        server: transport.address(serverPort),
        streamKey: 'key',
        script: { mode: 'direct', feedback: `ws://127.0.0.1:${feedbackPort}` },
      }));
      controller = new ControllerProcess(
        obs.webSocketPort,
        await freeUdpPort(),
        await freeTcpPort(),
        password,
      );
    });

    afterAll(async () => {
      await controller?.end('SIGTERM');
      await client?.close();
      await obs?.stop();
      await server?.stop();
      engine?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    const enhancer = async () => parseStructure(await server?.pipeline.get('enhancer', 'stats'));

    test('patches beside the stream bring a gain within 30 s', async () => {
      await server?.untilReady();
      await until('the script answers', 20, () => controller?.latest?.script.status !== undefined);
      await client?.call('StartStream');
      await until(
        'the stream arrives',
        20,
        async () => numberField(await enhancer(), 'frames') > 0,
      );
      await until('a gain', 30, async () => numberField(await enhancer(), 'gain-db') > 0);
      const stats = await enhancer();
      console.info(
        `gain ${numberField(stats, 'gain-db').toFixed(2)} dB with ${numberField(stats, 'patches-beside-placed')} of ` +
          `${numberField(stats, 'patches-beside')} patches`,
      );
      expect(numberField(stats, 'patches-beside-placed')).toBeGreaterThan(0);
    });

    test('each is of the frame that it was paired with', async () => {
      await until('twenty pairs', 60, () => (engine?.pairs.length ?? 0) >= 20);
      const pairs = engine?.pairs ?? [];
      const off = pairs.filter(({ high, low }) => high !== low);
      console.info(`${pairs.length} pairs read, ${off.length} of two frames`);
      expect(off).toEqual([]);
      expect(numberField(await enhancer(), 'patches-aligned-to-neighbour')).toBe(0);
    });

    test('the encoder keeps to its share of the cap, and nothing listens as a relay', () => {
      const { script, relay } = controller?.latest ?? {};
      expect(script?.status?.bitrateKbps).toBeLessThan(1500);
      expect(script?.status?.bitrateKbps).toBeGreaterThanOrEqual(200);
      expect(relay).toMatchObject({ isCarrying: true, isCalibrated: true, problem: '' });
      expect(relay?.capacityBps).toBe(1.5e6);
      expect(controller?.latest?.warnings).toEqual([]);
    });

    test('a stream that begins again has times of its own, and patches again', async () => {
      await client?.call('StopStream');
      await until('the stream has ended', 15, () => controller?.latest?.relay.isRunning === false);
      await until(
        'the bit rate is back',
        10,
        () => controller?.latest?.script.status?.bitrateKbps === streamersKbps,
      );
      await server?.stop();
      server = startServer();
      await server.untilReady();
      await client?.call('StartStream');
      await until(
        'patches find their frames again',
        60,
        async () => numberField(await enhancer(), 'patches-beside-placed') > 0,
      );
      expect(engine?.pairs.filter(({ high, low }) => high !== low)).toEqual([]);
    });

    test('when OBS is closed, nothing is said to be carried', async () => {
      obs?.kill('SIGTERM');
      await until('it is said', 20, () => controller?.latest?.obs.connected === false);
      await until('the way is free', 10, () => controller?.latest?.relay.isCarrying === false);
    });
  });
}
