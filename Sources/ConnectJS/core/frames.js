// @ts-check
import { systemClock } from './clock.js';
import { Connection } from './connection.js';
import { AppHandlers } from './handlers.js';
import { Mailbox } from './mailbox.js';
import { Requests } from './requests.js';
import { Sender } from './sender.js';
import { Signals } from './signals.js';
import { Stamp } from './stamp.js';
import { StoredState } from './stored.js';
import { Typing } from './typing.js';
import {
  asked, backoffMs, bytesOf, checked, checkedUsers, isMessageID, isOffset, isUserName, newId, report,
  tooLarge,
} from './values.js';

/** @typedef {import('./types.js').ConversationPage} ConversationPage */
/** @typedef {import('./types.js').HistoryPage} HistoryPage */
/** @typedef {import('./types.js').Options} Options */
/** @typedef {import('./types.js').Position} Position */
/** @typedef {import('./types.js').Rejected} Rejected */
/** @typedef {import('./types.js').Send} Send */
/** @typedef {import('./types.js').SendOptions} SendOptions */
/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').Users} Users */
/** @typedef {import('./types.js').Welcome} Welcome */

/**
 * The reference JavaScript client of Connect (`connect.v1.json`). It knows nothing of any page, and
 * runs without one: in a worker, in React Native, in Node (before 22 with the option `WebSocket`).
 *
 *     const client = new FrameClient({
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
 *   is asked for each connection. Where reconnecting would be wrong (the token expired and there is
 *   no other, the device is connected elsewhere) it stops with a reason, and `connect()` tries again.
 * - Storage: what is kept belongs to one user, device and server, so that who signs in next in the
 *   same tab neither sends nor skips anything of theirs. One object is for one user: make another
 *   after another sign-in. The token names the user, or the option `user`, without which what
 *   is written before the first token is kept in memory only. A storage that is full or damaged is
 *   told by `error` (`storage_full`, `storage_damaged`), and everything goes on without.
 */
export class FrameClient {
  /** @type {Options} */ #options;
  /** @type {string | null} whose this is, once that is known */ #user = null;
  /** @type {StoredState | null} */ #store = null;
  #frameBytes = Infinity; // Until a server tells its limit.
  #rejections = 0; // In a row.
  #handlers;
  /** @type {Connection} */ #connection;
  #mailbox;
  #sender;
  #requests;
  #signals;
  #typing;
  #stamp = new Stamp();

