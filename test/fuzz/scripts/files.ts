// Targets: files and pipes. Traces of links, Y4M, GDP.
import { GdpError, GdpReader } from '../../../obs-script/controller/gdp-stream.ts';
import { openRate } from '../../../elements/link/rates.ts';
import { readGdp } from '../../../elements/measure/gdp.ts';
import { parseY4mHeader, y4mFrameBytes } from '../../../elements/measure/y4m.ts';
import { parseTrace, parseUplink, UplinkError } from '../../../elements/patch-sender/uplink.ts';
import { require, Violation, type Target } from './fuzzer.ts';

const text = (value: string): Buffer => Buffer.from(value);

/** The kind of a refusal: what changes from input to input is left out. */
export function kindOf(message: string): string {
  return message.replaceAll(/".*"|[\d.]+|'.*'/gs, '#').slice(0, 24);
}

/** Runs a parser whose refusals are errors of this class. */
export function refusing(refusal: new (message: string) => Error, parse: () => string): string {
  try {
    return parse();
  } catch (error) {
    if (error instanceof refusal && !(error instanceof Violation)) {
      require(error.message.length > 0, 'a refusal says why');
      return `refused: ${kindOf(error.message)}`;
    }
    throw error;
  }
}

const traces: Target = {
  name: 'traces',
  seeds: ['1\n2\n2\n50\n', '0 1.5\n1 0.4\n2.5 3\n', '0 2\n', '# no trace\n', '10\n\n20\n'].map(
    text,
  ),
  words: ['\n', ' ', '\t', '0', '1e3', '0.0000001', '86400', 'NaN', 'Infinity'],
  run: (bytes) =>
    refusing(UplinkError, () => {
      const carried = parseTrace(Buffer.from(bytes).toString('utf8'), 'a trace');
      let before = 0;
      for (const seconds of [0, 1e-6, 0.5, 1, 7.25, 60, 3600, 86_400]) {
        const bits = carried(seconds);
        require(Number.isFinite(bits), 'a link carries a number of bits');
        // Sums of doubles are exact to some parts in 10^16.
        require(bits >= before * (1 - 1e-9) - 1e-6, 'what a link has carried never falls');
        before = bits;
      }
      return 'a trace';
    }),
};

const rates: Target = {
  name: 'rates and uplinks',
  seeds: ['3000', '3000@0,800@20,2000@40', 'fixed:500', 'auto', 'srt:uplink', 'external'].map(text),
  words: ['@', ',', 'fixed:', 'srt:', 'twcc:', '1e400'],
  run: (bytes) =>
    refusing(UplinkError, () => {
      const given = Buffer.from(bytes).toString('utf8');
      const choice = parseUplink(given);
      if (choice.kind === 'fixed') {
        require(Number.isFinite(choice.rateBps) && choice.rateBps > 0, 'a rate above 0');
      }
      return choice.kind;
    }),
};

const steps: Target = {
  name: 'rates of the link',
  seeds: ['3000', '3000@0,800@20,2000@40', '1@0,2@1'].map(text),
  words: ['@', ',', '0', '1e5', '.'],
  run: (bytes) =>
    refusing(UplinkError, () => {
      const given = Buffer.from(bytes).toString('latin1');
      // What is no list of rates is the name of a file.
      if (!/^[\d.,@\s]+$/.test(given)) return 'a file';
      const carried = openRate(given);
      require(Number.isFinite(carried(100)) && carried(100) >= carried(50), 'bits that never fall');
      return 'rates';
    }),
};

const y4m: Target = {
  name: 'y4m',
  seeds: [
    'YUV4MPEG2 C420 W1280 H720 Ip F25:1 A1:1\nFRAME\n',
    'YUV4MPEG2 W16 H16 F30000:1001 C420jpeg XYSCSS=420\n',
    'YUV4MPEG2 C444 W2 H2 F1:1\n',
  ].map(text),
  words: [' W', ' H', ' F', ' C420mpeg2', '\n', ':', 'YUV4MPEG2 ', '1.5', '99999999999'],
  run: (bytes) =>
    refusing(Error, () => {
      const { width, height, frameRate, byteLength } = parseY4mHeader(bytes);
      require(byteLength > 0 && byteLength <= bytes.length, 'a header within the file');
      require(Number.isInteger(width) && Number.isInteger(height), 'whole sides');
      require(width >= 1 &&
        height >= 1 &&
        width <= 32_768 &&
        height <= 32_768, 'sides of a picture');
      require(y4mFrameBytes(width, height) < 2 ** 31, 'a frame that memory can hold');
      const rate = frameRate.numerator / frameRate.denominator;
      require(Number.isFinite(rate) && rate >= 0, 'a frame rate, or 0 for none');
      return 'a header';
    }),
};

function gdpPacket(type: number, payload: string, time = 7n): Buffer {
  const head = Buffer.alloc(62);
  head.writeUInt8(1, 0);
  head.writeUInt16BE(type, 4);
  head.writeUInt32BE(payload.length, 6);
  head.writeBigUInt64BE(time, 10);
  return Buffer.concat([head, Buffer.from(payload)]);
}

const gdpSeed = Buffer.concat([
  gdpPacket(2, 'video/x-raw,width=16'),
  gdpPacket(1, 'pixels'),
  gdpPacket(1, '', 2n ** 64n - 1n),
  gdpPacket(64 + ((110 << 8) | 6), ''),
]);

/** The whole in one piece, or in pieces of these sizes: the packets, as text. */
function readInPieces(bytes: Uint8Array, sizes: readonly number[]): string {
  const reader = new GdpReader();
  const packets: string[] = [];
  try {
    for (let at = 0, turn = 0; at < bytes.length; turn++) {
      const size = sizes[turn % sizes.length] ?? 1;
      for (const packet of reader.push(bytes.subarray(at, at + size))) {
        const length = packet.kind === 'buffer' ? packet.payload.length : 0;
        packets.push(`${packet.kind} ${length}`);
      }
      at += size;
    }
  } catch (error) {
    if (!(error instanceof GdpError)) throw error;
    return `${packets.length > 0 ? 'packets, then ' : ''}refused: ${kindOf(error.message)}`;
  }
  return packets.join();
}

const gdp: Target = {
  name: 'gdp',
  seeds: [gdpSeed, gdpPacket(1, 'a'.repeat(200)), gdpPacket(70, 'event')],
  words: ['\u0001\u0000\u0000\u0000', '\u0000\u0001', '\u0000\u0002'],
  run: (bytes) => {
    const { buffers } = readGdp(bytes);
    require(buffers.every(
      ({ payload }) => payload.byteOffset + payload.length <= bytes.byteOffset + bytes.length,
    ), 'payloads lie within the file');
    const whole = readInPieces(bytes, [bytes.length]);
    const pieces = readInPieces(bytes, [1, 61, 5, 130]);
    // A packet that is broken ends the reading: what came before it in the same piece is not given.
    require(whole.includes('refused') === pieces.includes('refused'), 'pieces change nothing');
    require(whole.includes('refused') || whole === pieces, 'pieces change no packet');
    return whole.slice(0, 60);
  },
};

export const fileTargets: readonly Target[] = [traces, rates, steps, y4m, gdp];
