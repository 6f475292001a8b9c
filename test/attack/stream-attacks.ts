// Hostile senders. Each reproduces one way in which a stream was once stopped, swollen or silenced.
import { encodedFlatJpeg } from './jpeg-bombs.ts';
import { hostilePacket, klv, type HostilePatch } from './packet.ts';
import { coded, message, unit, type HostilePart } from './sei.ts';
import type { Frame, StreamAttack } from './stream-attack.ts';
import { ticksPerSecond } from './pes-time.ts';

const residualCodec = 2;
const jpegCodec = 1;
const largestPatch = 512;
/** Of the victim's picture, which is sent at half its size. */
const victim = { width: 1280, height: 720, scale: 2 };

let sequence = 1_000_000;

function packet(
  frame: Frame,
  patches: readonly HostilePatch[],
  change: {
    timeNs?: bigint;
    scale?: number;
    width?: number;
    height?: number;
    streamId?: number;
  } = {},
): Buffer {
  return hostilePacket(
    {
      scale: change.scale ?? victim.scale,
      streamId: change.streamId ?? frame.streamId,
      sequence: sequence++,
      runningTimeNs: change.timeNs ?? frame.timeNs,
      frameWidth: change.width ?? victim.width,
      frameHeight: change.height ?? victim.height,
    },
    patches,
  );
}

const announces =
  (width: number, height: number) =>
  (frame: Frame): Uint8Array[] =>
    [1, 15, 2, 3, 4].map((scale) => packet(frame, [], { width, height, scale }));

/**
 * A residual whose range coder reads nothing but zeros: all levels are zero, and no byte beyond these is
 * needed for the largest patch there is.
 */
const zeroLevelBytes = 4;

function residual(
  frame: Frame,
  area: { x: number; y: number; width: number; height: number },
  bits: Uint8Array,
  scale = victim.scale,
): HostilePatch {
  const { x, y, width, height } = area;
  const sum = Buffer.alloc(4);
  const low = [x, y, width, height].map((side) => side / scale) as [number, number, number, number];
  sum.writeUInt32BE(frame.checksumOf(...low));
  return { codec: residualCodec, quality: 26, ...area, payload: Buffer.concat([sum, bits]) };
}

/** Largest patches of one place, whose checksum is right. */
function expensiveResiduals(frame: Frame, count: number, bits: Uint8Array): HostilePatch[] {
  const place = frame.index % 8;
  const area = { x: 96 * place, y: 24 * place, width: largestPatch, height: largestPatch };
  return Array<HostilePatch>(count).fill(residual(frame, area, bits));
}

const beyondDoubles = 2n ** 53n;
const extremes = [beyondDoubles, 2n ** 63n, 2n ** 64n - 1n, 0n, 2n ** 62n, 2n ** 63n - 1n, 1n];
const extremeTime = (frame: Frame): bigint =>
  frame.index % 2 === 0
    ? (extremes[(frame.index / 2) % extremes.length] ?? 0n)
    : frame.timeNs + beyondDoubles - 1n;

const noise = (bytes: number, seed: number): Buffer => {
  let state = (seed * 2654435761 + 1) >>> 0;
  return Buffer.from(
    Uint8Array.from({ length: bytes }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    }),
  );
};

/** Sizes that a decoded picture of 640x360 may stand for, by every scale there is. */
const fitting = [
  [1, 640, 360],
  [15, 960, 540],
  [2, 1280, 720],
  [3, 1920, 1080],
  [4, 2560, 1440],
  [2, 1279, 719],
  [2, 1277, 717],
] as const;

/** Sides that every scale divides. */
const everyScale = 96;

