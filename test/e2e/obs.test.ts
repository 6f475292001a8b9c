// A real OBS under Xvfb with the script, `livesr obs` beside it, an emulated uplink, a server pipeline.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { parseRateSteps, steppedRate } from '../../elements/link/rates.ts';
import { Relay as Link } from '../../elements/link/relay.ts';
import { commandLineScript } from '../../elements/measure/environment.ts';
import { Pipeline, quoted } from '../../elements/measure/pipeline.ts';
import { numberField, parseStructure } from '../../elements/measure/structure.ts';
import { seededRandom } from '../../elements/patch-sender/random.ts';
import { ObsClient } from '../../obs-script/controller/obs-client.ts';
import { ScriptChannel } from '../../obs-script/controller/script-channel.ts';
import { commandLinesBelow } from './command-lines.ts';
import { ControllerProcess, until } from './controller-process.ts';
import { Browser, findBrowser } from './dock-picture.ts';
import { freeTcpPort, type HeadlessObs } from './headless-obs.ts';
import { missing, password, startNumberedObs, streamersKbps } from './numbered-obs.ts';
import { costOf } from './process-cost.ts';
import { WatchedEngine } from './watched-engine.ts';

const passphrase = 'a passphrase of SRT';

describe.skipIf(missing !== undefined)('in a real OBS', () => {
  let obs: HeadlessObs | undefined;
  let client: ObsClient | undefined;
  let controller: ControllerProcess | undefined;
  let server: Pipeline | undefined;
  let engine: WatchedEngine | undefined;
  let link: Link | undefined;
  let folder = '';
  let serverPort = 0;
  let relayPort = 0;

  function openLink(port: number): Promise<Link> {
    const startMs = performance.now();
    return Link.open({
      listenAddress: '127.0.0.1',
      listenPort: port,
      serverHost: '127.0.0.1',
      serverPort,
      shape: {
        carried: steppedRate(parseRateSteps('2000@0,900@35,2000@50')),
        delaySeconds: 0.02,
        jitterSeconds: 0,
        lossShare: 0,
        queueSeconds: 0.5,
        queueBytes: 1e6,
      },
      random: seededRandom(1),
      now: () => (performance.now() - startMs) / 1000,
    });
  }

  beforeAll(async () => {
    relayPort = await freeUdpPort();
    serverPort = await freeUdpPort();
    folder = mkdtempSync(join(tmpdir(), 'livesr-obs-test-'));
    const feedbackPort = await freeTcpPort();
    link = await openLink(0);
    engine = new WatchedEngine(join(folder, 'engine'));
    server = new Pipeline({
      name: 'the server',
      launch:
        `srtsrc uri="srt://127.0.0.1:${serverPort}?mode=listener" passphrase=${quoted(passphrase)} latency=200 keep-listening=true ` +
        '! livesrdemux name=demux demux.video ! queue ! h264parse ! avdec_h264 ' +
        `! srenhancer name=enhancer scale=2 stream-key=key feedback-listen=127.0.0.1:${feedbackPort} ` +
        `token=token engine=${quoted(`unix:${join(folder, 'engine')}`)} ! queue ! fakesink sync=true async=false`,
    });
    ({ obs, client } = await startNumberedObs(folder, {
      server: `srt://127.0.0.1:${relayPort}`,
      script: {
        server: `srt://127.0.0.1:${link.port}`,
        feedback: `ws://127.0.0.1:${feedbackPort}`,
        passphrase,
      },
    }));
    controller = new ControllerProcess(obs.webSocketPort, relayPort, await freeTcpPort(), password);
  });

  afterAll(async () => {
    await controller?.end('SIGTERM');
    await client?.close();
    await obs?.stop();
    await server?.stop();
    engine?.close();
    link?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const bitrateKbps = (): number => controller?.latest?.script.status?.bitrateKbps ?? 0;
  const enhancer = async () => parseStructure(await server?.get('enhancer', 'stats'));

  test('patches of the canvas reach the server, and its gain is positive within 30 s', async () => {
    await until('the relay runs', 15, () => controller?.latest?.relay.isRunning === true);
    await client?.call('StartStream');
    await until('the stream passes', 10, () => controller?.latest?.relay.isCarrying === true);
    await until('a gain', 30, async () => numberField(await enhancer(), 'gain-db') > 0);
    const stats = await enhancer();
    console.info(
      `gain ${numberField(stats, 'gain-db').toFixed(2)} dB with ${numberField(stats, 'patches-aligned')} patches`,
    );
    expect(numberField(stats, 'patches-aligned')).toBeGreaterThan(5);
    expect(numberField(stats, 'patches-aligned-to-neighbour')).toBe(0);
    expect(numberField(stats, 'patches-dropped-other-frame')).toBe(0);
  });

  test('frames of the canvas, keys and passwords are in files that nobody else can read', () => {
    const runtime = obs?.runtimeFolder ?? '';
    const modeOf = (path: string): number => statSync(path).mode & 0o777;
    const canvas = readdirSync(runtime).filter((name) => name.startsWith('livesr-canvas-'));
    expect(canvas.length).toBeGreaterThan(0);
    for (const name of canvas) expect(modeOf(join(runtime, name))).toBe(0o600);
    expect(modeOf(join(dirname(runtime), 'obs-studio'))).toBe(0o700);
  });

  test('no process has a secret in its command line', () => {
    const secrets = [password, passphrase, 'stream-key=', 'token='];
    const lines = commandLinesBelow(process.pid);
    expect(lines.length).toBeGreaterThan(3);
    for (const line of lines) {
      for (const secret of secrets) expect(line).not.toContain(secret);
    }
  });

  test('the encoder follows the uplink at least five times, and OBS has not reconnected', async () => {
    const changes = (): number => controller?.latest?.script.status?.changes ?? 0;
    await until('five changes', 60, () => changes() >= 5);
    const { outputReconnecting, outputDuration } = (await client?.call('GetStreamStatus')) ?? {};
    console.info(
      `${changes()} changes, now ${bitrateKbps()} kbit/s, streaming ${outputDuration} ms`,
    );
    expect(outputReconnecting).toBe(false);
    expect(obs?.log() ?? '').not.toMatch(/Reconnect/i);
  });

  test('no patch is off by a frame', async () => {
    await until('twenty pairs', 60, () => (engine?.pairs.length ?? 0) >= 20);
    const pairs = engine?.pairs ?? [];
    const off = pairs.filter(({ high, low }) => high !== low);
    console.info(`${pairs.length} pairs read, ${off.length} of two frames`);
    expect(off).toEqual([]);
  });

  const browser = findBrowser();
  test.skipIf(browser === undefined)('the dock shows live numbers', async () => {
    const page = await Browser.open(browser ?? '', controller?.latest?.dock ?? '');
    try {
      const text = (id: string) => page.evaluate(`document.getElementById('${id}').textContent`);
      await until('numbers', 10, async () => /^[+−]\d+\.\d\d$/.test(await text('gain')));
      expect(await text('status')).toBe('Live');
      expect(await text('video')).toMatch(/^\d[\d,]*$/);
      expect(await text('capacity')).toMatch(/^\d[\d,]*$/);
      expect(
        await page.evaluate("document.querySelector('#rate-chart path.series').outerHTML"),
      ).toMatch(/ d="M/);
      await page.takePicture('dock-300-light.png', 300, 900, false);
      await page.takePicture('dock-300-dark.png', 300, 900, true);
      await page.takePicture('dock-1000-light.png', 1000, 560, false);
      await page.takePicture('dock-1000-dark.png', 1000, 560, true);
    } finally {
      await page.close();
    }
  });

  /** What the script says, without a controller. */
  async function statusOfScript() {
    if (!client) throw new Error('not connected');
    const answer = await new ScriptChannel(client, 'test').look();
    return answer.kind === 'status' ? answer.status : undefined;
  }
  const scriptKbps = async () => (await statusOfScript())?.bitrateKbps;
  const wantedPatches = (): number => controller?.latest?.relay.patches ?? 0;
  const startController = async (
    withPassword = password,
    more: readonly string[] = [],
  ): Promise<ControllerProcess> =>
    new ControllerProcess(
      obs?.webSocketPort ?? 0,
      relayPort,
      await freeTcpPort(),
      withPassword,
      more,
    );

  test('another websocket client can ask for nothing beyond the bounds', async () => {
    const before = await statusOfScript();
    for (const wish of [
      { protocol: 1, session: 'evil', sequence: 1, bitrateKbps: 1e9, grabsPerSecond: 1e9 },
      {
        protocol: 1,
        session: 'evil',
        sequence: 2,
        bitrateKbps: -1,
        command: 'touch /evil',
        canvasFile: '/evil',
      },
      { protocol: 99, session: 'evil', sequence: 3, bitrateKbps: 1 },
      {
        protocol: 'one',
        session: 7,
        sequence: {},
        bitrateKbps: 'much',
        dock: 'http://evil.example/',
      },
    ]) {
      await client?.call('SetInputSettings', { inputName: 'livesr', inputSettings: wish });
      await delay(300);
      const { bitrateKbps: kbps = 0, capKbps, canvasFile } = (await statusOfScript()) ?? {};
      expect(kbps).toBeGreaterThanOrEqual(200);
      expect(kbps).toBeLessThanOrEqual(1500);
      expect(capKbps).toBe(1500);
      expect(canvasFile).toBe(before?.canvasFile);
    }
    // The controller's next word counts again.
    const patches = wantedPatches();
    await until('patches go on', 15, () => wantedPatches() > patches);
  });

  test('a controller that is killed leaves the streamer with the bit rate of before', async () => {
    await controller?.end('SIGKILL');
    await until('the bit rate is back', 10, async () => (await scriptKbps()) === streamersKbps);
    controller = await startController();
    await until(
      'OBS has come back to the relay',
      30,
      () => controller?.latest?.relay.isCarrying === true,
    );
    await until('patches again', 30, () => wantedPatches() > 0);
  });

  test('without frames from the script patches are made of screenshots', async () => {
    await controller?.end('SIGTERM');
    controller = await startController(password, ['--screenshots']);
    await until(
      'OBS has come back to the relay',
      30,
      () => controller?.latest?.relay.isCarrying === true,
    );
    const before = numberField(await enhancer(), 'patches-aligned');
    await until(
      'patches',
      40,
      async () => numberField(await enhancer(), 'patches-aligned') > before + 3,
    );
    await controller.end('SIGTERM');
    controller = await startController();
    await until('OBS is back', 30, () => controller?.latest?.relay.isCarrying === true);
  });

  test('a wrong password is said, and the controller waits', async () => {
    const other = await startController('wrong');
    try {
      await until('it is said', 10, () => other.lines.some((line) => line.includes('password')));
      await until('the code is told', 5, () => other.latest?.obs.code === 4009);
    } finally {
      await other.end('SIGTERM');
    }
    expect(controller?.latest?.relay.isCarrying).toBe(true);
  });

  test('the check finds nothing in this OBS', () => {
    const { stdout, status } = spawnSync(
      process.execPath,
      [
        ...[commandLineScript, 'obs', '--check', '--json', '--port', String(obs?.webSocketPort)],
        ...['--relay-port', String(relayPort)],
      ],
      { encoding: 'utf8', env: { ...process.env, LIVESR_OBS_PASSWORD: password } },
    );
    expect(JSON.parse(stdout)).toEqual([]);
    expect(status).toBe(0);
  });

  test('when the network is gone and comes back, so do the patches', async () => {
    const port = link?.port ?? 0;
    link?.close();
    await delay(8000);
    link = await openLink(port);
    const patches = wantedPatches();
    await until('the stream passes', 40, () => controller?.latest?.relay.isCarrying === true);
    await until('patches again', 40, () => wantedPatches() !== patches && wantedPatches() > 0);
  });

  test('script and controller take less than 3 % of a core besides grabs', async () => {
    const wish = (wishes: object) =>
      fetch(`${controller?.latest?.dock ?? ''}wishes`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          origin: new URL(controller?.latest?.dock ?? '').origin,
        },
        body: JSON.stringify(wishes),
      });
    const measure = async () => {
      const before = controller?.latest?.script.status;
      const { outputSkippedFrames: skippedBefore } = (await client?.call('GetStats')) ?? {};
      const { renderSkippedFrames: unrenderedBefore } = (await client?.call('GetStats')) ?? {};
      const seconds = 20;
      const cost = await costOf(controller?.processId ?? 0, seconds);
      const after = controller?.latest?.script.status;
      const stats = await client?.call('GetStats');
      const percent = (from = 0, to = 0): number => (to - from) / (seconds * 10);
      return {
        ...cost,
        scriptPercent: percent(before?.scriptMs, after?.scriptMs),
        grabsPercent: percent(before?.grabsMs, after?.grabsMs),
        grabs: (after?.canvasGrabbed ?? 0) - (before?.canvasGrabbed ?? 0),
        skipped: (stats?.outputSkippedFrames ?? 0) - (skippedBefore ?? 0),
        unrendered: (stats?.renderSkippedFrames ?? 0) - (unrenderedBefore ?? 0),
      };
    };
    const withGrabs = await measure();
    expect((await wish({ on: false })).status).toBe(204);
    await delay(3000);
    const without = await measure();
    expect((await wish({ on: true })).status).toBe(204);
    await until('the encoder follows again', 20, () => bitrateKbps() !== streamersKbps);
    console.info('with grabs', withGrabs, 'without', without);
    expect(withGrabs.grabs).toBeGreaterThan(40);
    expect(without.grabs).toBeLessThan(3);
    expect(without.ownPercent + without.scriptPercent).toBeLessThan(3);
    expect(withGrabs.scriptPercent).toBeLessThan(1);
  });

  test('another scene collection without the script has the bit rate of before', async () => {
    await client?.call('SetCurrentSceneCollection', { sceneCollectionName: 'other' });
    await until('the script is gone', 10, () => controller?.latest?.script.status === undefined);
    expect(obs?.log()).toMatch(
      new RegExp(`bit rate back to ${streamersKbps} kbit/s: the scene collection is left`),
    );
    await client?.call('SetCurrentSceneCollection', { sceneCollectionName: 'livesr' });
    await until('the script is back', 15, () => controller?.latest?.script.status !== undefined);
  });

  test('when the stream stops, the streamer has the bit rate back; it may start again', async () => {
    await client?.call('StopStream');
    await until('the bit rate is back', 10, () => bitrateKbps() === streamersKbps);
    await until('the relay waits', 10, () => controller?.latest?.relay.isCarrying === false);
    // Another one than before, which has counted patches.
    await until('the relay runs', 10, () => {
      const { isRunning, patches } = controller?.latest?.relay ?? {};
      return isRunning === true && patches === 0;
    });
    await client?.call('StartStream');
    await until('the stream passes', 20, () => controller?.latest?.relay.isCarrying === true);
    await until('patches again', 40, () => wantedPatches() > 0);
  });

  test('when OBS is closed, the controller says so and waits', async () => {
    obs?.kill('SIGTERM');
    await until('it is said', 20, () => controller?.latest?.obs.connected === false);
    await until('the relay is free', 10, () => controller?.latest?.relay.isCarrying === false);
  });
});
