// The dock's server: who gets in, and what may be set from there. And the rules behind `livesr obs --check`.
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectionFinding, findings, type ObsFacts } from '../../obs-script/controller/checks.ts';
import { withoutSecrets } from '../../obs-script/controller/command.ts';
import { dockToken, readDockPage } from '../../obs-script/controller/dock-files.ts';
import { DockServer, parseWishes } from '../../obs-script/controller/dock-server.ts';
import { DockHistory, dockState } from '../../obs-script/controller/dock-state.ts';
import type { ScriptStatus } from '../../obs-script/controller/script-channel.ts';
import { initialState, type Wishes } from '../../obs-script/controller/state.ts';
import { worthOfGain } from '../../obs-script/controller/worth.ts';

const token = 'abcdef0123456789abcdef0123456789';

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

describe("the dock's server", () => {
  let server: DockServer;
  let port = 0;
  const wished: Wishes[] = [];

  beforeAll(async () => {
    const page = readDockPage('obs-script/dock');
    server = await DockServer.open({ port: 0, token, page, onWish: (wish) => wished.push(wish) });
    port = Number(new URL(server.address).port);
  });
  afterAll(() => {
    server.close();
  });

  function ask(asked: Asked): Promise<{ status: number; headers: unknown; body: string }> {
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port,
          method: asked.method ?? 'GET',
          path: asked.path ?? `/${token}/`,
          headers: asked.headers,
        },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
          response.on('end', () => {
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
          });
        },
      );
      sent.on('error', reject);
      sent.end(asked.body);
    });
  }

  const wish = (headers: Readonly<Record<string, string>>, body = '{"on":false}') =>
    ask({
      method: 'POST',
      path: `/${token}/wishes`,
      headers: { 'Content-Type': 'application/json', ...headers },
      body,
    });
  const own = () => ({ Origin: `http://127.0.0.1:${port}` });

  it('gives one page that loads nothing from elsewhere', async () => {
    const { status, headers, body } = await ask({});
    expect(status).toBe(200);
    expect(body).not.toMatch(/(?:src|href)="(?!data:)/);
    expect(body).not.toMatch(/https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
    expect(headers).toMatchObject({
      'content-security-policy': expect.stringMatching(
        /default-src 'none'.*frame-ancestors 'none'/,
      ) as string,
      'referrer-policy': 'no-referrer',
    });
  });

  it('is not there without the token', async () => {
    for (const path of ['/', '/x/', `/${token.slice(1)}/`, `/${token}x/`, '/state']) {
      expect((await ask({ path })).status).toBe(404);
    }
  });

  it('does not answer under another name, as a rebound DNS name would have it', async () => {
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1', `0.0.0.0:${port}`]) {
      expect((await ask({ headers: { Host: host } })).status).toBe(403);
    }
  });

  it('takes wishes from its own page alone', async () => {
    const before = wished.length;
    expect((await wish({})).status).toBe(403);
    expect((await wish({ Origin: 'https://evil.example' })).status).toBe(403);
    expect((await wish({ Origin: 'null' })).status).toBe(403);
    expect((await wish({ ...own(), 'Sec-Fetch-Site': 'cross-site' })).status).toBe(403);
    // What a form of another page can send without asking first.
    expect((await wish({ ...own(), 'Content-Type': 'text/plain' })).status).toBe(415);
    expect(wished.length).toBe(before);
    expect((await wish(own())).status).toBe(204);
    expect(wished.at(-1)).toEqual({ on: false });
  });

  it('takes no wish that is out of range, too long or of another shape', async () => {
    const before = wished.length;
    for (const body of [
      '',
      '[]',
      '{"capKbps":1e9}',
      '{"capKbps":"1000"}',
      '{"command":"x"}',
      '{"streamClass":"x"}',
    ]) {
      expect((await wish(own(), body)).status).toBe(400);
    }
    await expect(wish(own(), `{"on":false,${' '.repeat(9000)}}`)).rejects.toThrow();
    expect(wished.length).toBe(before);
  });

  it('reads any text as a wish within bounds, or as none', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const parsed = parseWishes(text);
        for (const key of Object.keys(parsed ?? {})) {
          expect(['on', 'capKbps', 'minKbps', 'patchShare', 'streamClass']).toContain(key);
        }
      }),
    );
  });
});

const status: ScriptStatus = {
  protocol: 1,
  scriptVersion: '0.1.0',
  enabled: true,
  mode: 'relay',
  server: 'srt://server:7001',
  feedback: 'ws://server:7002',
  streamKey: 'key of mine',
  token: 'token of mine',
  passphrase: 'passphrase of mine',
  capKbps: 3000,
  minKbps: 300,
  streamClass: 'default',
  patchQuality: 'auto',
  streaming: true,
  stopAsked: false,
  encoder: 'obs_x264',
  encoderName: 'x264',
  encoderCodec: 'h264',
  encoderCanChange: true,
  rateControl: 'CBR',
  encoderWidth: 640,
  encoderHeight: 360,
  bitrateKbps: 800,
  originalKbps: 1200,
  changes: 3,
  capableEncoderIds: 'obs_x264 jim_nvenc',
  capableEncoderNames: 'x264, NVENC',
  problem: '',
  note: '',
  canvasFile: '/run/user/1000/livesr-canvas',
  canvasProblem: '',
  canvasGrabbed: 10,
  audioKbps: 160,
  carriage: 'auto',
  scriptMs: 20,
  grabsMs: 30,
};

const format = {
  canvas: { width: 1280, height: 720 },
  stream: { width: 640, height: 360 },
  framesPerSecond: 30,
  colour: { space: '709', isFullRange: false },
  scale: 2,
} as const;