/** The size holds for a while, and patches come that fit it, and some that fit the one before. */
function inTurns(frame: Frame): Uint8Array[] {
  const at = (turn: number): Uint8Array => {
    const [scale, width, height] = fitting[turn % fitting.length] ?? fitting[0];
    const area = { x: 0, y: 0, width: everyScale, height: everyScale };
    const payload = encodedFlatJpeg(everyScale, everyScale);
    const jpeg = { codec: jpegCodec, quality: 95, ...area, payload };
    const flat = residual(frame, area, new Uint8Array(zeroLevelBytes), scale === 15 ? 1.5 : scale);
    // At 1.5 the picture that the checksum is of is an enlarged one, which the attacker does not have.
    return packet(frame, [jpeg, flat], { scale, width, height });
  };
  const turn = Math.floor(frame.index / 40);
  return [at(turn), ...(frame.index % 4 === 0 ? [at(turn + fitting.length - 1)] : [])];
}

function jpegPatches(frame: Frame): HostilePatch[] {
  const whole = { x: 0, y: 0, width: largestPatch, height: largestPatch, quality: 95 };
  const good = { codec: jpegCodec, ...whole, payload: encodedFlatJpeg(largestPatch, largestPatch) };
  const liar = { codec: jpegCodec, ...whole, payload: encodedFlatJpeg(65_500, 65_500) };
  const cut = { ...good, payload: good.payload.subarray(0, good.payload.length - 40) };
  const noisy = {
    ...good,
    payload: Buffer.concat([good.payload.subarray(0, 300), noise(900, frame.index)]),
  };
  return [...Array.from({ length: 12 }, () => good), liar, liar, cut, noisy];
}

const flood = 4000;
const emptyMessages = unit(...Array.from({ length: flood }, () => message(Buffer.alloc(0))));
const emptyUnits = Array.from({ length: flood / 2 }, () => unit(message(Buffer.alloc(0))));

/** Of a picture whose number the sender made up. */
const carried = (frame: Frame, index: number, part: Partial<HostilePart>): Buffer =>
  message(
    coded({
      picture: frame.index,
      back: 0,
      message: frame.index * 64 + index,
      part: 0,
      parts: 1,
      bytes: noise(20, index),
      ...part,
    }),
  );

const sixtyFour = [...Array(64).keys()];

/** What pictures carry, wrong in every way that docs/protocol.md names. */
const carriedAttacks: Record<string, StreamAttack> = {
  'carries thousands of empty messages in each picture': {
    units: ({ index }) => (index % 2 === 0 ? [emptyMessages] : emptyUnits),
  },
  'carries parts of packets that are never completed': {
    units: (frame) => [
      unit(
        ...sixtyFour.map((index) =>
          carried(frame, index, { part: index, parts: 255, bytes: noise(900, frame.index) }),
        ),
      ),
    ],
  },
  'carries parts whose counters jump': {
    units: (frame) => {
      const far = [0, 2 ** 31, 2 ** 32 - 1, frame.index * 7919];
      const backs = [-32_768, 32_767, -1, 90];
      return sixtyFour.slice(0, 16).map((index) =>
        unit(
          carried(frame, index, {
            picture: far[index % 4] ?? 0,
            back: backs[index >> 2] ?? 0,
            bytes: packet(frame, [
              residual(
                frame,
                { x: 0, y: 0, width: 64, height: 64 },
                new Uint8Array(zeroLevelBytes),
              ),
            ]),
          }),
        ),
      );
    },
  },
  'carries messages that are cut off or not of the format': {
    units: (frame) => [
      unit(message(noise(30, frame.index), 100_000)),
      unit(message(noise(5, frame.index))),
      unit(carried(frame, 1, { part: 9, parts: 3 })),
      unit(carried(frame, 2, { bytes: Buffer.alloc(0) })),
      unit(carried(frame, 3, { bytes: noise(3000, frame.index) })),
      unit(message(Buffer.alloc(400))),
    ],
  },
};

