import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { parseTokens, StreamAuthority } from '../../elements/feedback/tokens.ts';
import { authorityOf } from './feedback-fixture.ts';

describe('tokens of streams', () => {
  it('open exactly their stream', () => {
    const authority = authorityOf({ a: 'token of a', b: 'token of b' });
    expect(authority.allows('a', 'token of a')).toBe(true);
    expect(authority.allows('b', 'token of a')).toBe(false);
    expect(authority.allows('c', 'token of a')).toBe(false);
    expect(authority.allows('a', '')).toBe(false);
    expect(authority.knows('token of b')).toBe(true);
    expect(authority.knows('token of c')).toBe(false);
    expect(authority.isGuarded('a')).toBe(true);
    expect(authority.isGuarded('c')).toBe(false);
  });

  it('a stream without one is open to all, and takes no patches', () => {
    const authority = authorityOf({ open: '', closed: 'token' });
    expect(authority.allows('open', 'anything')).toBe(true);
    expect(authority.allows('closed', 'anything')).toBe(false);
    expect(authority.isGuarded('open')).toBe(false);
  });

  it('are those of the element that serves the stream now', () => {
    const authority = authorityOf({ a: 'first' });
    expect(authority.add('a', { token: 'second', tokensFile: '' })).toBe(false);
    expect(authority.add('a', { token: 'first', tokensFile: '' })).toBe(true);
    authority.leave('a');
    authority.leave('a');
    // It may come back for a while, also with another token.
    expect(authority.allows('a', 'first')).toBe(true);
    expect(authority.add('a', { token: 'second', tokensFile: '' })).toBe(true);
    expect(authority.allows('a', 'first')).toBe(false);
    authority.forget('a');
    expect(authority.allows('a', 'second')).toBe(true);
    authority.leave('a');
    authority.forget('a');
    expect(authority.allows('a', 'second')).toBe(false);
  });
});

describe('a file of tokens', () => {
  it.each([
    ['lines', '# ours\n\na  token-of-a\r\nb\ttoken-of-b\na next-token-of-a\n'],
    ['JSON', '\ufeff{"a": ["token-of-a", "next-token-of-a"], "b": "token-of-b"}'],
  ])('has %s', (_what, text) => {
    const { tokens, faults } = parseTokens(text);
    expect(Object.fromEntries(tokens)).toEqual({
      a: ['token-of-a', 'next-token-of-a'],
      b: ['token-of-b'],
    });
    expect(faults).toEqual([]);
  });

  it.each([
    ['a token-of-a\nlonely\nb two words\n', ['line 2', 'line 3']],
    ['{"a": "token-of-a", "b": 7, "c": "", "d": "with space"}', ['entry 2', 'entry 3', 'entry 4']],
  ])('says where an entry is wrong, without repeating it, and takes the others: %s', (text, at) => {
    const { tokens, faults } = parseTokens(text);
    expect([...tokens.keys()]).toEqual(['a']);
    expect(faults.map((fault) => fault.split(':')[0])).toEqual(at);
    expect(faults.join()).not.toMatch(/lonely|two|with space/);
  });

  it('may hold anything without breaking the server', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          parseTokens(text);
        } catch (error) {
          expect(String(error)).toContain('begins as JSON');
        }
      }),
    );
  });
});

describe('the file of an element', () => {
  let folder = '';
  let file = '';
  let warnings: string[] = [];
  let authority = new StreamAuthority(() => undefined);
  let writes = 0;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'livesr-tokens-'));
    file = join(folder, 'tokens');
    warnings = [];
    authority = new StreamAuthority((cause, remedy) => warnings.push(`${cause} ${remedy}`));
    for (const streamKey of ['a', 'b']) authority.add(streamKey, { token: '', tokensFile: file });
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  /** As a careful program does it: whole or not at all. */
  const write = (text: string, mode = 0o600): void => {
    const unfinished = join(folder, `unfinished-${writes++}`);
    writeFileSync(unfinished, text);
    chmodSync(unfinished, mode);
    renameSync(unfinished, file);
  };

  it('is read again when it has changed', () => {
    write('a first\n');
    expect(authority.allows('a', 'first')).toBe(true);
    expect(authority.allows('b', 'first')).toBe(false);
    write('a second\nb third\n');
    expect(authority.allows('a', 'first')).toBe(false);
    expect(authority.knows('first')).toBe(false);
    expect(authority.allows('a', 'second')).toBe(true);
    expect(authority.allows('b', 'third')).toBe(true);
    expect(warnings).toEqual([]);
  });

  it('refuses a stream that has no entry, also to those with a token of another', () => {
    write('a first\n');
    expect(authority.allows('b', 'first')).toBe(false);
    expect(authority.allows('b', '')).toBe(false);
    expect(authority.isGuarded('b')).toBe(true);
  });

  it('lets nobody in where it is missing, and says so once', () => {
    for (let i = 0; i < 3; i++) expect(authority.allows('a', '')).toBe(false);
    expect(warnings).toEqual([expect.stringMatching(/ENOENT.*no sender is let in/)]);
    write('a first\n');
    expect(authority.allows('a', 'first')).toBe(true);
  });

  it('leaves all as it was where it makes no sense, and says so', () => {
    write('{"a": "first"}');
    expect(authority.allows('a', 'first')).toBe(true);
    write('{"a": "sec');
    expect(authority.allows('a', 'first')).toBe(true);
    expect(warnings).toEqual([expect.stringMatching(/begins as JSON and is none.*before hold/)]);
    expect(warnings[0]).not.toContain('sec');
  });

  it('that others can read is used with a warning', () => {
    write('a first\n', 0o644);
    expect(authority.allows('a', 'first')).toBe(true);
    expect(warnings).toEqual([expect.stringContaining('chmod 600')]);
  });
});