  /** @param {Options} options @throws {TypeError} where there is no WebSocket */
  constructor(options) {
    this.#options = options;
    this.#handlers = new AppHandlers(options.on ?? {});
    const clock = options.clock ?? systemClock;
    this.#connection = new Connection(options, clock, {
      isOf: (user) => {
        if (this.#user === null) this.#becomes(user);
        return user === this.#user;
      },
      query: () => this.#query(),
      welcomed: (welcome) => this.#begin(welcome),
      receive: (frame) => this.#receive(frame),
      disconnected: () => this.#disconnected(),
      entered: (state) => this.#entered(state),
      leave: () => this.#mailbox.flush(),
    });
    const transmit = (/** @type {object} */ frame) => this.#connection.transmit(frame);
    this.#mailbox = new Mailbox(options.holdsAcks === true, transmit, clock);
    const send = (/** @type {string} */ text) => this.#connection.send(text);
    this.#sender = new Sender(send, (frame) => this.#rejected(frame), clock);
    this.#requests = new Requests(transmit, (frame) => this.#rejected(frame), clock);
    this.#signals = new Signals(transmit, clock);
    this.#typing = new Typing((news) => this.#handlers.tell('typing', news), clock);
    if (options.user) this.#becomes(options.user);
  }

  get state() { return this.#connection.state; }
  /** The ids of the messages that the server has not answered for. Those of before a reload are
   * among them once the user is known. */
  get unanswered() { return this.#sender.ids; }
  /** The same, as they are sent. @returns {Send[]} */
  get outbox() { return this.#sender.sends; }

  /** Connects now: at first, after `stopped`, or instead of waiting any longer. While it is online, asks
   * whether the line is still alive, which a device that has slept does not know. */
  connect() { this.#connection.connect(); }

  /** Ends the connection. What is unanswered stays in the outbox. */
  close() {
    this.#mailbox.flush();
    this.#connection.close();
  }

  /**
   * Sends `body`, any JSON value, to the user `to`: now, or once there is a connection.
   * @param {string} to @param {any} body @param {SendOptions} options
   * @returns {string} the id by which `accepted`, `rejected`, `sent` and `failed` name it
   * @throws {TypeError} when no server would take it: `to` is not a user name, `body` is not JSON, or
   *   has half of a character
   * @throws {RangeError} when it is too large or nests too deep, or too much is unanswered already
   */
  send(to, body, { receipt, copy, quiet, id = newId() } = {}) {
    if (!isMessageID(id)) throw new TypeError('The id is not one: 1 to 64 of A-Z a-z 0-9 . _ : -');
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
    this.#sender.read({ peer, offset, private: isPrivate, id: newId() });
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
    this.#signals.say(to, name, body, this.#frameBytes);
  }

  /** @param {Send} message @param {boolean} mayBeTaken */
  #enqueue(message, mayBeTaken) {
    // The app may change its own copy before this one goes out.
    const send = { ...message, body: checked(message.to, message.body) };
    const bytes = bytesOf(send);
    if (bytes > this.#frameBytes) throw new RangeError(tooLarge(bytes, this.#frameBytes));
    this.#sender.add(send, bytes, mayBeTaken);
    this.#typing.sent(send.to);
    // Not before the caller has the id, or a handler could hear of one that it doesn't know yet.
    queueMicrotask(() => this.#sender.pump());
  }

  /** With the option `holdsAcks`: what was told up to `offset` is handled.
   * @param {string} offset of an entry, as a handler was given it */
  acknowledge(offset) {
    this.#mailbox.acknowledge(offset);
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
      later(() => this.#handlers.warn(code, message)));
    this.#store = new StoredState(this.#options, user, warn);
    this.#mailbox.restore(this.#store);
    this.#stamp.restore(this.#store);
    const refuse = (/** @type {Rejected} */ frame) => later(() => this.#handlers.tell('rejected', frame));
    this.#sender.restore(this.#store, warn, refuse);
  }

  // What the connection tells

  #query() {
    const { device = 'default' } = this.#options;
    const handled = this.#mailbox.since();
    return `device=${encodeURIComponent(device)}&positions=${this.#stamp.known}`
      + `${handled ? `&since=${handled}` : ''}`;
  }

  /** All that the connection left unanswered is due again. */
  #disconnected() {
    this.#rejections = 0;
    this.#requests.disconnected();
    this.#signals.disconnected();
    this.#sender.disconnected();
    this.#mailbox.disconnected();
  }

  /** @param {State} state */
  #entered(state) {
    if (state.phase === 'stopped') {
      this.#requests.end(`The client has stopped: ${state.message || state.reason}.`);
      this.#typing.end();
    }
    this.#handlers.tell('state', state);
  }

  /** @param {any} frame */
  #receive(frame) {
    switch (frame.type) {
      case 'live': {
        const { welcome } = this.#connection;
        if (!welcome) return;
        this.#stamp.learn(welcome.positions);
        return this.#connection.enter({ phase: 'online', live: true, welcome });
      }
      case 'accepted':
        this.#rejections = 0;
        if (this.#sender.settle(frame.id)) this.#handlers.tell('accepted', frame);
        return;
      case 'position': return this.#position(frame);
      case 'conversations': case 'history':
        this.#requests.answered(frame);
        return;
      case 'presence':
        if (this.#requests.answered(frame)) this.#handlers.tell('presence', frame.users);
        return;
      case 'signal':
        if (frame.name === 'typing') this.#typing.received(frame);
        else this.#handlers.tell('signal', frame);
        return;
      case 'rejected': return this.#rejected(frame);
      case 'goodbye':
        this.#sender.closing();
        this.#requests.disconnected();
        this.#signals.disconnected();
        return;
      case 'error': return this.#handlers.tell('error', frame);
      default:
        // A later version may add types: what has an offset is acknowledged, known or not.
        if (typeof frame.offset === 'string') this.#handle(frame);
    }
  }

  /** @param {Welcome} welcome */
  #begin(welcome) {
    this.#frameBytes = welcome.limits.frameBytes;
    if (this.#mailbox.begin(welcome)) this.#handlers.tell('restart', welcome);
    this.#stamp.begin();
    this.#typing.connected();
    this.#sender.connected(welcome.limits, () => this.#connection.serverNow);
    this.#signals.connected(welcome.limits);
    this.#requests.connected(welcome.limits);
    this.#connection.enter({ phase: 'online', live: false, welcome });
    this.#sender.pump();
  }

  /** @param {import('./mailbox.js').Frame} frame */
  #handle(frame) {
    try {
      this.#mailbox.take(frame, (/** @type {any} */ news) => {
        const { type, id, peerOffset } = news;
        // A copy can overtake the answer to its message. It is an answer too.
        if (type === 'sent' && this.#sender.settle(id)) {
          this.#handlers.tell('accepted', { type: 'accepted', id, offset: peerOffset });
        }
        if (type === 'message') this.#typing.message(news);
        this.#handlers.give(/** @type {'message'} */ (type), news);
      });
    } catch (error) {
      report(error);
      this.#connection.lost('a handler failed');
    }
  }

  /** @param {Position} frame */
  #position(frame) {
    try {
      this.#handlers.give('position', frame);
    } catch (error) {
      report(error);
      return this.#connection.lost('a handler failed');
    }
    this.#stamp.learn(frame.stamp);
    if (frame.id && this.#sender.settleRead(frame.id)) this.#rejections = 0;
  }

  /** @param {Rejected} frame */
  #rejected(frame) {
    const waitMs = () => asked(frame.retryAfterMs) ?? backoffMs(this.#rejections++);
    const request = this.#requests.rejected(frame, waitMs);
    if (request === 'taken') return;
    if (request === 'watch' || this.#signals.rejected(frame, waitMs)) {
      if (!frame.retryable) this.#handlers.warn(frame.code, frame.message);
      return;
    }
    const kind = this.#sender.rejected(frame, waitMs);
    if (kind === 'read') this.#handlers.warn(frame.code, frame.message);
    if (kind !== 'message') return;
    this.#handlers.tell('rejected', frame);
  }
}
