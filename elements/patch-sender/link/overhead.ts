// How many bytes the transport puts on the wire for each byte of media: MPEG-TS packets and tables,
// PES, RTP or SRT headers. Measured, since it depends on frame rate and multiplexer.

export interface Overhead {
  readonly ratio: number;
  readonly mediaBytes: number;
  readonly wireBytes: number;
  readonly windowStartNs: number | undefined;
}

/** MPEG-TS over SRT at 500 kbit/s and 25 frames a second, until the stream has shown its own. */
const firstRatio = 1.12;
const windowNs = 2e9;
const weightOfWindow = 0.3;
/** A window with hardly any media in it says nothing: its tables outweigh it. */
const leastMediaBytes = 5000;
/** More than half on top is a wrong measurement (media that is not told of), not overhead. */
export const mostOverhead = 1.5;

export const initialOverhead: Overhead = {
  ratio: firstRatio,
  mediaBytes: 0,
  wireBytes: 0,
  windowStartNs: undefined,
};

export function mediaSent(overhead: Overhead, bytes: number): Overhead {
  return { ...overhead, mediaBytes: overhead.mediaBytes + bytes };
}

/** `bytes`: on the wire since the last call, without retransmissions. */
export function wireSent(overhead: Overhead, bytes: number, timeNs: number): Overhead {
  const { windowStartNs = timeNs, mediaBytes } = overhead;
  const wireBytes = overhead.wireBytes + bytes;
  if (timeNs - windowStartNs < windowNs) return { ...overhead, wireBytes, windowStartNs };
  const measured = Math.min(mostOverhead, Math.max(1, wireBytes / mediaBytes));
  const ratio =
    mediaBytes < leastMediaBytes
      ? overhead.ratio
      : overhead.ratio + weightOfWindow * (measured - overhead.ratio);
  return { ratio, mediaBytes: 0, wireBytes: 0, windowStartNs: timeNs };
}
