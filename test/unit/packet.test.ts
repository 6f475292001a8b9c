// The golden patch packets through the bridge: TypeScript writes and reads the bytes that C++ does.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { native, type CodedPatch, type PacketHeader } from '../../elements/bridge/index.ts';

interface Golden {
  packets: {
    name: string;
    header: PacketHeader;
    patches: (Omit<CodedPatch, 'payload'> & { payload: string })[];
    packet: string;
  }[];
  refused: { name: string; error: string; packet: string }[];
}

const golden = JSON.parse(
  readFileSync(new URL('../golden/packet.json', import.meta.url), 'utf8'),
) as Golden;

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

describe('the patch packet', () => {
  for (const { name, header, patches: coded, packet } of golden.packets) {
    const patches = coded.map((patch) => ({ ...patch, payload: fromHex(patch.payload) }));
    it(`${name}: is written as its golden bytes and read back`, () => {
      expect(native().writePacket(header, patches)).toEqual(fromHex(packet));
      expect(native().readPacket(fromHex(packet))).toEqual({
        error: 'none',
        consumed: packet.length / 2,
        header,
        patches,
      });
    });
  }

  for (const { name, error, packet } of golden.refused) {
    it(`${name}: is refused as ${error}`, () => {
      const result = native().readPacket(fromHex(packet));
      expect(result.error).toBe(error);
      expect(result.patches).toBeUndefined();
    });
  }
});
