// What a hostile sender may do with its stream, frame by frame.
import type { MaterialName } from './material.ts';

/** A frame that is about to be sent. */
export interface Frame {
  /** From 0, since the player began. */
  readonly index: number;
  /** Of the frames since the attack began; below 0 before. */
  readonly attacked: number;
  readonly seconds: number;
  /** Running time at the sender. */
  readonly timeNs: bigint;
  readonly streamId: number;
  /** Of the picture as the receiver decodes it, the checksum that a residual names. */
  readonly checksumOf: (x: number, y: number, width: number, height: number) => number;
}

export interface StreamAttack {
  /** Its times are those of the stream from its first frame on: nothing goes before it. */
  readonly fromStart?: true;
  /** KLV triplets that go with the frame. */
  readonly packets?: (frame: Frame) => readonly Uint8Array[];
  /** NAL units that stand in front of the picture's first slice. */
  readonly units?: (frame: Frame) => readonly Uint8Array[];
  /** Header time of the sender's own patch packets. */
  readonly headerTimeNs?: (frame: Frame) => bigint;
  /** Added to all times of the transport, 90 kHz; the first value holds from the first frame on. */
  readonly shiftTicks?: (frame: Frame) => number;
  /** What is played instead of the victim's stream. */
  readonly plays?: (frame: Frame) => MaterialName;
  /** All that plays may name. */
  readonly materials?: readonly MaterialName[];
  /** Materials whose pictures the server may leave out. */
  readonly refused?: readonly MaterialName[];
  /** Names another frame's time on the transport than the packet's own. */
  readonly klvShiftTicks?: (frame: Frame) => number;
}
