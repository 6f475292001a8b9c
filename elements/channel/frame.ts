// Frames of the channel between an element and its engine (docs/protocol.md): encoding, and a decoder
// that takes bytes in any chunks. What the messages mean lives in messages.ts.

export class ChannelError extends Error {
  override name = 'ChannelError';
}

export type FrameKind = 'notification' | 'request' | 'response';

export interface Head {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface Frame {
  readonly kind: FrameKind;
  readonly head: Head;
  readonly blob: Uint8Array;
}

const protocolVersion = 1;
const prefixBytes = 12; // length, kind, version, flags, head length
const lengthBytes = 4; // the length field does not count itself
const minLength = prefixBytes - lengthBytes;
/** Nesting of a head: both sides walk it recursively. */
const maxDepth = 32;
/** Largest value of the length field. */
export const maxLength = 16 * 1024 * 1024;

const kindCode: Record<FrameKind, number> = { notification: 1, request: 2, response: 3 };
const kindOfCode = new Map<number, FrameKind>([
  [1, 'notification'],
  [2, 'request'],
  [3, 'response'],
]);

/** One frame as bytes. Throws ChannelError when it would exceed the largest length. */
export function encodeFrame(
  kind: FrameKind,
  head: Head,
  blob: Uint8Array = new Uint8Array(0),
): Buffer {
  const headText = Buffer.from(JSON.stringify(head), 'utf8');
  const length = minLength + headText.length + blob.length;
  if (length > maxLength) {
    throw new ChannelError(`message ${head.type} of ${length} bytes exceeds ${maxLength}`);
  }
  const bytes = Buffer.allocUnsafe(lengthBytes + length);
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt8(kindCode[kind], 4);
  bytes.writeUInt8(protocolVersion, 5);
  bytes.writeUInt16LE(0, 6);
  bytes.writeUInt32LE(headText.length, 8);
  bytes.set(headText, prefixBytes);
  bytes.set(blob, prefixBytes + headText.length);
  return bytes;
}

interface Prefix {
  readonly kind: FrameKind;
  readonly headLength: number;
  readonly bodyLength: number;
}

/** Turns a stream of bytes into frames. After an error it stays broken: every push throws again. */
export class FrameDecoder {
  readonly #prefixBuffer = Buffer.alloc(prefixBytes);
  #prefix: Prefix | undefined;
  #body = Buffer.alloc(0);
  #filled = 0; // of the prefix, or of the body once the prefix is known
  #error: ChannelError | undefined;

  /** Delivers the frames that `chunk` completes. Throws ChannelError at the first broken rule. */
  push(chunk: Uint8Array, deliver: (frame: Frame) => void): void {
    if (this.#error) throw this.#error;
    try {
      this.#consume(chunk, deliver);
    } catch (error) {
      if (error instanceof ChannelError) this.#error = error;
      throw error;
    }
  }

  /** True when the bytes so far end between two frames. */
  get idle(): boolean {
    return this.#prefix === undefined && this.#filled === 0;
  }

  #consume(chunk: Uint8Array, deliver: (frame: Frame) => void): void {
    let at = 0;
    for (;;) {
      const target = this.#prefix ? this.#body : this.#prefixBuffer;
      const taken = Math.min(target.length - this.#filled, chunk.length - at);
      target.set(chunk.subarray(at, at + taken), this.#filled);
      this.#filled += taken;
      at += taken;
      // At once: a wrong length must not leave both sides waiting for bytes that never come.
      if (!this.#prefix && this.#filled >= lengthBytes) checkLength(target.readUInt32LE(0));
      if (this.#filled < target.length) return;
      this.#filled = 0;
      if (this.#prefix) {
        const frame = decodeBody(this.#prefix, this.#body);
        this.#prefix = undefined;
        deliver(frame);
      } else {
        this.#prefix = decodePrefix(this.#prefixBuffer);
        // A fresh buffer for every frame: its blob is handed on without a copy.
        this.#body = Buffer.alloc(this.#prefix.bodyLength);
      }
    }
  }
}

function checkLength(length: number): void {
  if (length < minLength || length > maxLength) {
    throw new ChannelError(`frame length ${length} is not within ${minLength} to ${maxLength}`);
  }
}

function decodePrefix(bytes: Buffer): Prefix {
  const length = bytes.readUInt32LE(0);
  const kind = kindOfCode.get(bytes.readUInt8(4));
  if (!kind) throw new ChannelError(`frame kind ${bytes.readUInt8(4)} is not 1, 2 or 3`);
  const version = bytes.readUInt8(5);
  if (version !== protocolVersion) {
    throw new ChannelError(`frame version ${version} is not ${protocolVersion}`);
  }
  const flags = bytes.readUInt16LE(6);
  if (flags !== 0) throw new ChannelError(`frame flags ${flags} are not 0`);
  const headLength = bytes.readUInt32LE(8);
  const bodyLength = length - minLength;
  if (headLength > bodyLength) {
    throw new ChannelError(`head length ${headLength} does not fit in a frame of ${length}`);
  }
  return { kind, headLength, bodyLength };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decodeBody(prefix: Prefix, body: Buffer): Frame {
  let head: unknown;
  try {
    head = JSON.parse(utf8.decode(body.subarray(0, prefix.headLength)));
  } catch {
    throw new ChannelError('frame head is not JSON in UTF-8');
  }
  if (nestedBeyond(head, maxDepth)) {
    throw new ChannelError(`frame head is nested deeper than ${maxDepth}`);
  }
  if (!isHead(head)) throw new ChannelError('frame head is not an object with a string type');
  if (prefix.kind !== 'notification' && !Number.isSafeInteger(head.id)) {
    throw new ChannelError(`${prefix.kind} ${head.type} has no integer id`);
  }
  return { kind: prefix.kind, head, blob: body.subarray(prefix.headLength) };
}

function nestedBeyond(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((child) => nestedBeyond(child, depth - 1));
}

function isHead(value: unknown): value is Head {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    'type' in value &&
    typeof value.type === 'string'
  );
}

/** Float32 numbers of a blob; copied, since a blob may start anywhere in its buffer. */
export function floatsOfBlob(blob: Uint8Array): Float32Array {
  return new Float32Array(copied32(blob));
}

export function blobOfFloats(floats: Float32Array): Uint8Array {
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
}

/** Unsigned 32-bit numbers of a blob. */
export function wordsOfBlob(blob: Uint8Array): Uint32Array {
  return new Uint32Array(copied32(blob));
}

function copied32(blob: Uint8Array): ArrayBuffer {
  if (blob.length % 4 !== 0) {
    throw new ChannelError(`blob of ${blob.length} bytes is not whole 32-bit numbers`);
  }
  // Not slice(): of a Buffer that would be a view.
  return Uint8Array.from(blob).buffer;
}
