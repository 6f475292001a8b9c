// The folder of learned models: what is kept, what goes, and what a disk or a stranger may do to it.
import { fork } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../../elements/bridge/index.ts';
import {
  fileName,
  ModelStore,
  type ModelStoreOptions,
} from '../../elements/sr-enhancer/model-store.ts';

const architecture = { scale: 2, channels: 8, layers: 3 };
const core = native();
const weights = (seed: number): Float32Array => core.makeNetwork(architecture, seed);

let folder = '';
let troubles: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'livesr-store-'));
  troubles = [];
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const open = (options: Partial<ModelStoreOptions> = {}): ModelStore =>
  new ModelStore({
    folder,
    core,
    onTrouble: (cause, remedy) => {
      troubles.push(`${cause} ${remedy}`);
    },
    ...options,
  });

const pathOf = (key: string): string => join(folder, fileName(key, architecture));

/** Files by the time of their last use, one second apart. */
function age(keys: readonly string[]): void {
  for (const [i, key] of keys.entries()) utimesSync(pathOf(key), 1000 + i, 1000 + i);
}

describe('the model store', () => {
  it('gives back what was saved, to another process too', () => {
    expect(open().load('a', architecture)).toBeNull();
    expect(open().save('a', architecture, { parameters: weights(1), leadDb: 0.7 })).toBe(true);
    expect(open().load('a', architecture)).toEqual({ parameters: weights(1), leadDb: 0.7 });
    expect(open().save('a', architecture, { parameters: weights(2), leadDb: 0.8 })).toBe(true);
    expect(open().load('a', architecture)?.parameters).toEqual(weights(2));
    expect(readdirSync(folder)).toHaveLength(1);
    expect(troubles).toEqual([]);
  });

  it('makes its folder when it is first needed', () => {
    const deep = join(folder, 'not', 'there');
    const store = open({ folder: deep });
    expect(store.load('a', architecture)).toBeNull();
    expect(store.others('a', architecture, 3)).toEqual([]);
    expect(store.save('a', architecture, { parameters: weights(1), leadDb: 1 })).toBe(true);
    expect(readdirSync(deep)).toHaveLength(1);
    expect(troubles).toEqual([]);
  });

  it('makes files and folders that only their owner can read, whatever the umask', () => {
    const before = process.umask(0);
    try {
      const deep = join(folder, 'not', 'there');
      open({ folder: deep }).save('a', architecture, { parameters: weights(1), leadDb: 1 });
      expect(statSync(deep).mode & 0o777).toBe(0o700);
      expect(statSync(join(folder, 'not')).mode & 0o777).toBe(0o700);
      expect(statSync(join(deep, fileName('a', architecture))).mode & 0o777).toBe(0o600);
    } finally {
      process.umask(before);
    }
  });

  it('keeps any two keys apart, and every key within its folder', () => {
    expect(fileName('a', { ...architecture, scale: 3 })).not.toBe(fileName('a', architecture));
    const key = fc.oneof(
      fc.string(),
      fc.constantFrom('../../etc/passwd', '/', '..', 'a\0b', 'A', 'a'),
    );
    fc.assert(
      fc.property(key, key, (a, b) => {
        expect(fileName(a, architecture)).toMatch(/^[0-9a-z-]+\.livesr$/);
        expect(fileName(a, architecture) === fileName(b, architecture)).toBe(a === b);
      }),
    );
    const path = '../outside/../../stream key';
    expect(open().save(path, architecture, { parameters: weights(1), leadDb: 1 })).toBe(true);
    expect(open().load(path, architecture)?.parameters).toEqual(weights(1));
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('lists the models of other streams and the same size, the most recently used first', () => {
    for (const [i, key] of ['a', 'b', 'c', 'd'].entries()) {
      open().save(key, architecture, { parameters: weights(i), leadDb: i });
    }
    const wider = { ...architecture, channels: 16 };
    open().save('e', wider, { parameters: core.makeNetwork(wider, 1), leadDb: 9 });
    age(['a', 'b', 'c', 'd']);
    expect(
      open()
        .others('b', architecture, 2)
        .map(({ leadDb }) => leadDb),
    ).toEqual([3, 2]);
    expect(open().load('a', architecture)?.leadDb).toBe(0);
    expect(open().others('b', architecture, 9)[0]?.leadDb).toBe(0);
  });

  it('removes the least recently used when there is too much, and never what it just wrote', () => {
    const one = { parameters: weights(1), leadDb: 1 };
    for (const key of ['a', 'b', 'c']) open().save(key, architecture, one);
    age(['b', 'c', 'a']);
    const bytes = readFileSync(pathOf('a')).length;
    open({ mostBytes: 3 * bytes }).save('d', architecture, one);
    const has = (key: string): boolean => readdirSync(folder).includes(fileName(key, architecture));
    expect(['a', 'b', 'c', 'd'].filter(has)).toEqual(['a', 'c', 'd']);
    open({ mostBytes: 1 }).save('e', architecture, one);
    expect(['a', 'b', 'c', 'd', 'e'].filter(has)).toEqual(['e']);
  });

  it('clears away what a writer that died has left, but not the file of one at work', () => {
    for (const name of ['old', 'young'])
      writeFileSync(join(folder, `${name}.livesr.unfinished-1-2`), '');
    utimesSync(join(folder, 'old.livesr.unfinished-1-2'), 1000, 1000);
    writeFileSync(join(folder, 'notes.txt'), 'not ours');
    open({ mostBytes: 1 }).save('a', architecture, { parameters: weights(1), leadDb: 1 });
    expect(readdirSync(folder).sort()).toEqual(
      [fileName('a', architecture), 'notes.txt', 'young.livesr.unfinished-1-2'].sort(),
    );
  });

  it('refuses a damaged file with its name and puts a whole one in its place', () => {
    const model = { parameters: weights(1), leadDb: 1 };
    open().save('a', architecture, model);
    const whole = readFileSync(pathOf('a'));
    const flipped = Buffer.from(whole);
    flipped[whole.length - 9] = (flipped[whole.length - 9] ?? 0) ^ 1;
    const damaged = [
      Buffer.alloc(0),
      Buffer.from('hello'),
      whole.subarray(0, 10),
      whole.subarray(0, 20),
      whole.subarray(0, whole.length - 1),
      flipped,
      Buffer.from('livesr-model 1\n{}\n'),
      Buffer.from('livesr-model 1\n[\n'),
      Buffer.alloc(17 * 2 ** 20),
    ];
    for (const bytes of damaged) {
      writeFileSync(pathOf('a'), bytes);
      troubles = [];
      const store = open();
      expect(store.load('a', architecture)).toBeNull();
      expect(store.load('a', architecture)).toBeNull();
      expect(troubles).toHaveLength(1);
      expect(troubles[0]).toContain(pathOf('a'));
      expect(readFileSync(pathOf('a')).equals(bytes)).toBe(true);
      expect(store.save('a', architecture, model)).toBe(true);
      expect(open().load('a', architecture)).toEqual(model);
    }
  });

  it('never breaks on any bytes', () => {
    const lines = fc.array(
      fc.constantFrom('livesr-model 1', '{"leadDb":1,"sha256":"x"}', '\n', 'x'),
    );
    const bytes = fc.oneof(
      fc.uint8Array(),
      lines.map((parts) => Buffer.from(parts.join(''))),
    );
    fc.assert(
      fc.property(bytes, (content) => {
        writeFileSync(pathOf('a'), content);
        expect(open().load('a', architecture)).toBeNull();
      }),
    );
  });

  it('leaves a file of another version alone and says so', () => {
    writeFileSync(pathOf('a'), 'livesr-model 2\nwhatever comes');
    const store = open();
    expect(store.load('a', architecture)).toBeNull();
    expect(store.save('a', architecture, { parameters: weights(1), leadDb: 1 })).toBe(false);
    expect(readFileSync(pathOf('a'), 'utf8')).toBe('livesr-model 2\nwhatever comes');
    expect(troubles).toHaveLength(1);
    expect(troubles[0]).toMatch(/it says livesr-model 2, this livesr reads livesr-model 1/);
  });

  it('refuses a model of another size that lies under its name', () => {
    const wider = { ...architecture, channels: 16 };
    open().save('a', wider, { parameters: core.makeNetwork(wider, 1), leadDb: 9 });
    writeFileSync(pathOf('a'), readFileSync(join(folder, fileName('a', wider))));
    expect(open().load('a', architecture)).toBeNull();
    expect(troubles[0]).toContain('a network of another size');
  });

  it('tells of a folder that cannot be written to, and reads it all the same', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const store = open({ folder: file });
    expect(store.load('a', architecture)).toBeNull();
    troubles = [];
    for (let i = 0; i < 3; i++) {
      expect(store.save('a', architecture, { parameters: weights(1), leadDb: 1 })).toBe(false);
    }
    expect(troubles).toHaveLength(1);
    expect(troubles[0]).toMatch(/cannot be kept.*file.*model-store/);
    const inProc = open({ folder: '/proc/livesr' });
    expect(inProc.save('a', architecture, { parameters: weights(1), leadDb: 1 })).toBe(false);
  });

  it('keeps what it had when the disk is full, and leaves nothing half written', () => {
    const before = { parameters: weights(1), leadDb: 1 };
    open().save('a', architecture, before);
    const full = open({
      writeDurably: (path, bytes) => {
        writeFileSync(path, bytes.subarray(0, 100));
        throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      },
    });
    expect(full.save('a', architecture, { parameters: weights(2), leadDb: 2 })).toBe(false);
    expect(troubles[0]).toContain('no space left on device');
    expect(readdirSync(folder)).toHaveLength(1);
    expect(open().load('a', architecture)).toEqual(before);
  });

  it('stays whole under two writers at once', async () => {
    mkdirSync(join(folder, 'models'));
    const writer = join(folder, 'writer.mjs');
    // A writer of the same file by the same steps, in a process of its own.
    writeFileSync(
      writer,
      `import { writeFileSync, renameSync, readFileSync } from 'node:fs';
       const [, , path, source] = process.argv;
       const bytes = readFileSync(source);
       process.send('ready');
       for (let i = 0; i < 300; i++) {
         writeFileSync(path + '.unfinished-' + process.pid + '-' + i, bytes);
         renameSync(path + '.unfinished-' + process.pid + '-' + i, path);
       }
       process.disconnect();`,
    );
    const [one, two] = [
      { parameters: weights(1), leadDb: 1 },
      { parameters: weights(2), leadDb: 2 },
    ];
    open().save('source', architecture, one);
    const store = open({ folder: join(folder, 'models') });
    const path = join(folder, 'models', fileName('a', architecture));
    const child = fork(writer, [path, pathOf('source')]);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await new Promise((resolve) => child.once('message', resolve));
    for (let i = 0; i < 40; i++) {
      expect(store.save('a', architecture, two)).toBe(true);
      const found = store.load('a', architecture);
      expect([1, 2]).toContain(found?.leadDb);
      expect(found?.parameters).toEqual(found?.leadDb === 1 ? one.parameters : two.parameters);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ended).toBe(0);
    expect(troubles).toEqual([]);
    expect(readdirSync(join(folder, 'models'))).toHaveLength(1);
  });
});
