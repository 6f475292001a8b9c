// What the feedback port takes from whoever comes: every limit, in one table (docs/protocol.md,
// Feedback). A connection that has not said whose stream it is of, with a token that opens it, is a
// stranger's; from then on it is a client's. Both together are all descriptors that a port takes, so that
// two ports leave room within the 1,024 that a process commonly has.

export interface FeedbackLimits {
  /** Connections of strangers at a time; a further one takes the place of another. */
  readonly maxStrangers: number;
  /** Of one address: a host, or a network of 64 bits of IPv6. */
  readonly maxStrangersOfAddress: number;
  /** Room of their own, which strangers cannot take. */
  readonly maxClients: number;
  /** Many senders may share the address of a router or of a proxy. */
  readonly maxClientsOfAddress: number;
  /** A further one takes the place of another: a sender that comes back does not wait for its old connection to end. */
  readonly maxClientsOfStream: number;

  /** From the connection to the end of the request, TLS included. */
  readonly requestMs: number;
  /** From there to the hello. */
  readonly helloMs: number;
  /** A refusal is written within this time or not at all. */
  readonly refusalMs: number;
  readonly pingMs: number;

  /** Of one connection: all its messages together, pings and pongs as well. */
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  /** After a pause, so much at once. */
  readonly burstSeconds: number;

  readonly maxRequestBytes: number;
  /** Of one message, so that many empty ones cannot pass as one. */
  readonly maxFragments: number;
  /** Waiting for a client that reads nothing any more. */
  readonly maxWaitingBytes: number;
}

export const feedbackLimits: FeedbackLimits = {
  maxStrangers: 128,
  maxStrangersOfAddress: 64,
  maxClients: 256,
  maxClientsOfAddress: 128,
  maxClientsOfStream: 16,
  requestMs: 5000,
  helloMs: 5000,
  refusalMs: 1000,
  pingMs: 5000,
  messagesPerSecond: 100,
  bytesPerSecond: 250_000,
  burstSeconds: 4,
  maxRequestBytes: 8192,
  maxFragments: 16,
  maxWaitingBytes: 131_072,
};

/** What a sender gives to patches here: below the server's allowance, so that it is never closed for it. */
export const senderAllowance = { messagesPerSecond: 80, bytesPerSecond: 200_000, burstSeconds: 1 };
