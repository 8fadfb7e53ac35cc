// @ts-check
import { BOUNDS } from './bounds.js';
import { History } from './history.js';
import { Log } from './log.js';
import { Observable } from './observable.js';
import { OwnMessages } from './own.js';
import { Peer } from './peer.js';
import { messageOf, placeOf, reaches, stateOf } from './record.js';
import { unreadOf } from './unread.js';

/** @typedef {import('./outgoing.js').Outgoing} Outgoing */
/** @typedef {import('./record.js').Entry} Entry */
/** @typedef {import('./record.js').MessageRecord} MessageRecord */
/** @typedef {import('./record.js').Stored} Stored */
/** @typedef {import('./unread.js').Listed} Listed */
/** @typedef {{ delivered?: string, read?: string, mine?: string }} Positions */
/** What a conversation needs of its client. `order` numbers what is written.
 * @typedef {{ user: string, floor: string | undefined, isListPartial: boolean,
 *   keep: (key: string, value: any) => void, mark: (conversation: Conversation) => void,
 *   order: () => number, now: () => number, relist: () => void, observed: () => void,
 *   submit: (send: { id: string, to: string, body: any, quiet: boolean }, isAgain: boolean) => any,
 *   isUnanswered: (id: string) => boolean,
 *   history: (options: any) => Promise<import('../core/types.js').HistoryPage>,
 *   read: (peer: string, offset: string, options: { private: boolean }) => void,
 *   typing: (peer: string) => void }} Context */

/** The conversation with one user: what is held of it, in one order, and what can be done in it. */
export class Conversation extends Observable {
  #context;
  #peer;
  #log;
  #history;
  /** @type {Positions} */ #positions = {};
  /** @type {Listed | undefined} */ #listed;
  /** How far the peer was told of what is read. @type {string | undefined} */ #told;
  /** What was read when the list was asked for again. @type {string | undefined} */ #relistedAt;
  #own;
  /** @type {readonly Entry[] | undefined} */ #entries;
  /** @type {ReturnType<typeof unreadOf> | undefined} */ #unread;
  #observedAt = 0;
  #version = 0; // Of the positions.

