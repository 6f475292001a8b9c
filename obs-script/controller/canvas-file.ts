// Frames of OBS's canvas as the script leaves them in a file: three slots, each a head of 64 bytes and
// the pixels (docs/protocol.md). The script never waits for us, so a slot may be overwritten while it is
// read; its sequence, read before and after, tells.
import { closeSync, openSync, readSync } from 'node:fs';
import type { PixelOrder } from './picture.ts';

export const slotHeadBytes = 64;
export const slotVersion = 1;
const magic = 'LSRC';
const mostSide = 16_384;
const mostSlots = 16;

/** GS_RGBA, GS_BGRX and GS_BGRA of OBS; canvases of more than 8 bits are not read. */
const orders: Readonly<Record<number, PixelOrder>> = { 3: 'rgba', 4: 'bgra', 5: 'bgra' };

export interface SlotHead {
  readonly sequence: bigint;
  readonly frameTimeNs: bigint;
  readonly width: number;
  readonly height: number;
  readonly lineBytes: number;
  readonly order: PixelOrder;
  readonly slotBytes: number;
  readonly slots: number;
}

/** undefined when these are not the bytes of a slot that is complete. */
export function parseSlotHead(bytes: Uint8Array): SlotHead | undefined {
  if (bytes.length < slotHeadBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, slotHeadBytes);
  const found = String.fromCharCode(...bytes.subarray(0, 4));
  const order = orders[view.getUint32(36, true)];
  const head = {
    sequence: view.getBigUint64(8, true),
    frameTimeNs: view.getBigUint64(16, true),
    width: view.getUint32(24, true),
    height: view.getUint32(28, true),
    lineBytes: view.getUint32(32, true),
    slotBytes: view.getUint32(40, true),
    slots: view.getUint32(44, true),
  };
  const isWhole =
    found === magic &&
    view.getUint32(4, true) === slotVersion &&
    head.sequence > 0n &&
    head.width > 0 &&
    head.width <= mostSide &&
    head.height > 0 &&
    head.height <= mostSide &&
    head.lineBytes >= head.width * 4 &&
    head.lineBytes <= mostSide * 8 &&
    head.slotBytes === slotHeadBytes + head.lineBytes * head.height &&
    head.slots > 0 &&
    head.slots <= mostSlots;
  return isWhole && order !== undefined ? { ...head, order } : undefined;
}

export interface CanvasFrame extends SlotHead {
  /** Valid until the next frame is read. */
  readonly pixels: Uint8Array;
}

export class CanvasFile {
  readonly path: string;
  readonly #descriptor: number;
  #last = 0n;
  #pixels = new Uint8Array(0);

  /** Throws when the file cannot be read. */
  constructor(path: string) {
    this.path = path;
    this.#descriptor = openSync(path, 'r');
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** The newest frame that has not been read yet, if there is one and it holds still. */
  read(): CanvasFrame | undefined {
    const newest = this.#newest();
    if (!newest) return undefined;
    const { head, at } = newest;
    const size = head.lineBytes * head.height;
    if (this.#pixels.length !== size) this.#pixels = new Uint8Array(size);
    if (this.#readAt(this.#pixels, at + slotHeadBytes) !== size) return undefined;
    if (this.#headAt(at)?.sequence !== head.sequence) return undefined;
    this.#last = head.sequence;
    return { ...head, pixels: this.#pixels };
  }

  #newest(): { head: SlotHead; at: number } | undefined {
    let newest: { head: SlotHead; at: number } | undefined;
    let at = 0;
    // The first slot may be being written, and any of them says how large all are.
    const first = this.#anyHead();
    for (let slot = 0; first && slot < first.slots; slot++, at += first.slotBytes) {
      const head = this.#headAt(at);
      if (head?.slotBytes !== first.slotBytes) continue;
      if (head.sequence > (newest?.head.sequence ?? this.#last)) newest = { head, at };
    }
    return newest;
  }

  #slotBytes = 0;

  #anyHead(): SlotHead | undefined {
    const found =
      this.#headAt(0) ?? (this.#slotBytes > 0 ? this.#headAt(this.#slotBytes) : undefined);
    if (found) this.#slotBytes = found.slotBytes;
    return found;
  }

  #headAt(at: number): SlotHead | undefined {
    const bytes = new Uint8Array(slotHeadBytes);
    return this.#readAt(bytes, at) === slotHeadBytes ? parseSlotHead(bytes) : undefined;
  }

  #readAt(into: Uint8Array, at: number): number {
    let done = 0;
    while (done < into.length) {
      const count = readSync(this.#descriptor, into, done, into.length - done, at + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }
}
