// Serves the dock on this machine alone. Three doors: the address has to carry the token, the Host header
// has to be ours (or a page on the web could reach us by a name that it points at 127.0.0.1), and what
// changes something has to come from our own page.
import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { streamClasses } from '../../elements/patch-sender/curves.ts';
import type { DockPoint, DockState } from './dock-state.ts';
import type { Wishes } from './state.ts';

export interface DockServerOptions {
  /** 0: any that is free. */
  readonly port: number;
  readonly token: string;
  readonly page: DockPage;
  readonly onWish: (wishes: Wishes) => void;
}

/** Parts of the page, put together into one. */
export interface DockPage {
  readonly html: string;
  readonly style: string;
  readonly script: string;
}

const wishes = z.strictObject({
  on: z.boolean().optional(),
  capKbps: z.int().min(100).max(1e6).optional(),
  minKbps: z.int().min(50).max(1e6).optional(),
  patchShare: z.union([z.literal('auto'), z.number().min(0).max(50)]).optional(),
  streamClass: z.enum(streamClasses as [string, ...string[]]).optional(),
});

const mostBodyBytes = 4096;
const mostListeners = 16;
/** A listener that reads nothing any more. */
const mostWaitingBytes = 1 << 20;

/** Whether a request may be answered, and how it is refused if not. */
export function refusalOf(
  request: Pick<IncomingMessage, 'method' | 'url' | 'headers'>,
  port: number,
  token: string,
): { readonly status: number; readonly text: string } | undefined {
  const { host, origin } = request.headers;
  const ownHosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  if (host === undefined || !ownHosts.includes(host)) {
    return { status: 403, text: 'Not under this name.' };
  }
  const site = request.headers['sec-fetch-site'];
  const isOwnOrigin = origin === `http://${host}`;
  const isForeign =
    (origin !== undefined && !isOwnOrigin) ||
    (site !== undefined && site !== 'same-origin' && site !== 'none');
  if (isForeign) return { status: 403, text: 'Not from another page.' };
  const [, given = ''] = (request.url ?? '').split('/');
  if (!isSame(given, token)) return { status: 404, text: 'No such page.' };
  if (request.method === 'POST') {
    if (!isOwnOrigin) return { status: 403, text: 'Only from the dock itself.' };
    if (request.headers['content-type'] !== 'application/json') {
      return { status: 415, text: 'JSON only.' };
    }
  } else if (request.method !== 'GET') {
    return { status: 405, text: 'GET or POST.' };
  }
  return undefined;
}

/** Takes as long whatever was given. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

export function parseWishes(body: string): Wishes | undefined {
  try {
    const parsed = wishes.safeParse(JSON.parse(body));
    if (!parsed.success) return undefined;
    // Without the keys that are undefined: these would hide what stood there.
    return Object.fromEntries(
      Object.entries(parsed.data).filter(([, value]) => value !== undefined),
    );
  } catch {
    return undefined;
  }
}

const hashSource = (text: string): string =>
  `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

export class DockServer {
  readonly #options: DockServerOptions;
  readonly #server: Server;
  readonly #listeners = new Set<ServerResponse>();
  readonly #html: string;
  readonly #policy: string;
  #latest = '';
  #history: readonly DockPoint[] = [];

  private constructor(options: DockServerOptions) {
    this.#options = options;
    const { html, style, script } = options.page;
    this.#html = html
      .replace('<!-- style -->', () => `<style>${style}</style>`)
      .replace('<!-- script -->', () => `<script type="module">${script}</script>`);
    this.#policy =
      `default-src 'none'; style-src ${hashSource(style)}; script-src ${hashSource(script)}; ` +
      "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    this.#server = createServer((request, response) => {
      this.#answer(request, response);
    });
    this.#server.requestTimeout = 5000;
    this.#server.maxConnections = 64;
  }

  /** Rejects when the port cannot be had. */
  static async open(options: DockServerOptions): Promise<DockServer> {
    const server = new DockServer(options);
    server.#server.listen(options.port, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}/${this.#options.token}/`;
  }

  tell(state: DockState, history: readonly DockPoint[]): void {
    this.#history = history;
    this.#latest = event('state', state);
    for (const listener of this.#listeners) {
      if (listener.writableLength > mostWaitingBytes) listener.destroy();
      else listener.write(this.#latest);
    }
  }

  close(): void {
    for (const listener of this.#listeners) listener.destroy();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Referrer-Policy', 'no-referrer');
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
    response.setHeader('Content-Security-Policy', this.#policy);
    const refusal = refusalOf(request, this.#port, this.#options.token);
    if (refusal) {
      response.writeHead(refusal.status, { 'Content-Type': 'text/plain' }).end(refusal.text);
      return;
    }
    const page = (request.url ?? '').split('/')[2] ?? '';
    if (request.method === 'POST' && page === 'wishes') this.#takeWish(request, response);
    else if (request.method === 'GET' && page === 'state') this.#listen(response);
    else if (request.method === 'GET' && page === '') {
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(this.#html);
    } else response.writeHead(404, { 'Content-Type': 'text/plain' }).end('No such page.');
  }

  #listen(response: ServerResponse): void {
    if (this.#listeners.size >= mostListeners) {
      response.writeHead(503).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(event('history', this.#history));
    if (this.#latest !== '') response.write(this.#latest);
    this.#listeners.add(response);
    response.on('close', () => this.#listeners.delete(response));
  }

  #takeWish(request: IncomingMessage, response: ServerResponse): void {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
      if (body.length > mostBodyBytes) request.destroy();
    });
    request.on('end', () => {
      const parsed = parseWishes(body);
      if (!parsed) {
        response.writeHead(400, { 'Content-Type': 'text/plain' }).end('Not taken: out of range.');
        return;
      }
      this.#options.onWish(parsed);
      response.writeHead(204).end();
    });
  }
}

const event = (name: string, value: unknown): string =>
  `event: ${name}\ndata: ${JSON.stringify(value)}\n\n`;
