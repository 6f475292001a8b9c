// A real OBS whose relay streams by RTMP: patches travel inside the pictures, and the server has nothing but
// the video.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { numberField, parseStructure } from '../../elements/measure/structure.ts';
import type { ObsClient } from '../../obs-script/controller/obs-client.ts';
import { ControllerProcess, until } from './controller-process.ts';
import { freeTcpPort, type HeadlessObs } from './headless-obs.ts';
import { password, startNumberedObs } from './numbered-obs.ts';
import { rtmp, StreamServer } from './stream-server.ts';
import { WatchedEngine } from './watched-engine.ts';

if (rtmp.missing !== undefined) console.warn(`the relay by RTMP is not tested: ${rtmp.missing}`);

describe.skipIf(rtmp.missing !== undefined)('a relay that streams by RTMP', () => {
  let obs: HeadlessObs | undefined;
  let client: ObsClient | undefined;
  let controller: ControllerProcess | undefined;
  let server: StreamServer | undefined;
  let engine: WatchedEngine | undefined;
  let folder = '';

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'livesr-rtmp-'));
    const [relayPort, serverPort] = [await freeUdpPort(), await rtmp.freePort()];
    const feedbackPort = await freeTcpPort();
    engine = new WatchedEngine(join(folder, 'engine'));
    server = new StreamServer(rtmp, serverPort, feedbackPort, join(folder, 'engine'));
    await server.untilReady();
    ({ obs, client } = await startNumberedObs(folder, {
      server: `srt://127.0.0.1:${relayPort}`,
      script: {
        server: rtmp.address(serverPort),
        feedback: `ws://127.0.0.1:${feedbackPort}`,
      },
    }));
    controller = new ControllerProcess(obs.webSocketPort, relayPort, await freeTcpPort(), password);
    await until('the relay runs', 15, () => controller?.latest?.relay.isRunning === true);
    await client.call('StartStream');
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

  test('patches arrive inside the pictures, each of the frame that it is paired with', async () => {
    await until('twenty pairs', 90, () => (engine?.pairs.length ?? 0) >= 20);
    const pairs = engine?.pairs ?? [];
    const off = pairs.filter(({ high, low }) => high !== low);
    const stats = await enhancer();
    console.info(`${pairs.length} pairs read, ${off.length} of two frames`);
    expect(off).toEqual([]);
    expect(numberField(stats, 'patches-aligned')).toBeGreaterThanOrEqual(pairs.length);
    expect(numberField(stats, 'patches-dropped-other-frame')).toBe(0);
  });

  test('it brings a gain, and the encoder keeps to the cap', async () => {
    await until('a gain', 30, async () => numberField(await enhancer(), 'gain-db') > 0);
    await until('the dock has it', 10, () => (controller?.latest?.training?.gainDb ?? 0) > 0);
    const { script, relay, warnings } = controller?.latest ?? {};
    expect(script?.status?.bitrateKbps).toBeLessThan(1500);
    expect(script?.status?.bitrateKbps).toBeGreaterThanOrEqual(200);
    expect(relay).toMatchObject({ isCarrying: true, isCalibrated: true, problem: '' });
    expect(relay?.capacityBps).toBeGreaterThan(0);
    expect(warnings).toEqual([]);
  });
});
