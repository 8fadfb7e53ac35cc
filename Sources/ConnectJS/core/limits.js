// @ts-check
/** Every wait and bound in one place. What the server limits comes with its `welcome`. */
export const LIMITS = Object.freeze({
  backoffBaseMs: 500,
  backoffCapMs: 15_000,
  stableMs: 10_000, // A connection that lived this long ends a series of failures.
  tokenMs: 30_000, // For the app to give a token.
  welcomeMs: 10_000, // From the opening of the socket to its `welcome`.
  pongMs: 10_000,
  pauseMs: 30_000, // After close code 1008, and the back-off on top.
  askedMs: 600_000, // The longest wait that a server can ask for.
  paceMs: 1_100, // For `sendsPerSecond` messages; the network may bunch up what we send evenly.
  ackEveryMs: 200,
  ackEveryFrames: 32,
  outboxMessages: 256, // A quarter of what a server keeps in order when it puts them off.
  outboxBytes: 1_000_000,
  bodyNesting: 507, // Objects and arrays in each other, as a server takes them.
  rememberedMessages: 4_096,
  requestMs: 15_000, // A request, with waits for a connection and repeats.
  requests: 64, // Without an answer; a further one fails.
  requestsUnderWay: 4, // That the server works on at one time.
  watchWaitMs: 60_000, // Before a refused watch is asked for again: doubling, up to this.
  requestBurstMs: 5_000, // The time of which all requests may go at once: half of a server's.
  signalBurstMs: 2_000, // Likewise of signals.
  signals: 16, // That wait for the pace; beyond, the oldest is dropped.
  signalMs: 6_000, // How long one may wait.
  signalBytes: 2_048, // Of a body.
  typingRepeatMs: 4_000,
  typingMs: 6_000, // How long a peer counts as typing without a repeat.
  typingPeers: 64, // Who is followed, who is told, and whose last message is remembered.
  presenceUsers: 100, // Of one request.
});

/** The close codes after which the client does not reconnect by itself, and why. */
export const STOPS = new Map([
  [1002, 'fault'], [1003, 'fault'], [1007, 'fault'], [1009, 'fault'],
  [4002, 'replaced'], [4004, 'devices'],
]);
/** The token is no longer good: another one may be. */
export const EXPIRED = 4001;
/** What a browser reports for a connection that ended without a close frame. */
export const LOST = 1006;
/** The codes of `rejected` that say that nothing was tried. Any other may leave it open. */
export const UNTRIED = new Set(['rate_limited', 'overloaded', 'draining']);
