// What elements of one engine that speak on the same address get, and which faults are said.
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../../elements/bridge/index.ts';
import {
  openPublisher,
  type Publisher,
  type PublisherSettings,
} from '../../elements/feedback/publisher.ts';
import { freeUdpPort } from '../../elements/demo/live.ts';
import { feedbackClient, feedbackHello } from './feedback-fixture.ts';

const certificate = fileURLToPath(new URL('feedback-localhost.pem', import.meta.url));
const packet = native().writePacket(
  { scale: 2, streamId: 1, sequence: 0, runningTimeNs: 5, frameWidth: 1280, frameHeight: 720 },
  [],
);

describe('streams of one engine on one address', () => {
  const open: { close: () => void }[] = [];
  let folder = '';
  let port = 0;
  let warnings: string[] = [];
  let got: string[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'livesr-publisher-'));
    port = await freeUdpPort();
    warnings = [];
    got = [];
  });
  afterEach(() => {
    for (const end of open.splice(0)) end.close();
    rmSync(folder, { recursive: true });
  });

  const stream = (
    streamKey: string,
    change: Partial<PublisherSettings> = {},
  ): Publisher | undefined => {
    const settings = {
      feedbackListen: `127.0.0.1:${port}`,
      feedbackCertificate: '',
      token: '',
      tokensFile: '',
      streamKey,
      ...change,
    };
    const host = {
      log: () => undefined,
      nowMs: () => performance.now(),
      warn: (cause: string, remedy: string) => warnings.push(`${cause} ${remedy}`),
    };
    const publisher = openPublisher(settings, host, () => got.push(streamKey));
    if (publisher) open.push(publisher);
    return publisher;
  };

  const sender = (streamKey: string, token: string) => {
    const client = feedbackClient(port, { token, hello: { ...feedbackHello, streamKey } });
    open.push(client);
    return client;
  };

  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
  };

  it('have a token each, and each token feeds its own', async () => {
    stream('a', { token: 'token-of-a' });
    const b = stream('b', { token: 'token-of-b' });
    const clients = [sender('a', 'token-of-a'), sender('b', 'token-of-b')];
    const thief = sender('b', 'token-of-a');
    await until(() => clients.every(({ takesPatches }) => takesPatches));
    await until(() => (b?.counts?.wrongTokens ?? 0) > 0);
    clients[0]?.sendPacket(packet);
    thief.sendPacket(packet);
    await until(() => got.length > 0);
    clients[1]?.sendPacket(packet);
    await until(() => got.length > 1);
    expect(got).toEqual(['a', 'b']);
    expect(warnings).toEqual([]);
  });

  it('have their tokens in one file, which may change while they run', async () => {
    const tokensFile = join(folder, 'tokens');
    writeFileSync(tokensFile, 'a token-of-a\n', { mode: 0o600 });
    stream('a', { tokensFile });
    const b = stream('b', { tokensFile });
    const early = sender('b', 'token-of-b');
    await until(() => (b?.counts?.wrongTokens ?? 0) > 0);
    expect(early.takesPatches).toBe(false);
    writeFileSync(tokensFile, 'a token-of-a\nb token-of-b\n');
    await until(() => early.takesPatches);
    expect(warnings).toEqual([]);
  });

  it('that have no tokens file get a warning at once', () => {
    stream('a', { tokensFile: join(folder, 'none') });
    expect(warnings).toEqual([expect.stringMatching(/tokens-file.*none.*ENOENT.*no sender/)]);
  });

  it('get a warning when others can read the private key', () => {
    const feedbackCertificate = join(folder, 'server.pem');
    copyFileSync(certificate, feedbackCertificate);
    chmodSync(feedbackCertificate, 0o644);
    stream('a', { feedbackCertificate });
    expect(warnings).toEqual([expect.stringContaining(`chmod 600 ${feedbackCertificate}`)]);
  });

  it('get a warning when their settings contradict each other', () => {
    stream('a', { token: 'secret-1' });
    expect(stream('a', { token: 'secret-2' })).toBeUndefined();
    expect(stream('b', { feedbackCertificate: certificate })).toBeUndefined();
    const tokensFile = join(folder, 'tokens');
    writeFileSync(tokensFile, 'c secret-3\n', { mode: 0o600 });
    stream('c', { token: 'secret-4', tokensFile });
    expect(warnings).toEqual([
      expect.stringMatching(/same stream key has another token.*stream-key of its own/),
      expect.stringMatching(/another certificate.*address of its own/),
      expect.stringMatching(/token and tokens-file.*the file counts.*one of them/),
    ]);
    expect(warnings.join()).not.toContain('secret');
  });

  it.each(['7002', '127.0.0.1', '127.0.0.1:port'])(
    'get a warning that %s is no address',
    (text) => {
      expect(stream('a', { feedbackListen: text })).toBeUndefined();
      expect(warnings).toEqual([expect.stringMatching(/is no address.*ADDRESS:PORT/)]);
    },
  );
});
