// @ts-check
/**
 * The reference JavaScript client of Connect (`connect.v1.json`). It knows nothing of any page, and
 * runs without one: in a worker, in React Native, in Node (before 22 with the option `WebSocket`).
 *
 *     const client = new ConnectClient({
 *       url: 'wss://chat.example.com/v1/connect',
 *       device: myDevice, // A name made once and kept: one for each browser or tab.
 *       token: async () => (await fetch('/my/chat-token')).text(),
 *       storage: sessionStorage,
 *       on: {
 *         message: ({ from, offset, body }) => show(from, offset, body),
 *         sent: ({ to, id, peerOffset, body }) => showOwn(to, id, peerOffset, body),
 *         accepted: ({ id, offset }) => tick(id, offset),
 *         position: ({ peer, delivered, read }) => ticks(peer, delivered, read),
 *         rejected: ({ id, retryable, message }) => { if (!retryable) mark(id, message); },
 *         failed: ({ id, message }) => mark(id, message),
 *         typing: ({ from, isTyping }) => dots(from, isTyping),
 *         presence: (users) => lights(users),
 *         state: ({ phase, message }) => banner(phase, message),
 *         error: ({ code, message }) => console.warn(code, message),
 *       },
 *     });
 *     client.connect();
 *     const id = client.send('bob', { text: 'hello' }, { receipt: true, copy: true });
 *     client.read('bob', offset); // Of the last message of his that is in view.
 *     client.typing('bob'); // At each key.
 *     const { items, next } = await client.conversations({ limit: 20 });
 *     const { entries } = await client.history({ with: 'bob', limit: 50 }); // Newest first.
 *     client.watchPresence(items.map(({ peer }) => peer));
 *
 * - Sending: a message is sent, always under one id, until the server has answered for it; across
 *   reconnects and, with `storage`, reloads. The answer comes to a handler and not by a promise,
 *   because the page may have been reloaded in between. What the server puts off (`rejected` with
 *   `retryable`) goes again in its old order, before anything newer. What it refuses for good leaves
 *   the outbox, and is told by `rejected`; what it would so refuse, `send` throws at once. What it
 *   took and could not store comes back as `failed`: then it is for the user to say `sendAgain`.
 * - Receiving: the frames of the mailbox (`message`, `sent`, `failed`) go to their handlers in
 *   order, each once, and are acknowledged when the handler has returned (a promise is not waited
 *   for). A handler that throws makes the client reconnect, so that the server replays what was not
 *   handled.
 * - Copies: a message with `copy` comes as `sent` to all devices of its sender, this one included.
 * - Positions: `position` tells how far the conversation with `peer` has got. What was sent to them is
 *   `delivered`, or `read`, up to an offset of the peer's mailbox: the `offset` of `accepted`, or
 *   the `peerOffset` of `sent`, which is right where the two differ. What they sent is read up to
 *   `mine`, an `offset` of `message`. The highest counts, and `failed` beats any. What was missed
 *   is told after reconnecting; with `storage`, keep what you are told of them as well, since after
 *   a reload only what is newer comes. `read` is sent until the server has answered; with
 *   `{ private: true }` it tells only the user's other devices.
 * - Lists: `conversations`, `history` and `presence` give promises. A request waits for a connection,
 *   is asked again on the next one and after a “later”, and fails after 15 seconds with a
 *   `ConnectError`, whose `code` is the server's or `unavailable`, `full` or `closed`. What comes
 *   so moves nothing that is handled, and may come to a handler as well.
 * - Passing on: `typing` sends a signal every four seconds, however often it is called; the handler
 *   `typing` is told that a peer types, and that they stopped: when their message comes, or nothing
 *   more does for six seconds. `signal` sends any other, to the handler `signal`. They are
 *   never stored, and dropped without a connection. `watchPresence` tells the handler `presence` of
 *   all users that it names, at first and after each reconnect, and then of those that change.
 * - Staying connected: silence is probed, and a lost connection is replaced with back-off; `token`
 *   is asked for each connection. Where reconnecting would be wrong (the token expired and there is no other, the
 *   device is connected elsewhere) it stops with a reason, and `connect()` tries again.
 * - Storage: what is kept belongs to one user, device and server, so that who signs in next in the
 *   same tab neither sends nor skips anything of theirs. One object is for one user: make another
 *   after another sign-in. The token names the user, or the option `user`, without which what
 *   is written before the first token is kept in memory only. A storage that is full or damaged is
 *   told by `error` (`storage_full`, `storage_damaged`), and everything goes on without.
 */