  /** @param {Context} context @param {string} user */
  constructor(context, user) {
    super();
    this.#context = context;
    this.#peer = new Peer(user);
    this.#log = new Log((key, value) => context.keep(`entry/${user}/${key}`, value));
    this.#history = new History(this.#log, {
      ask: (options) => context.history({ with: user, ...options }),
      messageOf: (entry) => messageOf(entry, context.user),
      changed: () => { this.#save(); this.#changed(); },
    });
    this.#own = new OwnMessages(
      user, this.#log, context, (record) => this.#entryOf(record), () => this.#changed());
  }

  get peer() { return this.#peer; }

  /** All that is held, oldest first. The same array until something changes. */
  get entries() {
    this.#entries ??= Object.freeze(this.#shown.map((record) => this.#entryOf(record)));
    return this.#entries;
  }

  /** The newest entry that is not quiet, also where only the list has told of it. */
  get last() {
    const held = this.#shown.findLast(({ isQuiet }) => !isQuiet);
    if (held) return this.#entryOf(held);
    const listed = this.#listed?.last;
    if (!listed) return undefined;
    return this.#made(messageOf(listed, this.#context.user));
  }

  get unread() { return this.#count().unread; }
  /** There may be more unread than `unread` says. */
  get unreadIsMore() { return this.#count().isMore; }
  /** Whether `loadEarlier` may bring more. */
  get hasEarlier() { return this.#history.hasEarlier; }
  /** There was more before the first entry, which the server no longer keeps. */
  get isTrimmed() { return this.#history.isTrimmed; }

  /** Asks for earlier messages, which are then among `entries`.
   * @param {number} [limit] 1 to 100 at a time @returns {Promise<readonly Entry[]>} what is new, or a
   *   `ConnectError` */
  async loadEarlier(limit = BOUNDS.pageEntries) {
    const added = await this.#history.loadEarlier(limit);
    return added.map((record) => this.#entryOf(record));
  }

  /** Sends `body`, any JSON value: now, or once there is a connection.
   * @param {any} body @param {{ quiet?: boolean }} options `quiet`: it counts as unread nowhere
   * @returns {Outgoing}
   * @throws {TypeError | RangeError | ConnectError} when no server would take it, too much waits, or the
   *   client is closed */
  send(body, { quiet = false } = {}) {
    return this.#own.send(body, quiet);
  }

  /** Sends a message that has failed again, as the newest.
   * @param {string} id @returns {Outgoing} @throws {RangeError} where there is no such message */
  retry(id) { return this.#own.retry(id); }

  /** Forgets a message that has failed. @param {string} id @throws {RangeError} */
  discard(id) { this.#own.discard(id); }

  /** The user has read what is held, or up to an entry: also one that only the list has told of.
   * @param {Entry} [upTo] @param {{ private?: boolean }} options `private`: the peer is not told */
  markRead(upTo, { private: isPrivate = false } = {}) {
    if (this.#isSelf) return;
    const shown = this.#shown;
    const end = upTo
      ? shown.findLastIndex(({ id, isMine }) => id === upTo.id && isMine === upTo.isMine)
      : shown.length - 1;
    const held = shown.slice(0, end + 1).findLast((record) => !record.isMine && record.offset);
    const offset = held || !upTo || upTo.isMine ? held?.offset : upTo.offset;
    if (!offset || (reaches(this.#mine, offset) && (isPrivate || reaches(this.#told, offset)))) return;
    if (!isPrivate) this.#told = offset;
    this.#context.read(this.#peer.user, offset, { private: isPrivate });
    this.#advance({ mine: offset });
    this.#save();
    this.#changed();
  }

  /** The user is typing: to be called at each key. */
  typing() { if (!this.#isSelf) this.#context.typing(this.#peer.user); }

  // What the client tells. All of it is internal.

  /** @param {any} frame a message of the peer's, or to oneself @internal */
  took(frame) {
    const message = messageOf({ type: 'message', ...frame }, this.#context.user);
    this.#place(message);
  }

  /** @param {any} frame the copy of one's own message @internal */
  copied(frame) {
    this.#place({ ...messageOf({ type: 'sent', ...frame }, this.#context.user), failure: undefined });
    this.#history.stored(frame.id);
  }

  /** @param {{ id: string, code: string, message: string, offset: string }} frame @internal */
  lost(frame) {
    if (this.#own.lost(frame)) return;
    const { id, code, message } = frame;
    this.#history.failed(id, { code, message });
    this.#save();
  }

  /** @internal */
  get own() { return this.#own; }

  /** @param {Positions} positions @internal */
  moved(positions) {
    if (!this.#advance(positions)) return;
    this.#save();
    this.#changed();
  }

  /** @param {any} item of the list @param {number} list which one @internal */
  listed({ last, unread, unreadIsMore, delivered, read, mine }, list) {
    this.#advance({ delivered, read, mine });
    // As it was for the answer, which a `position` may have overtaken.
    this.#listed = { last, unread, unreadIsMore, mine: mine ?? this.#context.floor, list };
    this.#save();
    this.#changed();
  }

  /** The list that named it last. @internal */
  get list() { return this.#listed?.list; }

  /** Whether what is unread was counted before it was read on. @internal */
  get isStale() { return this.#count().isStale; }

  /** Whether there is anything to list. @internal */
  get isListed() { return this.#listed !== undefined || this.#log.records.length > 0; }

  /** Sorts as conversations do: by their newest message. @internal */
  get rank() {
    const held = this.#shown.findLast(({ isQuiet }) => !isQuiet)?.rank ?? '';
    const listed = this.#listed?.last ? placeOf(this.#listed.last.offset) : '';
    return held > listed ? held : listed;
  }

  /** Entries may be missing behind what is held. @internal */
  cut() {
    this.#history.cut();
    this.#listed = undefined;
    this.#save();
    this.#changed();
  }

  /** The server has begun again: positions and places are of another one. @internal */
  restarted() {
    this.#positions = {};
    this.#version += 1;
    this.#listed = this.#told = undefined;
    for (const record of this.#log.records) record.isStale = true;
    this.#history.restarted();
    this.#save();
    this.#changed();
  }

  /** How far the user has read where there is no position has moved. @internal */
  floorMoved() {
    this.#version += 1;
    this.#changed();
  }

  /** @param {boolean} isTyping @internal */
  types(isTyping) {
    this.#peer.types(isTyping);
    this.#context.mark(this);
  }

  /** @param {{ online: boolean, lastSeen?: number } | undefined} status @internal */
  is(status) { if (this.#peer.is(status)) this.#context.mark(this); }

  /** When somebody began to observe it. @internal */
  get observedAt() { return this.observers ? this.#observedAt : 0; }

  /** @internal */
  observed() {
    this.#observedAt = this.#context.order();
    this.#context.observed();
  }

  /** What the store holds. @param {any} value @param {Stored[]} messages @internal */
  load(value, messages) {
    this.#positions = value?.positions ?? {};
    this.#listed = value?.listed;
    this.#told = value?.told;
    this.#history.load(value?.history);
    const last = messages.filter(({ offset }) => offset)
      .map(({ offset }) => /** @type {string} */ (offset))
      .reduce((a, b) => (placeOf(a) > placeOf(b) ? a : b), '0-0');
    for (const message of messages) {
      if (this.#log.get(message.isMine, message.id)) continue;
      // A copy that has not come by now may never come: then it stands where it was sent.
      const isPlaced = message.status !== 'accepted' || message.offset || message.after;
      this.#log.add(isPlaced ? message : { ...message, after: last }, true);
    }
    this.#changed();
  }

  /** Nothing is known of it any more: it is to be asked for. @internal */
  forget() {
    this.#log.clear();
    this.#context.keep(`conversation/${this.#peer.user}`, undefined);
  }

  /** @internal */
  settle() {
    const { isStale } = this.#count();
    // Once for each move.
    if (isStale && this.#relistedAt !== this.#mine) {
      this.#relistedAt = this.#mine;
      this.#context.relist();
    }
    this.#own.settle();
  }

  /** @internal */
  end() {
    super.end();
    this.#own.end();
  }

  // The rest is private.

  get #isSelf() { return this.#peer.user === this.#context.user; }
  get #mine() { return this.#positions.mine ?? this.#context.floor; }
  get #shown() { return this.#history.shown; }

  /** @param {Stored} message as the mailbox has it */
  #place(message) {
    const known = this.#log.get(message.isMine, message.id);
    if (!known) {
      this.#log.add(message);
    } else if (!known.offset || known.isStale || known.status === 'failed') {
      // What was sent again stands at its last place, as on all devices.
      this.#log.change(known, {
        ...message, order: known.order, after: undefined, isStale: undefined,
      });
    } else if (known.isMine && message.peerOffset) {
      this.#log.change(known, { peerOffset: message.peerOffset });
    } else {
      return; // The same message under another offset.
    }
    if (this.#log.trim()) this.#history.trimmed();
    this.#changed();
  }

  /** @param {Positions} news @returns {boolean} whether anything has moved */
  #advance(news) {
    let hasMoved = false;
    for (const name of /** @type {const} */ (['delivered', 'read', 'mine'])) {
      const offset = news[name];
      if (!offset || reaches(this.#positions[name], offset)) continue;
      this.#positions = { ...this.#positions, [name]: offset };
      hasMoved = true;
    }
    if (hasMoved) this.#version += 1;
    return hasMoved;
  }

  #save() {
    this.#context.keep(`conversation/${this.#peer.user}`, {
      positions: this.#positions, listed: this.#listed, told: this.#told,
      history: this.#history.kept,
    });
  }

  /** The list has become complete, or is no longer: what it does not name is counted otherwise. @internal */
  partialChanged() {
    if (!this.#listed && this.#unread?.unread) this.#changed();
  }

  #changed() {
    this.#entries = this.#unread = undefined;
    this.#context.mark(this);
  }

  #count() {
    this.#unread ??= this.#isSelf ? { unread: 0, isMore: false, isStale: false }
      : unreadOf(this.#shown, {
        mine: this.#mine, listed: this.#listed, isWhole: !this.hasEarlier,
        isListPartial: this.#context.isListPartial,
      });
    return this.#unread;
  }

  /** @param {MessageRecord} record @returns {Entry} */
  #entryOf(record) {
    if (!record.entry || record.version !== this.#version) {
      const made = this.#made(record);
      // The same object as long as it says the same.
      if (record.entry?.state !== made.state) record.entry = made;
      record.version = this.#version;
    }
    return record.entry;
  }

  /** @param {Stored} message @returns {Entry} */
  #made(message) {
    const { id, isMine, body, at, offset, isQuiet, failure } = message;
    const [me, peer] = [this.#context.user, this.#peer.user];
    const state = stateOf(message, { ...this.#positions, mine: this.#mine });
    return Object.freeze({
      id, from: isMine ? me : peer, to: isMine ? peer : me, isMine, body, at, isQuiet, state,
      ...(offset && { offset }), ...(failure && { failure: Object.freeze({ ...failure }) }),
    });
  }
}
