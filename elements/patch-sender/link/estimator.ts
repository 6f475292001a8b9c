// What an estimate of the uplink is made from, and what it gives: the interface of all estimators.
// None does I/O or looks at a clock; times are those of the events.

/** Counters of an SRT socket since it was opened, as srtsink's stats give them. */
export interface SrtSample {
  readonly kind: 'srt';
  /** Of the machine's steady clock. */
  readonly timeNs: number;
  /** With headers and retransmissions. */
  readonly bytesSent: number;
  readonly bytesRetransmitted: number;
  readonly packetsSent: number;
  readonly packetsLost: number;
  readonly nacks: number;
  readonly rttMs: number;
}

/** One RTP packet, as transport-wide feedback tells of it. */
export interface PacketReport {
  readonly sequence: number;
  readonly sentNs: number;
  /** Of the receiver's clock, whose origin is unknown; null: lost. */
  readonly arrivedNs: number | null;
  readonly bytes: number;
}

export interface TwccReport {
  readonly kind: 'twcc';
  readonly timeNs: number;
  readonly packets: readonly PacketReport[];
}

/** What an application says that the uplink carries. */
export interface GivenRate {
  readonly kind: 'rate';
  readonly rateBps: number;
}

/** Video and patches handed to the transport: what is on the wire above them is its overhead. */
export interface MediaSent {
  readonly kind: 'media';
  readonly bytes: number;
}

export type LinkEvent = SrtSample | TwccReport | GivenRate | MediaSent;

export interface LinkEstimator {
  /** Events come in the order of their times. */
  handle(event: LinkEvent): void;
  /** What video and patches may take together in the second that begins at `mediaTimeNs`. */
  estimateBps(mediaTimeNs: number): number;
  /** How fast packets are to follow one another, headers and all; not there: as they come. */
  paceBps?(): number;
}
