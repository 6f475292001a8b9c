// Which token opens which stream. A token stands in an element's property, or for many streams in a file
// that is read again when it changes.
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { canOthersRead } from './secret-files.ts';

/** Who may come. A hook that asks somebody else takes the place of `allows`. */
export interface Authority {
  /** Whether whoever has this token may hear and feed the stream of this key. */
  allows(streamKey: string, token: string): boolean;
  /** Whether the token opens any stream: if not, there is nothing to say to its bearer. */
  knows(token: string): boolean;
  /** Whether there is a token to it: only then patches are taken, since they become what a network is trained on. */
  isGuarded(streamKey: string): boolean;
}

/** Takes as long whatever was given. */
export function isSameToken(given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

export interface StreamRule {
  /** The one that opens the stream; empty: everybody may come. */
  readonly token: string;
  /** A file with tokens by stream key; empty: the token counts. */
  readonly tokensFile: string;
}

interface Stream {
  readonly rule: StreamRule;
  users: number;
}

/** Tells people what is wrong and what helps. */
export type Warn = (cause: string, remedy: string) => void;

/** Of the streams that are served on one address. */
export class StreamAuthority implements Authority {
  readonly #streams = new Map<string, Stream>();
  readonly #files = new Map<string, TokensFile>();
  readonly #warn: Warn;

  constructor(warn: Warn) {
    this.#warn = warn;
  }

  /** False when the stream is there already with another token or file. */
  add(streamKey: string, rule: StreamRule): boolean {
    const before = this.#streams.get(streamKey);
    if (before && before.users > 0) {
      const isSame = before.rule.tokensFile === rule.tokensFile && before.rule.token === rule.token;
      if (!isSame) return false;
      before.users++;
    } else {
      this.#streams.set(streamKey, { rule, users: 1 });
    }
    const { tokensFile } = rule;
    if (tokensFile !== '' && !this.#files.has(tokensFile)) {
      this.#files.set(tokensFile, new TokensFile(tokensFile, this.#warn));
    }
    return true;
  }

  /** It may come back for a while. */
  leave(streamKey: string): void {
    const stream = this.#streams.get(streamKey);
    if (stream) stream.users--;
  }

  /** It does not come back. */
  forget(streamKey: string): void {
    if (this.#streams.get(streamKey)?.users === 0) this.#streams.delete(streamKey);
  }

  allows(streamKey: string, token: string): boolean {
    this.refresh();
    const stream = this.#streams.get(streamKey);
    return stream !== undefined && this.#opens(streamKey, stream.rule, token);
  }

  knows(token: string): boolean {
    this.refresh();
    // All of them, so that the time says nothing.
    let isKnown = false;
    for (const [streamKey, { rule }] of this.#streams) {
      isKnown = this.#opens(streamKey, rule, token) || isKnown;
    }
    return isKnown;
  }

  isGuarded(streamKey: string): boolean {
    const rule = this.#streams.get(streamKey)?.rule;
    return rule !== undefined && (rule.token !== '' || rule.tokensFile !== '');
  }

  /** Reads files that have changed. */
  refresh(): void {
    for (const file of this.#files.values()) file.refresh();
  }

  #opens(streamKey: string, { token, tokensFile }: StreamRule, given: string): boolean {
    if (tokensFile === '') return token === '' || isSameToken(given, token);
    let isOne = false;
    for (const one of this.#files.get(tokensFile)?.tokensOf(streamKey) ?? []) {
      isOne = isSameToken(given, one) || isOne;
    }
    return isOne;
  }
}

const maxFileBytes = 1 << 20;

/** Tokens by stream key; several of one stream are all right, so that one can follow another. */
export class TokensFile {
  readonly #path: string;
  readonly #warn: Warn;
  #tokens: ReadonlyMap<string, readonly string[]> = new Map();
  /** Of the file that was read last. */
  #seen = '';
  #isOpenToOthers = false;

  constructor(path: string, warn: Warn) {
    this.#path = path;
    this.#warn = warn;
  }

  tokensOf(streamKey: string): readonly string[] {
    return this.#tokens.get(streamKey) ?? [];
  }

  /** Reads the file where it has changed. Without a file nobody comes in; one that makes no sense leaves all as it was. */
  refresh(): void {
    let seen: string;
    try {
      const { dev, ino, size, mtimeMs, ctimeMs, mode } = statSync(this.#path);
      seen = [dev, ino, size, mtimeMs, ctimeMs].join(' ');
      if (seen === this.#seen) return;
      this.#seen = seen;
      this.#checkMode(mode);
      if (size > maxFileBytes) throw new UnusableFile(`it has more than ${maxFileBytes} bytes`);
      const { tokens, faults } = parseTokens(readFileSync(this.#path, 'utf8'));
      this.#tokens = tokens;
      for (const fault of faults.slice(0, 5)) this.#warnOf(fault, 'That entry opens no stream.');
    } catch (error) {
      if (error instanceof UnusableFile) {
        this.#warnOf(error.message, 'The tokens that were read before hold until it is mended.');
        return;
      }
      const reason = error instanceof Error ? error.message : String(error);
      if (this.#seen === reason) return;
      this.#seen = reason;
      this.#tokens = new Map();
      this.#warnOf(reason, 'Until it can be read no sender is let in.');
    }
  }

  #checkMode(mode: number): void {
    const isOpenToOthers = canOthersRead(mode);
    if (isOpenToOthers && !this.#isOpenToOthers) {
      this.#warnOf('others on this machine can read it', `chmod 600 ${this.#path}`);
    }
    this.#isOpenToOthers = isOpenToOthers;
  }

  #warnOf(cause: string, remedy: string): void {
    this.#warn(`tokens-file ${this.#path}: ${cause}.`, remedy);
  }
}

class UnusableFile extends Error {}

/** Faults name the place, never what stands there. */
interface ParsedTokens {
  readonly tokens: Map<string, string[]>;
  readonly faults: string[];
}

/** JSON, `{"STREAM KEY": "TOKEN", …}` (or a list of tokens), or lines `STREAM-KEY TOKEN`; # begins a comment. */
export function parseTokens(text: string): ParsedTokens {
  const body = text.replace(/^\uFEFF/, '');
  return body.trimStart().startsWith('{') ? parseJson(body) : parseLines(body);
}

function collect(entries: Iterable<readonly [string, unknown, string]>): ParsedTokens {
  const tokens = new Map<string, string[]>();
  const faults: string[] = [];
  for (const [streamKey, token, place] of entries) {
    // What an HTTP header can carry.
    if (typeof token === 'string' && /^[\x21-\x7e]{1,1024}$/.test(token)) {
      tokens.set(streamKey, [...(tokens.get(streamKey) ?? []), token]);
    } else {
      faults.push(`${place}: a token is 1 to 1024 printable ASCII characters without spaces`);
    }
  }
  return { tokens, faults };
}

function parseLines(text: string): ParsedTokens {
  const entries = text.split(/\r?\n/).flatMap((line, index) => {
    const words = line.trim().split(/\s+/);
    const [streamKey = '', token] = words;
    if (streamKey === '' || streamKey.startsWith('#')) return [];
    return [[streamKey, words.length === 2 ? token : undefined, `line ${index + 1}`] as const];
  });
  return collect(entries);
}

function parseJson(text: string): ParsedTokens {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Its own message repeats what stands in the file.
    throw new UnusableFile('it begins as JSON and is none');
  }
  const entries = Object.entries(value as object).flatMap(([streamKey, given], index) =>
    (Array.isArray(given) ? (given as unknown[]) : [given]).map(
      (token) => [streamKey, token, `entry ${index + 1}`] as const,
    ),
  );
  return collect(entries);
}