const good: ObsFacts = {
  format,
  isAdvancedOutput: true,
  isDynamicBitrate: false,
  encoder: 'obs_x264',
  server: 'srt://127.0.0.1:7010?mode=caller',
  relayPort: 7010,
  answer: { kind: 'status', status },
};

describe("the dock's token", () => {
  let folder = '';
  let file = '';
  let warnings: string[] = [];
  const token = (): string => dockToken((line) => warnings.push(line), file);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'livesr-dock-'));
    file = join(folder, 'livesr', 'dock-token');
    warnings = [];
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('stays the same, in a file that only its owner can read, whatever the umask', () => {
    const before = process.umask(0);
    try {
      const made = token();
      expect(made).toMatch(/^[0-9a-f]{32}$/);
      expect(token()).toBe(made);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(statSync(join(folder, 'livesr')).mode & 0o777).toBe(0o700);
      expect(warnings).toEqual([]);
    } finally {
      process.umask(before);
    }
  });

  it('is another one, said once, where others could have read it', () => {
    const made = token();
    chmodSync(file, 0o644);
    const next = token();
    expect(next).not.toBe(made);
    expect(token()).toBe(next);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(warnings).toEqual([expect.stringContaining('new address')]);
    expect(warnings[0]).not.toContain(next);
  });
});

describe('the check', () => {
  const causes = (facts: Partial<ObsFacts>): string =>
    findings({ ...good, ...facts })
      .map(({ cause, remedy }) => `${cause} ${remedy}`)
      .join('\n');

  it('finds nothing where all is well', () => {
    expect(findings(good)).toEqual([]);
  });

  it.each([
    [{ isDynamicBitrate: true }, /Dynamically change bitrate/],
    [{ encoder: 'ffmpeg_vaapi' }, /ffmpeg_vaapi cannot change.*x264, NVENC/],
    [{ server: 'rtmp://live.example/app' }, /not to the relay.*srt:\/\/127\.0\.0\.1:7010/],
    [{ server: 'srt://127.0.0.1:7011' }, /not to the relay/],
    [{ server: '' }, /nowhere/],
    [{ format: { ...format, stream: format.canvas, scale: 1 } }, /nothing to add.*640x360/],
    [
      { format: { ...format, stream: { width: 852, height: 480 }, scale: undefined } },
      /852x480 is not two thirds/,
    ],
    [{ answer: { kind: 'absent' } }, /not loaded.*Tools > Scripts/],
    [{ answer: { kind: 'foreign', reason: 'of another age' } }, /of another age/],
    [{ answer: { kind: 'status', status: { ...status, enabled: false } } }, /switched off/],
    [{ answer: { kind: 'status', status: { ...status, server: '' } } }, /no server address/],
    [{ answer: { kind: 'status', status: { ...status, server: 'rtmp://x' } } }, /none of SRT/],
    [
      { answer: { kind: 'status', status: { ...status, feedback: 'http://x' } } },
      /none of a websocket/,
    ],
    [{ answer: { kind: 'status', status: { ...status, problem: 'set it to CBR' } } }, /CBR/],
  ] as const)('names what is wrong and how it is mended: %j', (facts, expected) => {
    expect(causes(facts)).toMatch(expected);
  });

  it('shows no stream key that stands in the address', () => {
    expect(causes({ server: 'srt://else:1?streamid=secret' })).not.toMatch(/secret/);
  });

  it('tells a wrong password from a server that is off and from none', () => {
    const off = { file: 'f', enabled: false, port: 4455, password: '' };
    const cause = (code: number | undefined, config = { ...off, enabled: true }) =>
      connectionFinding({ message: 'no', code }, 'ws://127.0.0.1:4455', config).cause;
    expect(cause(4009)).toMatch(/password/);
    expect(cause(undefined, off)).toMatch(/switched off/);
    expect(cause(1006)).toMatch(/not reached/);
  });
});

describe("the dock's state", () => {
  const state = { ...initialState, script: { status, problem: '' } };

  it('holds no secret', () => {
    const text = JSON.stringify(dockState(state, new DockHistory(), [], format, 0));
    expect(text).not.toMatch(/of mine|livesr-canvas/);
  });

  it('is written by --json without a secret, those in addresses included', () => {
    const server = 'srt://server:7001?passphrase=one+of+mine';
    const feedback = 'wss://me:one+of+mine@server:7002';
    const script = { status: { ...status, server, feedback }, problem: '' };
    const shown = withoutSecrets({ ...state, script });
    expect(JSON.stringify(shown)).not.toMatch(/of.mine|livesr-canvas/);
    expect(shown.script.status?.server).toBe('srt://server:7001');
  });

  it("stays within the script's bounds, whatever the dock wishes", () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.nat(1e6), (capKbps, minKbps) => {
        const wishes = { capKbps, minKbps };
        const shown = dockState({ ...state, wishes }, new DockHistory(), [], format, 0);
        expect(shown.capKbps).toBeLessThanOrEqual(status.capKbps);
        expect(shown.minKbps).toBeLessThanOrEqual(shown.capKbps);
      }),
    );
  });

  it('says what a gain is worth, more for a larger one, and nothing for none', () => {
    const worth = (gainDb: number) => worthOfGain(gainDb, 500_000, 640 * 360 * 30, 'default');
    expect(worth(0)).toBeNull();
    expect(worth(-1)).toBeNull();
    expect(worth(0.5) ?? 0).toBeGreaterThan(0);
    expect(worth(1) ?? 0).toBeGreaterThan(worth(0.5) ?? 0);
    expect(worth(50)).toBe(3);
  });
});
