// Luma JPEG files of one grey, whatever size they claim: a stream of the shortest codes there are.
const cache = new Map<string, Buffer>();

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

function segment(marker: number, content: Uint8Array): Buffer {
  const head = Buffer.from([0xff, marker, (content.length + 2) >> 8, (content.length + 2) & 255]);
  return Buffer.concat([head, content]);
}

/** One code of one bit for "no difference" and one for "nothing follows": two bits a block. */
export function encodedFlatJpeg(width: number, height: number): Buffer {
  const key = `${width}x${height}`;
  const known = cache.get(key);
  if (known) return known;
  const frame = Buffer.from([8, height >> 8, height & 255, width >> 8, width & 255, 1, 1, 0x11, 0]);
  const oneCode = (kind: number): Buffer => Buffer.from([kind, 1, ...Array<number>(15).fill(0), 0]);
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8);
  // What is too long for a packet ends before its time.
  const scan = Buffer.alloc(Math.min(2048, Math.ceil((2 * blocks) / 8)), 0);
  const file = Buffer.concat([
    bytes('ffd8'),
    segment(0xdb, Buffer.concat([Buffer.from([0]), Buffer.alloc(64, 1)])),
    segment(0xc0, frame),
    segment(0xc4, oneCode(0x00)),
    segment(0xc4, oneCode(0x10)),
    segment(0xda, bytes('01 01 00 00 3f 00')),
    scan,
    bytes('ffd9'),
  ]);
  cache.set(key, file);
  return file;
}
