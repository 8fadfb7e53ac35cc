// @ts-check
import { systemClock } from '../core/clock.js';
import { ConnectError } from '../core/errors.js';
import { FrameClient } from '../core/frames.js';
import { checked, isOffset, isUserName, newId } from '../core/values.js';
import { Keeper } from '../store/keeper.js';
import { MemoryStore } from '../store/memory.js';
import { forgetNameOfTab, nameOfTab } from '../store/tabname.js';
import { BOUNDS } from './bounds.js';
import { Conversation } from './conversation.js';
import { ConversationList } from './list.js';
import { Observable, Turn } from './observable.js';
import { reaches } from './record.js';
import { loadInto } from './loading.js';
import { Watch } from './watch.js';

/** @typedef {import('../core/types.js').State} State */
/** @typedef {import('../store/keeper.js').Store} Store */
/** `user` is whom the tokens are of. `device` is a name that is kept: without one, one is made up and
 * kept in the store; `default` where there is none. `store` is in memory unless it is given.
 * @typedef {{ url: string, user: string, device?: string, token: () => string | Promise<string>,
 *   store?: Store, WebSocket?: typeof WebSocket,
 *   clock?: import('../core/clock.js').Clock }} ClientOptions */

const newDeviceName = () => `js-${newId().slice(0, 16)}`;
const isDeviceName = (/** @type {any} */ it) => typeof it === 'string' && /^[\w.-]{1,64}$/.test(it);

/**
 * The chats of one user on one device: conversations, which are there offline too, and stay up to date
 * while it is connected. Events: `state`, `error`, `signal`, and `change` of the state.
 */
export class ConnectClient extends Observable {
  #options;
  #clock;
  #turn = new Turn();
  #keeper;
  /** @type {Map<string, Conversation>} */ #byUser = new Map();
  #list;
  #watch;
  /** @type {FrameClient | null} */ #frames = null;
  /** @type {State} */ #state = { phase: 'stopped', reason: 'closed', code: 1000, message: '' };
  /** @type {string | undefined} how far is read where there is no position */ #floor;
  /** Before the store is open. @type {(() => void)[]} */ #early = [];
  #order = 0;
  /** @type {Map<string, string>} the peers of what waits, by id */ #peers = new Map();
  /** Who is typing. @type {Set<string>} */ #typing = new Set();
  #hasRestarted = false; // On this connection.
  #isConnecting = false;
  /** Another tab may have the name of this device. */ #leaveName = () => {};
  /** @type {Promise<void> | undefined} */ #closing;
  /** @type {Promise<void>} */ #opened;

  /** @param {ClientOptions} options @throws {TypeError} */
  constructor(options) {
    super();
    const { url, user, token, store, WebSocket = globalThis.WebSocket } = options;
    if (!/^wss?:\/\//.test(url)) throw new TypeError('`url` does not begin with wss:// or ws://.');
    if (!isUserName(user)) throw new TypeError('`user` is not a user name: whom the tokens are of.');
    if (typeof token !== 'function') throw new TypeError('`token` is not a function.');
    if (!WebSocket) {
      throw new TypeError('There is no WebSocket here: give one as the option `WebSocket`. Node has '
        + 'its own from 22 on; before, that of the package `ws` will do.');
    }
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const report = (/** @type {string} */ code, /** @type {string} */ message) => (
      this.#report(code, message));
    this.#keeper = new Keeper(
      store ?? new MemoryStore(), this.#clock, report, () => this.#turn.flush());
    this.#watch = new Watch(user, (users) => this.#frames?.watchPresence(users));
    const observed = () => this.#watchSoon();
    this.#list = new ConversationList({
      all: () => this.#byUser.values(), with: (peer) => this.conversation(peer),
      ask: (request) => this.#asked((frames) => frames.conversations(request)),
      keep: (key, value) => this.#keeper.set(key, value),
      isLive: () => this.#state.phase === 'online' && this.#state.live,
      observed, mark: () => this.#turn.mark(this.#list), report, clock: this.#clock,
    });
    this.#context = this.#contextOf(user, observed);
    this.#opened = this.#open();
  }

