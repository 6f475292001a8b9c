// Where a sender sends to: checked before anything starts.
import { UsageError } from '../cli/failure.ts';
import { refuseSecretsInUri } from '../cli/secrets.ts';

/**
 * How long srtsink tries to connect before it fails (ms). GStreamer 1.22 does not try again by itself, and
 * what has failed ends the pipeline; a connection that breaks is to be waited for.
 */
const connectTimeoutMs = 600_000;

function parsed(option: string, uri: string, example: string): URL {
  try {
    return new URL(uri);
  } catch {
    throw new UsageError(`${option} ${uri}: not an address: give ${example}`);
  }
}

/** The server's address as srtsink takes it. */
export function checkServer(uri: string): string {
  const example = 'srt://HOST:PORT';
  refuseSecretsInUri('--to', uri);
  const url = parsed('--to', uri, example);
  if (url.protocol !== 'srt:') {
    throw new UsageError(
      `--to ${uri}: livesr send speaks SRT, not ${url.protocol.slice(0, -1)}: give ${example}`,
    );
  }
  if (url.hostname === '') throw new UsageError(`--to ${uri}: no host: give ${example}`);
  if (url.port === '') {
    throw new UsageError(`--to ${uri}: no port, and SRT has no usual one: give ${example}`);
  }
  const mode = url.searchParams.get('mode') ?? 'caller';
  if (mode !== 'caller') {
    throw new UsageError(`--to ${uri}: livesr send calls its server: leave out mode=${mode}`);
  }
  url.searchParams.set('mode', mode);
  if (!url.searchParams.has('conntimeo')) {
    url.searchParams.set('conntimeo', String(connectTimeoutMs));
  }
  return url.href;
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || host.startsWith('127.');

/** The feedback server's address, and a warning where a token would travel for all to read. */
export function checkFeedback(uri: string, hasToken: boolean): string | null {
  const example = 'ws://HOST:PORT or wss://HOST:PORT';
  const url = parsed('--feedback', uri, example);
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') {
    throw new UsageError(`--feedback ${uri}: a WebSocket: give ${example}`);
  }
  if (url.protocol === 'wss:' || isLoopback(url.hostname) || !hasToken) return null;
  return `${uri} sends the token unencrypted: use wss:// where the server has a certificate`;
}
