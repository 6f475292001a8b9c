// Patch packets that come over the feedback channel, from senders whose stream cannot carry them: what
// of them is let through to the element, which reads them as it reads those of the stream. Pure.

/** Of a patch packet (docs/protocol.md): MPEG-TS sets its size, here too. */
export const mostPacketBytes = 65_000;
/** Label, length and header: an announcement of the sizes. */
const leastPacketBytes = 44;
const label = Uint8Array.from([
  6, 0x0e, 0x2b, 0x34, 1, 1, 1, 1, 0x0f, 0, 108, 105, 118, 101, 115, 114,
]);

export function isPacket(bytes: Uint8Array): boolean {
  return (
    bytes.length >= leastPacketBytes &&
    bytes.length <= mostPacketBytes &&
    label.every((byte, at) => bytes[at] === byte)
  );
}