  /** @type {import('./conversation.js').Context} */ #context;

  /** Whom it is of. */
  get user() { return this.#options.user; }
  /** The state of the connection. */
  get state() { return this.#state; }
  /** The list of conversations. */
  get conversations() { return this.#list; }
  /** Fulfilled once what the store holds is in the conversations. It never fails: a store that cannot
   * be read is told by `error`. */
  get opened() { return this.#opened; }

  /** The conversation with a user: always the same object.
   * @param {string} user @throws {TypeError} when it is not a user name */
  conversation(user) {
    if (!isUserName(user)) {
      throw new TypeError('It is not a user name: 1 to 128 of A-Z a-z 0-9 . _ - @ + :');
    }
    const known = this.#byUser.get(user);
    if (known) return known;
    const conversation = new Conversation(this.#context, user);
    this.#byUser.set(user, conversation);
    if (this.#typing.has(user)) conversation.types(true);
    return conversation;
  }

  /** Connects now, once the store is open: at first, after `stopped`, or instead of waiting longer.
   * While it is online, asks whether the line is still alive: as an app comes to the foreground.
   * @returns {Promise<void>} fulfilled when the store is open
   * @throws {ConnectError} when it was closed */
  connect() {
    if (this.#closing) throw new ConnectError('closed', 'The client was closed: make another one.');
    this.#isConnecting = true;
    if (this.#frames) this.#frames.connect();
    else this.#enter({ phase: 'connecting', failures: 0 });
    return this.#opened;
  }

  /** Ends everything: the connection, the store, iterators and promises. What was not sent is in the
   * store, and is sent at the next start.
   * @param {{ forget?: boolean }} options `forget`: what the store holds of this user is removed, as
   *   when they sign out; what could not be removed is told by `error`
   * @returns {Promise<void>} fulfilled when all is stored, or removed */
  close({ forget = false } = {}) {
    this.#closing ??= this.#close(forget);
    return this.#closing;
  }

  /** Passes something on to the devices of a user that are connected now. See `FrameClient.signal`.
   * @param {string} to @param {string} name @param {any} [body]
   * @throws {TypeError | RangeError} */
  signal(to, name, body) { this.#frames?.signal(to, name, body); }

  async #open() {
    const { device } = this.#options;
    const values = await this.#keeper.open(this.#owner);
    const name = device ?? this.#madeUp(values.get('device')) ?? await this.#nameOfTab();
    if (!device && name !== values.get('device')) this.#keeper.set('device', name);
    this.#floor = isOffset(values.get('floor')) ? values.get('floor') : undefined;
    this.#list.load(values.get('list'));
    const { order, orphans } = loadInto(values, {
      conversation: (peer) => this.conversation(peer),
      report: (code, message) => this.#report(code, message),
    });
    // What was written before stands behind what waits in the store, as in the outbox.
    for (const [id, peer] of this.#peers) this.conversation(peer).own.writtenAfter(order, id);
    this.#order += order;
    for (const key of orphans) this.#keeper.set(key, undefined);
    if (orphans.some((key) => key.startsWith('conversation/'))) this.#list.isDue();
    this.#frames = this.#framesOf(name, values);
    for (const send of this.#early.splice(0)) send();
    this.#keeper.begin();
    // Behind what it finds wrong with its own part of the store.
    await undefined;
    this.#compare(this.#frames);
    this.#turn.flush();
    if (this.#isConnecting && !this.#closing) this.#frames.connect();
  }

  /** Whose the values in the store are. */
  get #owner() {
    const { url, user, device } = this.#options;
    return [url.split(/[?#]/)[0], user, ...(device ? [device] : [])].join(' ');
  }

  /** The name of a device that was given none; undefined where another client has the store.
   * @param {any} kept that of the store */
  #madeUp(kept) {
    if (isDeviceName(kept)) return kept;
    if (!this.#options.store) return 'default';
    return this.#keeper.isGone ? undefined : newDeviceName();
  }

  async #nameOfTab() {
    const { name, leave } = await nameOfTab(this.#owner, newDeviceName, isDeviceName);
    this.#leaveName = leave;
    return name;
  }

  /** @param {string} device @param {Map<string, any>} values */
  #framesOf(device, values) {
    const { url, user, token, WebSocket } = this.#options;
    const keyOf = (/** @type {string} */ key) => `frames/${key.slice(key.lastIndexOf('/') + 1)}`;
    const storage = {
      getItem: (/** @type {string} */ key) => values.get(keyOf(key)) ?? null,
      setItem: (/** @type {string} */ key, /** @type {string} */ text) => {
        this.#keeper.set(keyOf(key), text);
        const handled = keyOf(key) === 'frames/handled' ? JSON.parse(text) : null;
        // What was told up to there is set, too: it is kept together.
        if (handled) this.#keeper.whenKept(() => this.#frames?.acknowledge(handled));
      },
    };
    /** @type {FrameClient} */
    const frames = new FrameClient({
      url, user, device, token, WebSocket, storage, clock: this.#clock, holdsAcks: true,
      on: this.#handlers(),
    });
    return frames;
  }

  /** What waits and what is in the outbox is the same; where it is not, something was damaged.
   * @param {FrameClient} frames */
  #compare(frames) {
    const unanswered = new Set(frames.unanswered);
    for (const conversation of this.#byUser.values()) {
      for (const id of conversation.own.waiting) {
        if (unanswered.has(id)) this.#peers.set(id, conversation.peer.user);
        else conversation.own.refused(id, 'lost', 'It is not known whether this was sent.');
      }
    }
    for (const send of frames.outbox) {
      this.#peers.set(send.id, send.to);
      this.conversation(send.to).own.adopt(send);
    }
  }

  /** @returns {import('../core/types.js').Handlers} */
  #handlers() {
    const peerOf = (/** @type {string} */ id) => {
      const peer = this.#peers.get(id);
      this.#peers.delete(id);
      return peer === undefined ? undefined : this.conversation(peer);
    };
    return {
      state: (state) => this.#enter(state),
      restart: () => {
        this.#hasRestarted = true;
        for (const conversation of this.#byUser.values()) conversation.restarted();
        this.#list.isDue();
      },
      message: (frame) => this.conversation(frame.from).took(frame),
      sent: (frame) => this.conversation(frame.to).copied(frame),
      failed: (frame) => this.conversation(frame.to).lost(/** @type {any} */ (frame)),
      accepted: ({ id, offset }) => peerOf(id)?.own.accepted(id, offset),
      rejected: ({ id, code, message, retryable }) => {
        if (!retryable) peerOf(id)?.own.refused(id, code, message);
      },
      position: ({ peer, floor, delivered, read, mine }) => {
        this.#raise(floor);
        this.conversation(peer).moved({ delivered, read, mine });
      },
      // Anybody may type: that alone makes no conversation.
      typing: ({ from, isTyping }) => {
        if (isTyping) this.#typing.add(from);
        else this.#typing.delete(from);
        this.#byUser.get(from)?.types(isTyping);
      },
      signal: (frame) => this.emit('signal', frame),
      presence: (users) => {
        for (const [user, status] of Object.entries(users)) this.conversation(user).is(status);
      },
      error: ({ code, message }) => this.#report(code, message),
    };
  }

  /** @param {string} user @param {() => void} observed
   * @returns {import('./conversation.js').Context} */
  #contextOf(user, observed) {
    const client = this;
    return {
      user,
      get floor() { return client.#floor; },
      get isListPartial() { return client.#list.isPartial; },
      keep: (key, value) => this.#keeper.set(key, value),
      mark: (conversation) => {
        this.#turn.mark(conversation);
        this.#list.changed();
        if (this.#list.observers) observed();
      },
      order: () => { this.#order += 1; return this.#order; },
      now: () => Date.now(),
      relist: () => this.#list.isDue(),
      observed,
      submit: (send, isAgain) => this.#submit(send, isAgain),
      isUnanswered: (id) => this.#peers.has(id),
      history: (request) => this.#asked((frames) => frames.history(request)),
      read: (peer, offset, options) => {
        this.#whenOpen((frames) => frames.read(peer, offset, options));
      },
      typing: (peer) => this.#frames?.typing(peer),
    };
  }

  /** @param {{ id: string, to: string, body: any, quiet: boolean }} send @param {boolean} isAgain
   * @returns {any} the body as it is sent */
  #submit({ id, to, body, quiet }, isAgain) {
    if (this.#closing) throw new ConnectError('closed', 'The client was closed: make another one.');
    const sound = checked(to, body);
    // A receipt for the ticks, and a copy for the user's other devices and for history.
    const options = { receipt: true, copy: true, ...(quiet && { quiet }) };
    const run = (/** @type {FrameClient} */ frames) => (isAgain
      ? frames.sendAgain(id, to, sound, options) : frames.send(to, sound, { ...options, id }));
    if (this.#frames) {
      run(this.#frames);
    } else if (this.#early.length >= BOUNDS.earlySends) {
      throw new RangeError('Too many messages are waiting to be sent.');
    } else {
      this.#whenOpen((frames) => {
        try {
          run(frames);
        } catch (error) {
          this.#peers.delete(id);
          this.conversation(to).own.refused(id, 'too_large', /** @type {Error} */ (error).message);
        }
      });
    }
    this.#peers.set(id, to);
    return sound;
  }

  /** @param {(frames: FrameClient) => void} run */
  #whenOpen(run) {
    const { length } = this.#early;
    if (this.#frames) run(this.#frames);
    else if (length < 2 * BOUNDS.earlySends) {
      this.#early.push(() => run(/** @type {FrameClient} */ (this.#frames)));
    }
  }

  /** @template T @param {(frames: FrameClient) => Promise<T>} ask @returns {Promise<T>} */
  async #asked(ask) {
    await this.#opened;
    if (this.#closing || !this.#frames) throw new ConnectError('closed', 'The client was closed.');
    return ask(this.#frames);
  }

  /** @param {State} state */
  #enter(state) {
    this.#state = Object.freeze(state);
    if (state.phase === 'online' && !state.live) {
      this.#raise(state.welcome.floor);
      // What comes after a restart is all that there is.
      if (state.welcome.gap && !this.#hasRestarted) {
        for (const conversation of this.#byUser.values()) conversation.cut();
        this.#list.isDue();
      }
    }
    if (state.phase !== 'online') {
      this.#hasRestarted = false;
      for (const conversation of this.#byUser.values()) conversation.is(undefined);
    }
    this.#turn.mark(this);
    this.emit('state', state);
    if (state.phase === 'online' && state.live) this.#list.live();
  }

  /** @param {string | undefined} floor */
  #raise(floor) {
    const known = this.#floor;
    if (!floor || reaches(known, floor)) return;
    this.#floor = floor;
    this.#keeper.set('floor', floor);
    for (const conversation of this.#byUser.values()) conversation.floorMoved();
  }

  #isWatchDue = false;

  #watchSoon() {
    if (this.#isWatchDue) return;
    this.#isWatchDue = true;
    queueMicrotask(() => {
      this.#isWatchDue = false;
      if (this.#frames && !this.#closing) this.#watch.update(this.#byUser.values(), this.#list);
    });
  }

  /** @param {string} code @param {string} message */
  #report(code, message) {
    queueMicrotask(() => {
      if (this.listens('error')) this.emit('error', { code, message });
      else console.warn('Connect:', code, message);
    });
  }

  /** @param {boolean} forget */
  async #close(forget) {
    await null;
    await this.#opened;
    this.#frames?.close();
    this.#turn.flush();
    this.#list.end();
    for (const conversation of this.#byUser.values()) conversation.end();
    this.end();
    if (forget) forgetNameOfTab(this.#owner);
    await this.#keeper.close(forget);
    this.#leaveName();
  }
}
