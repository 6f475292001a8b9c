// What was learned of each stream, kept in a folder for its next session. One file a stream and
// network size; a file is whole or not there, whoever writes at the same time and whenever the power
// fails. Nothing here throws for what a disk or a file may do: troubles are told, the stream goes on.
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Architecture, Native } from '../bridge/index.ts';

export interface StoredModel {
  readonly parameters: Float32Array;
  /** Over the generic network when it was saved, on patches that it was not trained on. */
  readonly leadDb: number;
}

export interface ModelStoreOptions {
  readonly folder: string;
  readonly core: Pick<Native, 'loadModel' | 'saveModel'>;
  /** Told once for each kind of trouble: what happened, and what to do. */
  readonly onTrouble: (cause: string, remedy: string) => void;
  /** Least recently used models go first when there are more bytes than this. */
  readonly mostBytes?: number;
  /** Puts bytes on the disk and returns when they are there; for tests of a disk that fails. */
  readonly writeDurably?: (path: string, bytes: Uint8Array) => void;
}

/** Some 10,000 streams of the default network (27 kB). */
const defaultMostBytes = 256 * 2 ** 20;
/** Far above the largest network of the family. */
const mostFileBytes = 16 * 2 ** 20;
const extension = '.livesr';
const unfinishedMark = '.unfinished-';
/** An unfinished file older than this was left by a process that is gone. */
const abandonedMs = 3_600_000;

/** First line of a file; the number is the format's version. */
const magic = 'livesr-model ';
const version = 1;

interface Preamble {
  readonly leadDb: number;
  readonly sha256: string;
}

class Unusable extends Error {}
/** Written by another version: somebody else's, never overwritten. */
class OtherVersion extends Error {}

/** What was learned shows what was streamed: it is its owner's alone, whatever the umask. */
const fileMode = 0o600;
const folderMode = 0o700;

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : '';
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function writeDurably(path: string, bytes: Uint8Array): void {
  const file = openSync(path, 'wx', fileMode);
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Where that fails, the folder has troubles that are told elsewhere. */
function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    if (codeOf(error) === '') throw error;
  }
}

/** mkdir with `recursive` never returns where the file system denies a new folder with ENOENT (/proc). */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, folderMode);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    if (codeOf(error) !== 'ENOENT' || existsSync(dirname(folder))) throw error;
    makeFolder(dirname(folder));
    mkdirSync(folder, folderMode);
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

export class ModelStore {
  readonly #options: ModelStoreOptions;
  readonly #told = new Set<string>();

  constructor(options: ModelStoreOptions) {
    this.#options = options;
  }

  /** What was last saved under this key; null when there is nothing that can be used. */
  load(key: string, architecture: Architecture): StoredModel | null {
    return this.#read(fileName(key, architecture), architecture);
  }

  /** Models of other keys, the most recently used first. */
  others(key: string, architecture: Architecture, most: number): StoredModel[] {
    const own = fileName(key, architecture);
    const models: StoredModel[] = [];
    for (const { name } of this.#list().reverse()) {
      if (models.length === most) break;
      if (name === own || !name.endsWith(sizeSuffix(architecture))) continue;
      const model = this.#read(name, architecture);
      if (model) models.push(model);
    }
    return models;
  }

  /** True when it is on the disk. */
  save(key: string, architecture: Architecture, model: StoredModel): boolean {
    const { folder, core } = this.#options;
    const name = fileName(key, architecture);
    const path = join(folder, name);
    const unfinished = join(
      folder,
      `${name}${unfinishedMark}${process.pid}-${randomBytes(6).toString('hex')}`,
    );
    try {
      makeFolder(folder);
      if (this.#isOfOtherVersion(path)) return false;
      const onnx = core.saveModel(architecture, model.parameters);
      const preamble: Preamble = {
        leadDb: model.leadDb,
        sha256: createHash('sha256').update(onnx).digest('hex'),
      };
      const head = `${magic}${version}\n${JSON.stringify(preamble)}\n`;
      (this.#options.writeDurably ?? writeDurably)(
        unfinished,
        Buffer.concat([Buffer.from(head), onnx]),
      );
      renameSync(unfinished, path);
      syncFolder(folder);
    } catch (error) {
      remove(unfinished);
      this.#tell(
        `What was learned cannot be kept in the model store ${folder}: ${textOf(error)}.`,
        'Make it a folder that can be written to, with room on its disk, or name another in ' +
          'model-store. The stream goes on; its next session starts from what was kept before.',
      );
      return false;
    }
    this.#dropOldest(name);
    return true;
  }