/** Every wait and bound in one place. What the server limits comes with its `welcome`. */
const LIMITS = Object.freeze({
  backoffBaseMs: 500,
  backoffCapMs: 15_000,
  stableMs: 10_000, // A connection that lived this long ends a series of failures.
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
const STOPS = new Map([
  [1002, 'fault'], [1003, 'fault'], [1007, 'fault'], [1009, 'fault'],
  [4002, 'replaced'], [4004, 'devices'],
]);
/** The token is no longer good: another one may be. */
const EXPIRED = 4001;
/** What a browser reports for a connection that ended without a close frame. */
const LOST = 1006;
/** The codes of `rejected` that say that nothing was tried. Any other may leave it open. */
const UNTRIED = new Set(['rate_limited', 'overloaded', 'draining']);

/**
 * @typedef {{ user: string, device: string, connection: string, gateway: string, offset: string,
 *   gap: boolean, pingSeconds: number, positions: number, floor?: string, now: number,
 *   retentionSeconds: number,
 *   limits: { frameBytes: number, unacked: number, sendsPerSecond: number,
 *     requestsPerSecond: number, signalsPerSecond: number } }} Welcome
 *
 * `failures` counts the failed attempts in a row; `until` is in the time of `performance.now()`;
 * `asked`: the server chose it; `opened` is false if the server was out of reach, or refused, or if
 * there was no token; `message` says what is known of the reason.
 * @typedef {{ phase: 'connecting', failures: number }
 *   | { phase: 'online', live: boolean, welcome: Welcome }
 *   | { phase: 'waiting', until: number, asked: boolean, failures: number, opened: boolean,
 *       code: number, message: string }
 *   | { phase: 'stopped', reason: string, code: number, message: string }} State
 *
 * `rejected` with `retryable` is only news: the client keeps the message and sends it again. Else the
 * message is gone from the outbox.
 * `failed` is about a message that was `accepted`, and can come more than once for one message.
 * `position` has what is known; `floor` stands for `mine` wherever a conversation has none.
 * `error` is about no message: a frame that the server did not understand, a `read` or a `signal` or
 * the watch of a presence that it refuses, or the storage.
 * @typedef {{
 *   state?: (state: State) => void,
 *   message?: (frame: { offset: string, from: string, id: string, at: number, body: any,
 *     quiet?: boolean }) => void,
 *   sent?: (frame: { offset: string, peerOffset: string, to: string, id: string, at: number,
 *     body: any, quiet?: boolean }) => void,
 *   position?: (frame: Position) => void,
 *   accepted?: (frame: { id: string, offset: string }) => void,
 *   rejected?: (frame: Rejected) => void,
 *   failed?: (frame: { to: string, id: string, code: string, message: string }) => void,
 *   typing?: (news: { from: string, isTyping: boolean }) => void,
 *   signal?: (frame: { from: string, name: string, at: number, body?: any }) => void,
 *   presence?: (users: Users) => void,
 *   error?: (frame: { code: string, message: string }) => void }} Handlers
 * @typedef {{ id: string, code: string, message: string, retryable: boolean,
 *   retryAfterMs?: number }} Rejected
 * @typedef {{ peer: string, delivered?: string, read?: string, mine?: string, floor?: string,
 *   stamp: number, id?: string }} Position
 *
 * `lastSeen` is in milliseconds since 1970, and absent of who is online or was never seen.
 * @typedef {{ [user: string]: { online: boolean, lastSeen?: number } }} Users
 * An entry of the mailbox in an answer: what the handler of its `type` would be given.
 * @typedef {{ type: 'message' | 'sent' | 'failed', offset: string, id: string, from?: string,
 *   to?: string, peerOffset?: string, at?: number, body?: any, quiet?: boolean, code?: string,
 *   message?: string }} MailboxEntry
 * `last` is absent where it is no longer kept. `next` is the `before` of the next part.
 * @typedef {{ items: { peer: string, last?: MailboxEntry, unread: number, unreadIsMore?: boolean,
 *   delivered?: string, read?: string, mine?: string }[], next?: string }} ConversationPage
 * `entries` may be empty although there is a `next`. `trimmed`: there was more that is no longer kept.
 * @typedef {{ entries: MailboxEntry[], next?: string, trimmed?: boolean }} HistoryPage
 * @typedef {{ frame: any, until: number, isAsked: boolean, refusal?: Rejected,
 *   resolve: (answer: any) => void, reject: (error: ConnectError) => void }} Request
 *
 * `token` is called for each attempt. `user` is who the token will be of, if that is known before.
 * `storage` answers at once, as a page's do. `storageKey` begins the names of all that is stored.
 * @typedef {{ url: string, device?: string, token: () => string | Promise<string>, user?: string,
 *   on?: Handlers, storage?: Pick<Storage, 'getItem' | 'setItem'>, storageKey?: string,
 *   WebSocket?: typeof WebSocket }} Options
 *
 * `receipt`: `position` is to tell how far the recipient has it. `copy`: the sender's devices get
 * it as `sent`. `quiet`: it does not count as unread, such as an edit of another message.
 * @typedef {{ receipt?: boolean, copy?: boolean, quiet?: boolean }} SendOptions
 * @typedef {{ id: string, to: string, body: any } & SendOptions} Send
 * `sent` and `rejected` are about the present connection: the answer is awaited, or was “later”.
 * `mayBeTaken`: an earlier attempt may have been taken, so the next one must say `retry`.
 * `firstSent`: the time of the first attempt by the server's clock, where that is known.
 * @typedef {{ send: Send, bytes: number, sent: boolean, rejected: boolean, mayBeTaken: boolean,
 *   firstSent?: number }} Entry
 * @typedef {{ peer: string, offset: string, private: boolean, id: string }} Read
 */

/** Negative, zero or positive, as offset `a` is before, at or after `b` ("9-10" is after "9-9").
 * @param {string} a @param {string} b */
export function compareOffsets(a, b) {
  const [aMs, aSequence] = a.split('-').map(BigInt);
  const [bMs, bSequence] = b.split('-').map(BigInt);
  const [x, y] = aMs === bMs ? [aSequence ?? 0n, bSequence ?? 0n] : [aMs, bMs];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Full jitter: clients that lost one server must not come back in step.
 * @param {number} failures */
function backoffMs(failures) {
  return Math.random() * Math.min(LIMITS.backoffCapMs, LIMITS.backoffBaseMs * 2 ** failures);
}

/** A wait that the server asked for, within reason; absent if it asked for none.
 * @param {number | null | undefined} ms */
const asked = (ms) => (ms == null ? undefined : Math.min(Math.max(ms, 0), LIMITS.askedMs));

/** `crypto.randomUUID` would do, but is missing from pages that are served without TLS. */
function newId() {
  const bytes = new Uint8Array(16);
  // Not a secret, only unique: enough where there is no `crypto` at all.
  if (globalThis.crypto?.getRandomValues) crypto.getRandomValues(bytes);
  else bytes.forEach((_, index) => { bytes[index] = Math.random() * 256; });
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param {Send} send
 * @param {boolean | number} retry whether the id may have been taken before, or since when */
const encode = (send, retry) => JSON.stringify({ type: 'send', ...send, ...(retry && { retry }) });
/** @param {Send} send its size in UTF-8, with the longest `retry` */
const bytesOf = (send) => utf8Length(encode(send, Number.MAX_SAFE_INTEGER));

/** @param {string} text */
function utf8Length(text) {
  let bytes = text.length;
  // A character beyond the first 65,536 has two units here and four bytes there.
  for (const character of text) {
    if (character > '\x7f') bytes += character > '\u07ff' ? 2 : 1;
  }
  return bytes;
}

/** Whether JSON text has no half of a character: neither as such nor, as `JSON.stringify` writes it,
 * as an escape.
 * @param {string} text */
function isWellFormed(text) {
  return !/[\ud800-\udfff]/u.test(text) && !/\\ud[89a-f]/i.test(text.replace(/\\\\/g, ''));
}

/** How deep the objects and arrays of JSON text nest.
 * @param {string} text */
function nestingOf(text) {
  let [depth, deepest] = [0, 0];
  for (const [bracket] of text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"/g, '').matchAll(/[[\]{}]/g)) {
    depth += bracket === '[' || bracket === '{' ? 1 : -1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

/** @param {number} bytes @param {number} limit */
const tooLarge = (bytes, limit) => `It takes ${bytes} bytes of at most ${limit}.`;

/** @param {any} name */
export const isUserName = (name) => typeof name === 'string' && /^[\w.@+:-]{1,128}$/.test(name);
/** @param {any} id */
const isMessageID = (id) => typeof id === 'string' && /^[\w.:-]{1,64}$/.test(id);
/** @param {any} offset */
const isOffset = (offset) => typeof offset === 'string' && /^\d{1,20}-\d{1,20}$/.test(offset);
/** @param {any} number */
const isCount = (number) => Number.isSafeInteger(number) && number >= 0;

/** Makes sure that no server refuses a message for what it is; sent, it would come back `rejected`.
 * @param {string} to @param {any} body @returns {any} the body as it is now
 * @throws {TypeError | RangeError} */
function checked(to, body) {
  if (!isUserName(to)) {
    throw new TypeError('The recipient is not a user name: 1 to 128 of A-Z a-z 0-9 . _ - @ + :');
  }
  const text = JSON.stringify(body);
  if (text === undefined) throw new TypeError('The body is not a JSON value.');
  if (!isWellFormed(text)) {
    throw new TypeError('The body has half of a character, as slice() leaves of an emoji.');
  }
  if (nestingOf(text) > LIMITS.bodyNesting) {
    throw new RangeError(`The body nests more than ${LIMITS.bodyNesting} levels deep.`);
  }
  return JSON.parse(text);
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The user of a token, unverified: that is the server's business. But a browser does not show why a
 * server refuses one, so what no server takes is told here.
 * @param {string} token @throws {TypeError} when there is none */
function userOf(token) {
  let [bits, count, json] = [0, 0, ''];
  for (const digit of /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token)?.[1] ?? '') {
    bits = (bits << 6 | BASE64URL.indexOf(digit)) & 0xffff;
    count += 6;
    if (count >= 8) json += String.fromCharCode(bits >> (count -= 8) & 0xff);
  }
  let claims = null;
  try { claims = JSON.parse(json); } catch { /* Then it is not a token. */ }
  const fault = (what) => new TypeError(`what token() gave is not a JWT${what}`);
  if (claims === null || typeof claims !== 'object') throw fault('');
  if (typeof claims.sub !== 'string' || !claims.sub) throw fault(' with a user as its `sub`');
  if (typeof claims.exp !== 'number') throw fault(' with a number of seconds as its `exp`');
  return claims.sub;
}

/** @param {any} error of the app's own code; it must not end the client */
function report(error) {
  if (globalThis.reportError) reportError(error);
  else console.error(error);
}

/** What outlives a reload, of one user, device and server. A storage can be full, or damaged, or
 * forbidden: then it is told, and everything goes on without. */
class Store {
  /** @type {Options['storage']} */ #storage;
  #key;
  #tell;
  #isFull = false;

  /** @param {Options} options @param {string} user
   * @param {(code: string, message: string) => void} tell */
  constructor({ storage, storageKey = 'connect', url, device = 'default' }, user, tell) {
    this.#storage = storage;
    this.#key = `${storageKey}/${url.split(/[?#]/)[0]}/${user}/${device}`;
    this.#tell = tell;
  }

  /** @param {string} name @param {(value: any) => boolean} isSound @returns {any} null if absent */
  load(name, isSound) {
    const key = `${this.#key}/${name}`;
    try {
      const value = JSON.parse(this.#storage?.getItem(key) ?? 'null');
      if (value === null || isSound(value)) return value;
      this.damaged(key);
    } catch (error) {
      this.damaged(key, error);
    }
    return null;
  }

  /** @param {string} key @param {unknown} [error] */
  damaged(key, error = 'it is not what was written') {
    this.#tell('storage_damaged', `${key} cannot be read, and is begun again: ${error}`);
  }

  /** @param {string} name @param {any} value */
  save(name, value) {
    try {
      this.#storage?.setItem(`${this.#key}/${name}`, JSON.stringify(value));
      this.#isFull = false;
    } catch (error) {
      // Once, and not for every message.
      if (!this.#isFull) this.#tell('storage_full', `a reload would lose what is unsent: ${error}`);
      this.#isFull = true;
    }
  }
}

/** The latest messages by sender and id, and copies by recipient, id and place there: rarely, one
 * that was sent again stands in the mailbox under two offsets. Two generations; the older is
 * forgotten when the younger is full. */
class RecentMessages {
  /** @type {Set<string>} */ #young = new Set();
  /** @type {Set<string>} */ #old = new Set();

  /** @param {string} key */
  has(key) { return this.#young.has(key) || this.#old.has(key); }

  /** @param {string} key */
  add(key) {
    this.#young.add(key);
    if (this.#young.size < LIMITS.rememberedMessages / 2) return;
    this.#old = this.#young;
    this.#young = new Set();
  }

  /** @param {string} key */
  delete(key) {
    this.#young.delete(key);
    this.#old.delete(key);
  }
}

/** What the user has read and the server has not confirmed: of each conversation the furthest,
 * until its own answer comes. What the peer is told and what is private are kept apart. */
class Reads {
  /** @type {Map<string, { read: Read, isSent: boolean }>} by peer, and whether it is private */
  #kept = new Map();

  /** @param {Read} read */
  static #key(read) { return `${read.private ? 'private' : 'public'} ${read.peer}`; }

  /** All of them, to be stored. */
  get all() { return [...this.#kept.values()].map(({ read }) => read); }

  /** @param {Read} read @returns {boolean} whether it is further than what is kept */
  keep(read) {
    const kept = this.#kept.get(Reads.#key(read))?.read;
    if (kept && compareOffsets(kept.offset, read.offset) >= 0) return false;
    this.#kept.set(Reads.#key(read), { read, isSent: false });
    return true;
  }

  /** @returns {Read | undefined} one that is due on this connection */
  get next() { return [...this.#kept.values()].find(({ isSent }) => !isSent)?.read; }

  /** It is said on this connection.
   * @param {Read} read */
  said(read) {
    const kept = this.#kept.get(Reads.#key(read));
    if (kept) kept.isSent = true;
  }

  /** The connection is gone: all are due on the next one. */
  reset() { for (const kept of this.#kept.values()) kept.isSent = false; }

  /** The server asks to say it again later.
   * @param {string} id @returns {boolean} whether it is kept */
  retry(id) {
    const kept = [...this.#kept.values()].find(({ read }) => read.id === id);
    if (kept) kept.isSent = false;
    return kept !== undefined;
  }

  /** The server has answered, or refused it for good.
   * @param {string} id @returns {boolean} whether it was kept */
  settle(id) {
    const read = this.all.find((read) => read.id === id);
    return read !== undefined && this.#kept.delete(Reads.#key(read));
  }
}

/** Why a request has no answer. `code` is that of the server's refusal, and `too_large` also where
 * none was asked, as it would refuse; or `unavailable`, `full` or `closed`. With `rate_limited`, `retryAfterMs` says when to ask again. */
export class ConnectError extends Error {
  /** @param {string} code @param {string} message @param {number} [retryAfterMs] */
  constructor(code, message, retryAfterMs) {
    super(message);
    this.name = 'ConnectError';
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** An even pace, with a burst after a pause: the generic cell rate algorithm. */
class Pace {
  #everyMs;
  #burstMs;
  #due = 0;

  /** @param {number} [perSecond] 0 means no limit @param {number} [burstMs] */
  constructor(perSecond = 0, burstMs = 0) {
    this.#everyMs = perSecond > 0 ? 1000 / perSecond : 0;
    this.#burstMs = Math.max(0, burstMs - this.#everyMs);
  }

  /** @param {number} now @returns {number} the milliseconds to wait; 0 if one was taken */
  take(now) {
    const waitMs = this.#due - this.#burstMs - now;
    if (this.#everyMs && waitMs > 0) return waitMs;
    this.#due = Math.max(this.#due, now) + this.#everyMs;
    return 0;
  }
}

/** What is asked and has no answer, and whose presence is watched. The watch is asked for on each
 * connection, and again behind any other request for presence, which ends it. One that is refused
 * waits longer each time, and nothing else waits for it. */
class Requests {
  /** @type {Request[]} oldest first */ #entries = [];
  /** @type {{ frame: any, isAsked: boolean } | null} */ #watch = null;
  #isOpen = false;
  #holdUntil = 0;
  #watchHoldUntil = 0;
  #watchRefusals = 0; // In a row, on this connection.
  #frameBytes = Infinity;
  #pace = new Pace();
  /** @type {any} */ #timer;
  #transmit;
  #refuse;

  /** @param {(frame: object) => void} transmit
   * @param {(frame: Rejected) => void} refuse as if the server had, since it would */
  constructor(transmit, refuse) {
    this.#transmit = transmit;
    this.#refuse = refuse;
  }

  /** @param {any} frame @returns {Promise<any>} the answer */
  ask(frame) {
    return new Promise((resolve, reject) => {
      if (this.#entries.length >= LIMITS.requests) {
        return reject(new ConnectError('full', 'Too many requests are waiting for answers.'));
      }
      const until = performance.now() + LIMITS.requestMs;
      frame = { ...frame, id: newId() };
      this.#entries.push({ frame, until, isAsked: false, resolve, reject });
      queueMicrotask(() => this.#pump());
    });
  }

  /** @param {string[]} users */
  watch(users) {
    const known = this.#watch?.frame.users ?? [];
    if (users.length === known.length && users.every((user) => known.includes(user))) return;
    const frame = { type: 'presence', id: newId(), users, watch: true };
    this.#watch = { frame, isAsked: false };
    queueMicrotask(() => this.#pump());
  }

  /** @param {Welcome['limits']} limits */
  connected({ requestsPerSecond, frameBytes }) {
    if (!this.#watch?.frame.users.length) this.#watch = null;
    this.#isOpen = true;
    this.#holdUntil = this.#watchHoldUntil = this.#watchRefusals = 0;
    this.#frameBytes = frameBytes;
    this.#pace = new Pace(requestsPerSecond, LIMITS.requestBurstMs);
    this.#pump();
  }

  /** The connection is gone, or about to end: what has no answer is due on the next one. */
  disconnected() {
    this.#isOpen = false;
    for (const entry of this.#entries) entry.isAsked = false;
    if (this.#watch) this.#watch.isAsked = false;
  }

  /** Nobody will answer. @param {string} message */
  end(message) {
    clearTimeout(this.#timer);
    for (const { reject } of this.#entries.splice(0)) reject(new ConnectError('closed', message));
  }

  /** @param {any} frame @returns {boolean} whether it is of the users who are watched */
  answered(frame) {
    if (!frame.id) return frame.type === 'presence';
    if (frame.id === this.#watch?.frame.id) {
      this.#watchRefusals = 0;
      const isOf = this.#watch?.frame.users.length > 0;
      if (!isOf) this.#watch = null;
      return isOf;
    }
    const entry = this.#entries.find((entry) => entry.frame.id === frame.id);
    if (entry && entry.frame.type === frame.type) {
      this.#settle(entry);
      entry.resolve(frame);
    }
    return false;
  }

  /** @param {Rejected} frame @param {() => number} waitMs how long to wait, of what may be asked again
   * @returns {'none' | 'taken' | 'watch'} whether it was one of these; `watch`: that has ended */
  rejected(frame, waitMs) {
    const isWatch = this.#watch !== null && frame.id === this.#watch.frame.id;
    const entry = this.#entries.find((entry) => entry.frame.id === frame.id);
    if (!isWatch && !entry) return 'none';
    if (!frame.retryable) {
      if (!entry) this.#watch = null;
      else this.#fail(entry, new ConnectError(frame.code, frame.message));
      return entry ? 'taken' : 'watch';
    }
    if (entry) {
      this.#holdUntil = Math.max(this.#holdUntil, performance.now() + waitMs());
      entry.isAsked = false;
      entry.refusal = frame;
      // There is no use in waiting for an answer that comes too late.
      if (this.#holdUntil >= entry.until) this.#fail(entry, this.#errorOf(entry));
    } else if (this.#watch) {
      this.#watch.isAsked = false;
      this.#holdWatch(waitMs());
    }
    this.#pump();
    return 'taken';
  }

  /** A watch has no deadline, so a server that cannot serve it is asked less and less.
   * @param {number} waitMs that the server asks for */
  #holdWatch(waitMs) {
    const longerMs = Math.max(waitMs, LIMITS.backoffBaseMs) * 2 ** this.#watchRefusals++;
    const holdMs = Math.max(waitMs, Math.min(longerMs, LIMITS.watchWaitMs));
    this.#watchHoldUntil = performance.now() + holdMs;
  }

  /** @param {Request} entry @returns {ConnectError} */
  #errorOf({ refusal }) {
    const waitMs = Math.max(0, this.#holdUntil - performance.now());
    if (refusal?.code === 'rate_limited') {
      return new ConnectError('rate_limited', refusal.message, Math.ceil(waitMs));
    }
    const within = `within ${LIMITS.requestMs / 1000} seconds`;
    return new ConnectError('unavailable', refusal?.message
      ?? (this.#isOpen ? `The server did not answer ${within}.` : `No connection ${within}.`));
  }

  /** @param {Request} entry @param {ConnectError} error */
  #fail(entry, error) {
    this.#settle(entry);
    entry.reject(error);
  }

  /** @param {Request} entry */
  #settle(entry) {
    this.#entries.splice(this.#entries.indexOf(entry), 1);
    this.#pump();
  }

  /** Asks what is due, gives up what has waited too long, and comes back for the rest. */
  #pump() {
    clearTimeout(this.#timer);
    const now = performance.now();
    for (const entry of this.#entries.filter(({ until }) => until <= now)) {
      this.#entries.splice(this.#entries.indexOf(entry), 1);
      entry.reject(this.#errorOf(entry));
    }
    const waitMs = this.#isOpen ? this.#ask(now) : Infinity;
    const expiryMs = (this.#entries[0]?.until ?? Infinity) - now;
    const next = Math.min(waitMs, expiryMs);
    // Rounded up, as a timer may fire a little early.
    if (next < Infinity) this.#timer = setTimeout(() => this.#pump(), Math.ceil(next) + 1);
  }

  /** @param {number} now @returns {number} the milliseconds until more is due */
  #ask(now) {
    for (;;) {
      const underWay = this.#entries.filter(({ isAsked }) => isAsked).length;
      const due = underWay < LIMITS.requestsUnderWay
        ? this.#entries.find(({ isAsked }) => !isAsked) : undefined;
      const next = due ?? (this.#watch?.isAsked === false ? this.#watch : undefined);
      if (!next) return Infinity;
      const holdUntil = due ? this.#holdUntil : Math.max(this.#holdUntil, this.#watchHoldUntil);
      if (holdUntil > now) return holdUntil - now;
      const waitMs = this.#pace.take(now);
      if (waitMs > 0) return waitMs;
      next.isAsked = true;
      const { frame } = next;
      const bytes = utf8Length(JSON.stringify(frame));
      if (bytes > this.#frameBytes) {
        // Sending it would cost the connection (1009), and again after each reconnect.
        const message = tooLarge(bytes, this.#frameBytes);
        const refusal = { id: frame.id, code: 'too_large', message, retryable: false };
        queueMicrotask(() => this.#refuse(refusal));
        continue;
      }
      if (due) due.refusal = undefined;
      if (due?.frame.type === 'presence' && this.#watch) this.#watch.isAsked = false;
      this.#transmit(frame);
    }
  }
}

/** What is passed on to who is connected, at the server's pace, and dropped rather than said late. */
class Signals {
  /** @type {{ frame: any, until: number }[]} */ #waiting = [];
  /** @type {string[]} what was said last, to know its refusals */ #said = [];
  #isOpen = false;
  #holdUntil = 0;
  #pace = new Pace();
  /** @type {any} */ #timer;
  #transmit;

  /** @param {(frame: object) => void} transmit */
  constructor(transmit) { this.#transmit = transmit; }

  get isOpen() { return this.#isOpen; }

  /** @param {Welcome['limits']} limits */
  connected({ signalsPerSecond }) {
    this.#isOpen = true;
    this.#holdUntil = 0;
    this.#pace = new Pace(signalsPerSecond, LIMITS.signalBurstMs);
  }

  disconnected() {
    clearTimeout(this.#timer);
    this.#isOpen = false;
    this.#waiting = [];
    this.#said = [];
  }

  /** @param {object} frame @param {number} frameBytes that it may take @throws {RangeError} */
  say(frame, frameBytes) {
    if (!this.#isOpen) return;
    const named = { ...frame, id: newId() };
    const bytes = utf8Length(JSON.stringify(named));
    if (bytes > frameBytes) throw new RangeError(tooLarge(bytes, frameBytes));
    const until = performance.now() + LIMITS.signalMs;
    this.#waiting = [...this.#waiting, { frame: named, until }].slice(-LIMITS.signals);
    this.#pump();
  }

  /** @param {Rejected} frame @param {() => number} waitMs
   * @returns {boolean} whether it was one of these. It is not said again. */
  rejected(frame, waitMs) {
    if (!this.#said.includes(frame.id)) return false;
    if (frame.retryable) this.#holdUntil = performance.now() + waitMs();
    return true;
  }

  #pump() {
    clearTimeout(this.#timer);
    const now = performance.now();
    this.#waiting = this.#waiting.filter(({ until }) => until > now);
    while (this.#waiting.length) {
      const waitMs = Math.max(0, this.#holdUntil - now) || this.#pace.take(now);
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#pump(), Math.ceil(waitMs));
        return;
      }
      const [{ frame }] = this.#waiting.splice(0, 1);
      this.#said = [...this.#said, frame.id].slice(-LIMITS.signals);
      this.#transmit(frame);
    }
  }
}

/** Who is typing: when one's own typing is to be told, and which peers are typing still. */
class Typing {
  /** @type {Map<string, number>} when each peer was last told */ #told = new Map();
  /** @type {Map<string, { until: number, at: number }>} until when each peer counts as typing, and
   * the server's time of its last signal */
  #typing = new Map();
  /** The server's time of each peer's last message, of the latest: a signal may come behind the
   * message that was being typed. @type {Map<string, number>} */
  #messages = new Map();
  /** @type {any} */ #timer;
  #tell;

  /** @param {(news: { from: string, isTyping: boolean }) => void} tell */
  constructor(tell) { this.#tell = tell; }

  /** @param {string} to @returns {boolean} whether to tell them now */
  typed(to) {
    const now = performance.now();
    for (const [peer, at] of this.#told) {
      if (at + LIMITS.typingRepeatMs <= now) this.#told.delete(peer);
    }
    if (this.#told.has(to) || this.#told.size >= LIMITS.typingPeers) return false;
    this.#told.set(to, now);
    return true;
  }

  /** A message ends it at the peer's: the next key tells of it again. @param {string} to */
  sent(to) { this.#told.delete(to); }

  connected() { this.#told.clear(); }

  /** @param {{ from: string, at: number }} signal */
  received({ from, at }) {
    if (at <= (this.#messages.get(from) ?? -1)) return;
    const before = this.#typing.get(from);
    if (!before && this.#typing.size >= LIMITS.typingPeers) return;
    this.#typing.delete(from); // The first is the one that stops first.
    const until = performance.now() + LIMITS.typingMs;
    this.#typing.set(from, { until, at: Math.max(at, before?.at ?? 0) });
    if (!before) this.#tell({ from, isTyping: true });
    this.#expire();
  }

  /** One from before the typing, as a replay brings it, does not end it.
   * @param {{ from: string, at: number }} message */
  message({ from, at }) {
    const last = Math.max(at, this.#messages.get(from) ?? 0);
    this.#messages.delete(from); // The first is the one of whom nothing came for the longest time.
    this.#messages.set(from, last);
    const [oldest] = this.#messages.keys();
    if (this.#messages.size > LIMITS.typingPeers) this.#messages.delete(oldest);
    const typing = this.#typing.get(from);
    if (!typing || typing.at > at) return;
    this.#typing.delete(from);
    this.#tell({ from, isTyping: false });
  }

  /** Nobody is there to hear of it. */
  end() {
    clearTimeout(this.#timer);
    for (const from of this.#typing.keys()) {
      this.#typing.delete(from);
      this.#tell({ from, isTyping: false });
    }
  }

  #expire() {
    clearTimeout(this.#timer);
    const now = performance.now();
    for (const [from, { until }] of this.#typing) {
      if (until > now) {
        this.#timer = setTimeout(() => this.#expire(), Math.ceil(until - now));
        return;
      }
      this.#typing.delete(from);
      this.#tell({ from, isTyping: false });
    }
  }
}

/** @param {string[]} users @returns {string[]} each once */
function checkedUsers(users) {
  const names = [...new Set(users)];
  if (!names.every(isUserName)) throw new TypeError('One of the users is not a user name.');
  if (names.length > LIMITS.presenceUsers) {
    throw new RangeError(`At most ${LIMITS.presenceUsers} users can be asked for.`);
  }
  return names;
}

export class ConnectClient {
  /** @type {Options} */ #options;
  /** @type {typeof WebSocket} */ #WebSocket;
  /** @type {string | null} whose this is, once that is known */ #user = null;
  /** @type {Store | null} */ #store = null;
  /** @type {State} */ #state = { phase: 'stopped', reason: 'closed', code: 1000, message: '' };
  /** Names the attempt that counts; what an earlier one still reports is ignored. */
  #epoch = 0;
  /** @type {string | null} */ #token = null;
  /** The one that the server no longer took. @type {string | null} */ #expired = null;
  #failures = 0;
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {Welcome | null} */ #welcome = null;
  #welcomedAt = 0;
  /** @type {{ reconnectAfterMs?: number } | null} */ #goodbye = null;
  #probing = false;
  /** @type {AbortController | null} */ #pageEvents = null;
  /** @type {Entry[]} what the server has not answered for, oldest first */ #outbox = [];
  #frameBytes = Infinity; // Until a server tells its limit.
  /** What goes after a `rejected` that says “later”: nothing until all on the way is answered; then
   * the first of the rejected alone, to see whether it is taken now; then the others; and what is
   * newer only once these are answered.
   * @type {'free' | 'draining' | 'probing' | 'resending'} */ #flow = 'free';
  #rejections = 0; // In a row.
  #holdUntil = 0; // No send before this time: the server asked for patience.
  /** @type {number[]} the times of the latest sends and reads, at most `sendsPerSecond` */
  #sentAt = [];
  /** @type {string | null} the last offset whose handler has returned */ #handled = null;
  #recent = new RecentMessages();
  /** Messages that failed and of which no copy has come since. */ #failed = new RecentMessages();
  /** @type {string | null} the last offset that came on this connection */ #received = null;
  /** @type {string | null} the last offset acknowledged on this connection */ #acked = null;
  #unacked = 0;
  #ackAt = 0; // The next acknowledgement may go at this time.
  #reads = new Reads();
  #readsHoldUntil = 0; // As `#holdUntil`.
  #isReadsTurn = true;
  #requests = new Requests((frame) => this.#transmit(frame), (frame) => this.#rejected(frame));
  #signals = new Signals((frame) => this.#transmit(frame));
  #typing = new Typing((news) => this.#tell('typing', news));
  #stamp = 0; // The version of the positions that are known: what is newer is asked for.
  #highestStamp = 0; // Of this connection: positions that were lost begin again, perhaps below.
  /** @type {{ [name in 'silence' | 'reconnect' | 'send' | 'ack']?: number }} */
  #timers = {};

  /** @param {Options} options @throws {TypeError} where there is no WebSocket */
  constructor(options) {
    this.#options = options;
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (!this.#WebSocket) {
      throw new TypeError('There is no WebSocket here: give one as the option `WebSocket`. Node has '
        + 'its own from 22 on; before, that of the package `ws` will do.');
    }
    if (options.user) this.#becomes(options.user);
  }

  get state() { return this.#state; }
  /** The ids of the messages that the server has not answered for. Those of before a reload are
   * among them once the user is known. */
  get unanswered() { return this.#outbox.map(({ send }) => send.id); }

  /** Connects now: at first, after `stopped`, or instead of waiting any longer. */
  connect() {
    if (this.#state.phase === 'connecting' || this.#state.phase === 'online') return;
    this.#watchPage();
    this.#expired = null;
    this.#open();
  }

  /** Ends the connection. What is unanswered stays in the outbox. */
  close() {
    this.#ack();
    this.#pageEvents?.abort();
    this.#pageEvents = null;
    this.#reset();
    this.#enter({ phase: 'stopped', reason: 'closed', code: 1000, message: '' });
  }

  /**
   * Sends `body`, any JSON value, to the user `to`: now, or once there is a connection.
   * @param {string} to @param {any} body @param {SendOptions} options
   * @returns {string} the id by which `accepted`, `rejected`, `sent` and `failed` name it
   * @throws {TypeError} when no server would take it: `to` is not a user name, `body` is not JSON, or
   *   has half of a character
   * @throws {RangeError} when it is too large or nests too deep, or too much is unanswered already
   */
  send(to, body, { receipt, copy, quiet } = {}) {
    const id = newId();
    this.#enqueue({ id, to, body, receipt, copy, quiet }, false);
    return id;
  }

  /**
   * Sends again, as the newest, what `failed` or was rejected for good. It keeps its id, so
   * that it is stored once even if the server's operator delivers the first one after all.
   * @param {string} id @param {string} to @param {any} body @param {SendOptions} options
   * @throws {TypeError | RangeError} as `send`
   */
  sendAgain(id, to, body, { receipt, copy, quiet } = {}) {
    if (this.unanswered.includes(id)) return;
    this.#enqueue({ id, to, body, receipt, copy, quiet }, true);
  }

  /**
   * Says that the user has read the messages of `peer` up to `offset`, that of one of them: now, or
   * once there is a connection, and again until the server has answered by `position`.
   * @param {string} peer @param {string} offset
   * @param {{ private?: boolean }} options `private`: the peer is not told
   * @throws {TypeError} when `peer` is not a user name, or `offset` not an offset
   */
  read(peer, offset, { private: isPrivate = false } = {}) {
    if (!isUserName(peer)) throw new TypeError('The peer is not a user name.');
    if (!isOffset(offset)) throw new TypeError('The offset is not one of a message.');
    if (!this.#reads.keep({ peer, offset, private: isPrivate, id: newId() })) return;
    this.#saveReads();
    queueMicrotask(() => this.#pump());
  }

  /**
   * Asks for a part of the list of conversations, those with the newest message first.
   * @param {{ limit?: number, before?: string }} options `limit`: how many at most, 1 to 50;
   *   `before`: the `next` of the part before. A peer that an earlier part named is to be ignored.
   * @returns {Promise<ConversationPage>} or a `ConnectError`, as of any request
   */
  async conversations({ limit = 20, before } = {}) {
    return this.#requests.ask({ type: 'conversations', limit, before });
  }

  /**
   * Asks for a part of the mailbox, newest first. It moves nothing that is handled or read.
   * @param {{ with?: string, before?: string, limit?: number }} options `with`: whose conversation,
   *   else all; `before`: the `next` of the part before, or an offset; `limit`: 1 to 100
   * @returns {Promise<HistoryPage>}
   */
  async history({ with: peer, before, limit = 50 } = {}) {
    if (peer !== undefined && !isUserName(peer)) throw new TypeError('`with` is not a user name.');
    return this.#requests.ask({ type: 'history', with: peer, before, limit });
  }

  /** Asks once who of these users, at most 100, is online.
   * @param {string[]} users @returns {Promise<Users>} */
  async presence(users) {
    return (await this.#requests.ask({ type: 'presence', users: checkedUsers(users) })).users;
  }

  /** Watches who of these users, at most 100, is online, instead of those before; none, to watch
   * nobody. The handler `presence` is told.
   * @param {string[]} users @throws {TypeError | RangeError} */
  watchPresence(users) { this.#requests.watch(checkedUsers(users)); }

  /** The user is typing to `to`: to be called at each key.
   * @param {string} to @throws {TypeError} when it is not a user name */
  typing(to) {
    if (!isUserName(to)) throw new TypeError('The recipient is not a user name.');
    if (this.#signals.isOpen && this.#typing.typed(to)) this.signal(to, 'typing');
  }

  /** Passes something on to the devices of `to` that are connected now: never stored, and dropped
   * without a connection.
   * @param {string} to @param {string} name as of a message's id @param {any} [body] of at most
   *   2,048 bytes
   * @throws {TypeError | RangeError} */
  signal(to, name, body) {
    if (!isMessageID(name)) {
      throw new TypeError('The name of the signal is not one: 1 to 64 of A-Z a-z 0-9 . _ - :');
    }
    const sound = checked(to, body ?? null);
    const bytes = utf8Length(JSON.stringify(sound));
    if (bytes > LIMITS.signalBytes) throw new RangeError(tooLarge(bytes, LIMITS.signalBytes));
    this.#signals.say(
      { type: 'signal', to, name, ...(body !== undefined && { body: sound }) }, this.#frameBytes);
  }

  /** @param {Send} message @param {boolean} mayBeTaken */
  #enqueue(message, mayBeTaken) {
    // The app may change its own copy before this one goes out.
    const send = { ...message, body: checked(message.to, message.body) };
    const bytes = bytesOf(send);
    if (bytes > this.#frameBytes) throw new RangeError(tooLarge(bytes, this.#frameBytes));
    const total = this.#outbox.reduce((sum, entry) => sum + entry.bytes, bytes);
    if (this.#outbox.length >= LIMITS.outboxMessages || total > LIMITS.outboxBytes) {
      throw new RangeError('Too many messages are waiting to be sent.');
    }
    this.#outbox.push({ send, bytes, sent: false, rejected: false, mayBeTaken });
    this.#typing.sent(send.to);
    this.#saveOutbox();
    // Not before the caller has the id, or a handler could hear of one that it doesn't know yet.
    queueMicrotask(() => this.#pump());
  }

  /** What a message would take of `limits.frameBytes`.
   * @param {string} to @param {any} body @param {SendOptions} options */
  static frameBytes(to, body, { receipt, copy, quiet } = {}) {
    return bytesOf({ id: newId(), to, body, receipt, copy, quiet });
  }

  /** It is known whose this is: what is stored of theirs goes before what they wrote meanwhile.
   * @param {string} user */
  #becomes(user) {
    this.#user = user;
    // Nobody has the client yet while it is made.
    const later = queueMicrotask;
    const warn = (/** @type {string} */ code, /** @type {string} */ message) => (
      later(() => this.#warn(code, message)));
    this.#store = new Store(this.#options, user, warn);
    this.#handled = this.#store.load('handled', isOffset);
    this.#stamp = this.#store.load('positions', isCount) ?? 0;
    for (const read of this.#store.load('reads', Array.isArray) ?? []) {
      if (isUserName(read?.peer) && isOffset(read.offset) && isMessageID(read.id)) {
        this.#reads.keep(read);
      } else {
        warn('storage_damaged', 'a stored `read` is not what was written, and is dropped');
      }
    }
    this.#saveReads();
    /** @type {Map<string, Entry>} */ const stored = new Map();
    for (const item of this.#store.load('outbox', Array.isArray) ?? []) {
      const id = item?.id;
      if (!isMessageID(id)) {
        warn('storage_damaged', 'a stored message has no id, and is dropped');
        continue;
      }
      const { firstSent: time, ...send } = item;
      try {
        checked(send.to, send.body);
        const bytes = bytesOf(send);
        const firstSent = isCount(time) ? time : undefined;
        // Whether the server took it before the reload is unknown.
        stored.set(id, { send, bytes, sent: false, rejected: false, mayBeTaken: true, firstSent });
      } catch (error) {
        const { message } = /** @type {Error} */ (error);
        later(() => this.#tell('rejected', { id, code: 'malformed', message, retryable: false }));
      }
    }
    const written = this.#outbox.filter(({ send }) => !stored.has(send.id));
    this.#outbox = [...stored.values(), ...written];
    this.#saveOutbox();
  }

  // The connection

  async #open() {
    const epoch = this.#reset();
    this.#enter({ phase: 'connecting', failures: this.#failures });
    let opened = false;
    try {
      // As a text that is fetched may end with a line end.
      const token = String(await this.#options.token()).trim();
      if (epoch !== this.#epoch) return;
      const user = userOf(token);
      if (this.#user === null) this.#becomes(user);
      if (user !== this.#user) {
        // What this object holds was written by another, and is not to be sent in this one's name.
        const message = `the token is of another user than before: '${user}'`;
        return this.#enter({ phase: 'stopped', reason: 'user', code: EXPIRED, message });
      }
      if (token === this.#expired) {
        const message = 'the token has expired, and there is no other';
        return this.#enter({ phase: 'stopped', reason: 'expired', code: EXPIRED, message });
      }
      this.#token = token;
      // A page can set no headers, and URLs get logged: the token is offered as a subprotocol.
      const protocols = ['connect.v1.json', `connect.bearer.${token}`];
      const socket = new this.#WebSocket(this.#address(), protocols);
      socket.onerror = () => {}; // `onclose` follows.
      socket.onopen = () => { opened = true; };
      socket.onmessage = ({ data }) => { if (epoch === this.#epoch) this.#receive(data); };
      socket.onclose = ({ code, reason }) => {
        if (epoch === this.#epoch) this.#lost(code, reason, opened);
      };
      this.#socket = socket;
      const late = () => this.#lost(LOST, 'no welcome in time', opened);
      this.#timers.silence = setTimeout(late, LIMITS.welcomeMs);
    } catch (error) {
      if (epoch === this.#epoch) this.#lost(LOST, String(error), opened);
    }
  }

  /** By hand, since not every place without a page has all of `URL`. */
  #address() {
    const { url, device = 'default' } = this.#options;
    const [address] = url.split('#');
    const query = `device=${encodeURIComponent(device)}&positions=${this.#stamp}`;
    const since = this.#handled ? `&since=${this.#handled}` : '';
    return `${address}${address.includes('?') ? '&' : '?'}${query}${since}`;
  }

  /** Forgets the connection; all that it left unanswered is due again. */
  #reset() {
    Object.values(this.#timers).forEach(clearTimeout);
    this.#timers = {};
    this.#socket?.close(1000);
    this.#socket = null;
    this.#welcome = null;
    this.#goodbye = null;
    this.#probing = false;
    this.#flow = 'free';
    this.#rejections = 0;
    this.#holdUntil = this.#readsHoldUntil = 0;
    this.#reads.reset();
    this.#requests.disconnected();
    this.#signals.disconnected();
    for (const entry of this.#outbox) {
      entry.mayBeTaken ||= entry.sent;
      entry.sent = entry.rejected = false;
    }
    return ++this.#epoch;
  }

  /** @param {number} code @param {string} message @param {boolean} opened */
  #lost(code, message, opened = true) {
    const goodbye = this.#goodbye;
    const stable = this.#welcome && performance.now() - this.#welcomedAt >= LIMITS.stableMs;
    const failures = this.#failures = stable ? 0 : this.#failures + 1;
    this.#reset();
    const reason = STOPS.get(code);
    if (reason) return this.#enter({ phase: 'stopped', reason, code, message });
    if (code === EXPIRED) this.#expired = this.#token;
    const pauseMs = code === 1008 ? LIMITS.pauseMs + backoffMs(failures) : undefined;
    const askedMs = asked(goodbye?.reconnectAfterMs) ?? pauseMs;
    const delayMs = askedMs ?? backoffMs(failures);
    this.#timers.reconnect = setTimeout(() => this.#open(), delayMs);
    const until = performance.now() + delayMs;
    const isAsked = askedMs !== undefined;
    this.#enter({ phase: 'waiting', until, asked: isAsked, failures, opened, code, message });
  }

  /** @param {State} state */
  #enter(state) {
    this.#state = state;
    if (state.phase === 'stopped') {
      this.#requests.end(`The client has stopped: ${state.message || state.reason}.`);
      this.#typing.end();
    }
    this.#tell('state', state);
  }

  /** The network or the page changed: try or probe at once, but keep a pause that was asked for. */
  #watchPage() {
    if (this.#pageEvents) return;
    this.#pageEvents = new AbortController();
    const { signal } = this.#pageEvents;
    // A worker has no document, and other places have no such events at all.
    const { document } = globalThis;
    const wake = (/** @type {Event} */ { type }) => {
      if (type === 'visibilitychange' && document.hidden) return;
      if (this.#state.phase === 'online') this.#probe();
      if (this.#state.phase === 'waiting' && !this.#state.asked) this.#open();
    };
    document?.addEventListener?.('visibilitychange', wake, { signal });
    for (const name of ['online', 'offline']) {
      globalThis.addEventListener?.(name, wake, { signal });
    }
    globalThis.addEventListener?.('pagehide', () => this.#ack(), { signal });
  }

  /** Something came, so the line is alive: the next probe is a whole silence away. */
  #heard() {
    if (!this.#socket) return; // A handler has closed the client.
    this.#probing = false;
    clearTimeout(this.#timers.silence);
    const silenceMs = (this.#welcome?.pingSeconds ?? 25) * 1000;
    this.#timers.silence = setTimeout(() => this.#probe(), silenceMs);
  }

  /** The server's own pings never reach a page, so a silent line is tested with one of ours. */
  #probe() {
    if (this.#probing) return;
    this.#probing = true;
    this.#transmit({ type: 'ping' });
    clearTimeout(this.#timers.silence);
    this.#timers.silence = setTimeout(() => this.#lost(LOST, 'no pong in time'), LIMITS.pongMs);
  }

  // Receiving

  /** @param {string} text */
  #receive(text) {
    const frame = JSON.parse(text);
    if (frame.type === 'welcome') this.#begin(frame);
    this.#heard();
    switch (frame.type) {
      case 'welcome': case 'pong': return;
      case 'live':
        if (!this.#welcome) return;
        this.#learn(this.#welcome.positions);
        return this.#enter({ phase: 'online', live: true, welcome: this.#welcome });
      case 'accepted':
        this.#rejections = 0;
        if (this.#settle(frame.id)) this.#tell('accepted', frame);
        return;
      case 'position': return this.#position(frame);
      case 'conversations': case 'history':
        this.#requests.answered(frame);
        return;
      case 'presence':
        if (this.#requests.answered(frame)) this.#tell('presence', frame.users);
        return;
      case 'signal':
        if (frame.name === 'typing') this.#typing.received(frame);
        else this.#tell('signal', frame);
        return;
      case 'rejected': return this.#rejected(frame);
      case 'goodbye':
        this.#goodbye = frame;
        this.#requests.disconnected();
        this.#signals.disconnected();
        return;
      case 'error': return this.#tell('error', frame);
      default:
        // A later version may add types: what has an offset is acknowledged, known or not.
        if (typeof frame.offset === 'string') this.#handle(frame);
    }
  }

  /** @param {Welcome} welcome */
  #begin(welcome) {
    this.#welcome = welcome;
    this.#welcomedAt = performance.now();
    this.#frameBytes = welcome.limits.frameBytes;
    if (this.#handled && compareOffsets(welcome.offset, this.#handled) < 0) {
      // It was asked to begin there, and has begun again: its Redis is not the one that was, or has
      // another clock. What it sends stands below what was handled, and is new nevertheless.
      this.#handled = null;
      this.#store?.save('handled', null);
    }
    this.#received = this.#acked = welcome.offset;
    this.#unacked = 0;
    this.#ackAt = 0;
    this.#highestStamp = 0;
    this.#typing.connected();
    this.#signals.connected(welcome.limits);
    this.#requests.connected(welcome.limits);
    this.#enter({ phase: 'online', live: false, welcome });
    this.#pump();
  }

  /** The server's clock, in whole milliseconds since 1970, counted on by one that does not step. */
  #serverNow() {
    return Math.floor((this.#welcome?.now ?? 0) + performance.now() - this.#welcomedAt);
  }

  /** @param {{ type: string, offset: string, peerOffset?: string, from?: string, to?: string,
   *    id?: string }} frame one of the mailbox */
  #handle(frame) {
    const { type, offset, peerOffset, from, to, id } = frame;
    if (!this.#handled || compareOffsets(offset, this.#handled) > 0) {
      const key = type === 'message' ? `${from} ${id}`
        : type === 'sent' ? `${to} ${id} ${peerOffset}` : '';
      const isRevocation = type === 'sent' && this.#failed.has(`${to} ${id}`);
      try {
        if (!this.#recent.has(key) || isRevocation) {
          // A copy can overtake the answer to its message. It is an answer too.
          if (type === 'sent' && this.#settle(id)) {
            this.#tell('accepted', { type: 'accepted', id, offset: peerOffset });
          }
          if (type === 'message') this.#typing.message(/** @type {any} */ (frame));
          this.#options.on?.[/** @type {'message'} */ (type)]?.(/** @type {any} */ (frame));
        }
      } catch (error) {
        report(error);
        return this.#lost(LOST, 'a handler failed');
      }
      if (key) this.#recent.add(key);
      if (type === 'failed') this.#failed.add(`${to} ${id}`);
      if (isRevocation) this.#failed.delete(`${to} ${id}`);
      this.#handled = offset;
      this.#store?.save('handled', offset);
    }
    // A repeat is acknowledged too: its acknowledgement was lost with the connection before, and
    // the server sends only so much without one.
    this.#received = offset;
    this.#unacked += 1;
    // At half of what may stand unacknowledged, so that the server need not stop and wait.
    const most = Math.min(LIMITS.ackEveryFrames, (this.#welcome?.limits.unacked ?? 2) / 2);
    const waitMs = this.#ackAt - performance.now();
    if (waitMs <= 0 || this.#unacked >= most) return this.#ack();
    this.#timers.ack ??= setTimeout(() => this.#ack(), waitMs);
  }

  /** @param {Position} frame */
  #position(frame) {
    try {
      this.#options.on?.position?.(frame);
    } catch (error) {
      report(error);
      return this.#lost(LOST, 'a handler failed');
    }
    this.#learn(frame.stamp);
    if (frame.id && this.#reads.settle(frame.id)) {
      this.#rejections = 0;
      this.#saveReads();
    }
  }

  /** All positions up to this stamp are known. @param {number} stamp */
  #learn(stamp) {
    this.#stamp = this.#highestStamp = Math.max(this.#highestStamp, stamp);
    this.#store?.save('positions', this.#stamp);
  }

  /** Acknowledges all that came: the first of a burst at once, the rest coalesced. */
  #ack() {
    clearTimeout(this.#timers.ack);
    this.#timers.ack = undefined;
    if (!this.#welcome || !this.#received || this.#received === this.#acked) return;
    this.#transmit({ type: 'ack', offset: this.#received });
    this.#acked = this.#received;
    this.#unacked = 0;
    this.#ackAt = performance.now() + LIMITS.ackEveryMs;
  }

  /** @param {keyof Handlers} name @param {any} value */
  #tell(name, value) {
    try {
      this.#options.on?.[name]?.(value);
    } catch (error) {
      report(error);
    }
  }

  /** @param {string} code @param {string} message */
  #warn(code, message) {
    if (this.#options.on?.error) this.#tell('error', { code, message });
    else console.warn('Connect:', code, message);
  }

  // Sending

  /** Sends and says what is due, in order and no faster than the server allows. */
  #pump() {
    clearTimeout(this.#timers.send);
    if (!this.#welcome || this.#goodbye) return;
    const { frameBytes, sendsPerSecond } = this.#welcome.limits;
    let isDated = false;
    for (;;) {
      const now = performance.now();
      const read = this.#reads.next;
      const entry = this.#next();
      if (!read && !entry) break;
      const readAt = read ? this.#readsHoldUntil : Infinity;
      const sendAt = entry ? this.#holdUntil : Infinity;
      // 0 means no limit.
      const earlier = sendsPerSecond > 0 ? this.#sentAt.at(-sendsPerSecond) : undefined;
      const paceAt = (earlier ?? -Infinity) + LIMITS.paceMs;
      const dueAt = Math.max(Math.min(readAt, sendAt), paceAt);
      if (dueAt > now) {
        this.#timers.send = setTimeout(() => this.#pump(), dueAt - now);
        break;
      }
      // In turn, so that neither waits for all of the other.
      if (read && readAt <= now && (this.#isReadsTurn || sendAt > now)) {
        this.#reads.said(read);
        this.#transmit({ type: 'read', ...read });
        this.#isReadsTurn = false;
      } else if (entry) {
        if (entry.bytes > frameBytes) {
          // Sending it would cost the connection (1009), and again after each reconnect.
          const { id } = entry.send;
          const message = tooLarge(entry.bytes, frameBytes);
          return this.#rejected({ id, code: 'too_large', message, retryable: false });
        }
        if (!entry.mayBeTaken && entry.firstSent === undefined) {
          entry.firstSent = this.#serverNow();
          isDated = true;
        }
        this.#socket?.send(encode(entry.send, entry.mayBeTaken && (entry.firstSent ?? true)));
        entry.sent = true;
        this.#isReadsTurn = true;
      }
      this.#sentAt = sendsPerSecond > 0 ? [...this.#sentAt, now].slice(-sendsPerSecond) : [];
    }
    if (isDated) this.#saveOutbox();
  }

  /** @returns {Entry | undefined} the message whose turn it is; see `#flow` */
  #next() {
    const rejected = this.#outbox.filter((entry) => entry.rejected);
    const isAnswered = !this.#outbox.some(({ sent }) => sent);
    if (!rejected.length) this.#flow = 'free';
    else if (this.#flow === 'draining' && isAnswered) this.#flow = 'probing';
    const inTurn = {
      free: this.#outbox, draining: [], probing: rejected.slice(0, 1), resending: rejected,
    };
    return inTurn[this.#flow].find(({ sent }) => !sent);
  }

  /** @param {Rejected} frame */
  #rejected(frame) {
    const waitMs = () => asked(frame.retryAfterMs) ?? backoffMs(this.#rejections++);
    const request = this.#requests.rejected(frame, waitMs);
    if (request === 'taken') return;
    if (request === 'watch' || this.#signals.rejected(frame, waitMs)) {
      if (!frame.retryable) this.#warn(frame.code, frame.message);
      return;
    }
    if (frame.retryable && this.#reads.retry(frame.id)) {
      const delayMs = asked(frame.retryAfterMs) ?? backoffMs(this.#rejections++);
      this.#readsHoldUntil = Math.max(this.#readsHoldUntil, performance.now() + delayMs);
      return this.#pump();
    }
    if (this.#reads.settle(frame.id)) {
      this.#saveReads();
      return this.#warn(frame.code, frame.message);
    }
    const entry = this.#outbox.find(({ send }) => send.id === frame.id);
    if (!entry) return; // A `read` that a further one has replaced, or a message that came as `sent`.
    if (frame.retryable) {
      entry.sent = false;
      entry.rejected = true;
      entry.mayBeTaken ||= !UNTRIED.has(frame.code);
      this.#flow = 'draining';
      const delayMs = asked(frame.retryAfterMs) ?? backoffMs(this.#rejections++);
      this.#holdUntil = Math.max(this.#holdUntil, performance.now() + delayMs);
      this.#pump();
    } else {
      this.#settle(frame.id);
    }
    this.#tell('rejected', frame);
  }

  /** @param {string | undefined} id @returns {boolean} whether it was in the outbox */
  #settle(id) {
    const index = this.#outbox.findIndex(({ send }) => send.id === id);
    if (index < 0) return false;
    const [{ sent }] = this.#outbox.splice(index, 1);
    this.#saveOutbox();
    if (sent && this.#flow === 'probing') this.#flow = 'resending';
    this.#pump();
    return true;
  }

  /** @param {object} frame */
  #transmit(frame) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(frame)); // It is open.
  }

  #saveOutbox() {
    const items = this.#outbox.map(({ send, firstSent }) => ({ ...send, firstSent }));
    this.#store?.save('outbox', items);
  }

  #saveReads() { this.#store?.save('reads', this.#reads.all); }
}
