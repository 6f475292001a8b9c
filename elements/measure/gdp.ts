// Files that gdppay wrote (GStreamer Data Protocol 1.0): buffers with their times and caps.

const headerBytes = 62;
const bufferType = 1;
const capsType = 2;

export interface GdpBuffer {
  readonly timeNs: number;
  readonly payload: Uint8Array;
}

export interface GdpFile {
  /** The first caps in the file, as text. */
  readonly caps: string | null;
  readonly buffers: readonly GdpBuffer[];
}

/** Payloads point into `file`. A file that was cut off ends with its last whole packet. */
export function readGdp(file: Uint8Array): GdpFile {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const buffers: GdpBuffer[] = [];
  let caps: string | null = null;
  for (let at = 0; at + headerBytes <= file.byteLength;) {
    const type = view.getUint16(at + 4);
    const end = at + headerBytes + view.getUint32(at + 6);
    if (end > file.byteLength) break;
    const payload = file.subarray(at + headerBytes, end);
    if (type === bufferType) {
      buffers.push({ timeNs: Number(view.getBigUint64(at + 10)), payload });
    } else if (type === capsType) {
      caps ??= Buffer.from(payload).toString('utf8');
    }
    at = end;
  }
  return { caps, buffers };
}