  #isOfOtherVersion(path: string): boolean {
    try {
      split(readFileSync(path));
    } catch (error) {
      if (error instanceof OtherVersion) {
        this.#tellOtherVersion(path, error);
        return true;
      }
    }
    return false;
  }

  #read(name: string, architecture: Architecture): StoredModel | null {
    const path = join(this.#options.folder, name);
    try {
      if (statSync(path).size > mostFileBytes) throw new Unusable('larger than any network');
      const { preamble, onnx } = split(readFileSync(path));
      if (createHash('sha256').update(onnx).digest('hex') !== preamble.sha256) {
        throw new Unusable('its checksum is not that of its weights');
      }
      const { architecture: found, parameters } = this.#options.core.loadModel(onnx);
      const same =
        found.scale === architecture.scale &&
        found.channels === architecture.channels &&
        found.layers === architecture.layers;
      if (!same) throw new Unusable('it holds a network of another size');
      this.#touch(path);
      return { parameters, leadDb: preamble.leadDb };
    } catch (error) {
      if (error instanceof OtherVersion) this.#tellOtherVersion(path, error);
      else if (codeOf(error) !== 'ENOENT') {
        this.#tell(
          `The stored model ${path} cannot be used: ${textOf(error)}.`,
          'The stream starts without it, and it is replaced when there is something to keep.',
        );
      }
      return null;
    }
  }

  /** Marks as used; a store that can only be read stays as it is. */
  #touch(path: string): void {
    try {
      const now = new Date();
      utimesSync(path, now, now);
    } catch {
      // Only the order of removal suffers.
    }
  }

  /** Least recently used first. */
  #list(): { readonly name: string; readonly bytes: number; readonly usedMs: number }[] {
    try {
      return readdirSync(this.#options.folder)
        .filter((name) => name.endsWith(extension) || name.includes(unfinishedMark))
        .flatMap((name) => {
          const found = statSync(join(this.#options.folder, name), { throwIfNoEntry: false });
          return found?.isFile() ? [{ name, bytes: found.size, usedMs: found.mtimeMs }] : [];
        })
        .sort((a, b) => a.usedMs - b.usedMs || a.name.localeCompare(b.name));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') {
        this.#tell(
          `The model store ${this.#options.folder} cannot be read: ${textOf(error)}.`,
          'Name a folder in model-store; the stream starts from the generic network.',
        );
      }
      return [];
    }
  }

  #dropOldest(justWritten: string): void {
    const files = this.#list();
    const mostBytes = this.#options.mostBytes ?? defaultMostBytes;
    let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    // By the clock that the files are stamped by: of the file that has just been written.
    const nowMs = files.find(({ name }) => name === justWritten)?.usedMs ?? -Infinity;
    for (const { name, bytes, usedMs } of files) {
      const isUnfinished = name.includes(unfinishedMark);
      // An unfinished file that is young has a writer at work.
      const goes = isUnfinished
        ? nowMs - usedMs > abandonedMs
        : total > mostBytes && name !== justWritten;
      if (!goes) continue;
      // Another writer may have been quicker.
      remove(join(this.#options.folder, name));
      total -= bytes;
    }
  }

  #tellOtherVersion(path: string, error: OtherVersion): void {
    this.#tell(
      `The stored model ${path} is of another version: ${error.message}.`,
      'It is left as it is and not used. Remove it, or name another folder in model-store.',
    );
  }

  #tell(cause: string, remedy: string): void {
    if (this.#told.has(remedy)) return;
    this.#told.add(remedy);
    this.#options.onTrouble(cause, remedy);
  }
}

const sizeSuffix = ({ scale, channels, layers }: Architecture): string =>
  `-x${scale}-${channels}x${layers}${extension}`;

/** Hashed, so that no key can name a path or another's file. */
export function fileName(key: string, architecture: Architecture): string {
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 32);
  return `${hash}${sizeSuffix(architecture)}`;
}

function split(bytes: Buffer): { readonly preamble: Preamble; readonly onnx: Buffer } {
  const firstEnd = bytes.indexOf('\n');
  const first = bytes.subarray(0, Math.max(0, firstEnd)).toString('latin1');
  if (!/^livesr-model \d{1,9}$/.test(first)) throw new Unusable('not a stored model, or cut short');
  if (first !== `${magic}${version}`) {
    throw new OtherVersion(`it says ${first}, this livesr reads ${magic}${version}`);
  }
  const secondEnd = bytes.indexOf('\n', firstEnd + 1);
  if (secondEnd < 0) throw new Unusable('cut short');
  let preamble: unknown;
  try {
    preamble = JSON.parse(bytes.subarray(firstEnd + 1, secondEnd).toString('utf8'));
  } catch {
    throw new Unusable('its second line is not JSON');
  }
  if (!isPreamble(preamble)) throw new Unusable('its second line is not as agreed');
  return { preamble, onnx: bytes.subarray(secondEnd + 1) };
}

function isPreamble(value: unknown): value is Preamble {
  if (typeof value !== 'object' || value === null) return false;
  const { leadDb, sha256 } = value as Partial<Record<keyof Preamble, unknown>>;
  return typeof leadDb === 'number' && typeof sha256 === 'string';
}