export const streamAttacks: Record<string, StreamAttack> = {
  none: {},
  ...carriedAttacks,
  'announces 65535x65535': { packets: announces(65_535, 65_535) },
  'announces 16384x16384': { packets: announces(16_384, 16_384) },
  'announces a huge size that fits': {
    // 640x360 is the smaller picture of none of these, and of one that is just beyond the bounds.
    packets: (frame) => [...announces(32_768, 18_432)(frame), ...announces(2560, 65_535)(frame)],
  },
  'announces another size with each packet': {
    packets: (frame) =>
      Array.from({ length: 8 }, (_, index) => {
        const [scale, width, height] =
          fitting[(frame.index * 8 + index) % fitting.length] ?? fitting[0];
        return packet(frame, [], { scale, width, height });
      }),
  },
  'changes the size that it announces, and sends patches of each': { packets: inTurns },
  'sends 64 flat residuals of 512x512 with each frame': {
    packets: (frame) => [
      packet(frame, expensiveResiduals(frame, 64, new Uint8Array(zeroLevelBytes))),
    ],
  },
  'sends full residuals of 512x512': {
    packets: (frame) => [
      packet(frame, expensiveResiduals(frame, 1, noise(60_000, frame.index))),
      packet(frame, expensiveResiduals(frame, 24, noise(2000, frame.index))),
    ],
  },
  'sends JPEG bombs': {
    packets: (frame) => Array.from({ length: 4 }, () => packet(frame, jpegPatches(frame))),
  },
  'sends times at the ends of 64 bits': {
    packets: (frame) => [
      packet(frame, expensiveResiduals(frame, 1, new Uint8Array(zeroLevelBytes)), {
        timeNs: extremeTime(frame),
      }),
      packet(frame, [], { timeNs: extremeTime(frame) }),
    ],
    headerTimeNs: extremeTime,
  },
  'sends header times that go back and forth': {
    headerTimeNs: (frame) => frame.timeNs + BigInt((frame.index % 3) * 7_000_000_000),
    packets: (frame) => [
      packet(frame, [], { timeNs: frame.timeNs + BigInt(frame.index % 2) * 3_600_000_000_000n }),
    ],
  },
  'changes the stream id with each packet': {
    packets: (frame) =>
      Array.from({ length: 16 }, (_, index) =>
        packet(frame, expensiveResiduals(frame, 1, new Uint8Array(zeroLevelBytes)), {
          streamId: (frame.index * 16 + index) >>> 0,
        }),
      ),
  },
  'sends KLV that is garbage': {
    packets: (frame) => [
      noise(3000, frame.index),
      klv(noise(200, frame.index), noise(16, 7)),
      klv(noise(200, frame.index)),
      ...Array.from({ length: 400 }, () => packet(frame, [])),
    ],
  },
  'stamps patches with the time of other frames': {
    klvShiftTicks: ({ index }) => ((index % 7) - 3) * ticksPerSecond,
  },
  'wraps its time stamps around': {
    fromStart: true,
    // 33 bits end 20 s after the player began.
    shiftTicks: () => 2 ** 33 - 30 * ticksPerSecond,
  },
  'jumps in time': {
    shiftTicks: ({ attacked }) => {
      if (attacked < 0) return 0;
      const jump = Math.floor(attacked / 90);
      return jump % 2 === 0 ? jump * 5 * ticksPerSecond : -jump * ticksPerSecond;
    },
  },
  'sends a picture of 8192x8192': {
    materials: ['giant'],
    refused: ['giant'],
    // Some seconds of each; the first one is another size than before.
    plays: ({ index, seconds }) =>
      index > 0 && Math.floor(seconds / 4) % 2 === 0 ? 'victim' : 'giant',
  },
  'changes the size of its picture': {
    materials: ['smaller', 'odd', 'anamorphic'],
    plays: ({ attacked }) => {
      // Two seconds of each, and six of the victim's, which sends no patch in its first two.
      const own = ['victim', 'victim', 'victim'] as const;
      const turns = ['smaller', ...own, 'odd', ...own, 'anamorphic', ...own] as const;
      return turns[Math.floor(attacked / 60) % turns.length] ?? 'victim';
    },
  },
};
