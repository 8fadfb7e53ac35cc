// @ts-check
import { LIMITS } from './limits.js';
import { Outbox } from './outbox.js';
import { Reads } from './reads.js';
import {
  bytesOf, checked, encode, isCount, isMessageID, isOffset, isUserName, tooLarge,
} from './values.js';

/** @typedef {import('./clock.js').Clock} Clock */
/** @typedef {import('./stored.js').StoredState} StoredState */
/** @typedef {import('./types.js').Entry} Entry */
/** @typedef {import('./types.js').Read} Read */
/** @typedef {import('./types.js').Rejected} Rejected */
/** @typedef {import('./types.js').Send} Send */
/** @typedef {import('./types.js').Welcome} Welcome */

/** Messages and reads on their way: in order, no faster than the server allows, and again until it has
 * answered. */
export class Sender {
  #outbox = new Outbox();
  #reads = new Reads();
  #transmit;
  #refuse;
  #clock;
  /** @type {StoredState | null} */ #store = null;
  /** @type {Welcome['limits'] | null} while there is a connection */ #limits = null;
  /** The server's clock. @type {() => number} */ #serverNow = () => 0;
  #holdUntil = 0; // No send before this time: the server asked for patience.
  #readsHoldUntil = 0; // As `#holdUntil`.
  #isReadsTurn = true;
  /** @type {number[]} the times of the latest sends and reads, at most `sendsPerSecond` */
  #sentAt = [];
  /** @type {any} */ #timer;

  /** @param {(text: string) => void} transmit
   * @param {(frame: Rejected) => void} refuse as if the server had, since it would
   * @param {Clock} clock */
  constructor(transmit, refuse, clock) {
    this.#transmit = transmit;
    this.#refuse = refuse;
    this.#clock = clock;
  }

  get ids() { return this.#outbox.ids; }
  get sends() { return this.#outbox.sends; }

  /** @param {Send} send @param {number} bytes @param {boolean} mayBeTaken @throws {RangeError} */
  add(send, bytes, mayBeTaken) {
    this.#outbox.add({ send, bytes, sent: false, rejected: false, mayBeTaken });
    this.#saveOutbox();
  }

  /** @param {Read} read */
  read(read) {
    if (!this.#reads.keep(read)) return;
    this.#saveReads();
    queueMicrotask(() => this.pump());
  }

  /** What is stored goes before what was written meanwhile.
   * @param {StoredState} store @param {(code: string, message: string) => void} warn
   * @param {(frame: Rejected) => void} refuse tells of what no server would take */
  restore(store, warn, refuse) {
    this.#store = store;
    for (const read of store.load('reads', Array.isArray) ?? []) {
      if (isUserName(read?.peer) && isOffset(read.offset) && isMessageID(read.id)) {
        this.#reads.keep(read);
      } else {
        warn('storage_damaged', 'a stored `read` is not what was written, and is dropped');
      }
    }
    this.#saveReads();
    /** @type {Map<string, Entry>} */ const stored = new Map();
    for (const item of store.load('outbox', Array.isArray) ?? []) {
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
        refuse({ id, code: 'malformed', message, retryable: false });
      }
    }
    this.#outbox.restore(stored);
    this.#saveOutbox();
  }

  /** @param {Welcome['limits']} limits @param {() => number} serverNow */
  connected(limits, serverNow) {
    this.#limits = limits;
    this.#serverNow = serverNow;
  }

  /** Nothing more goes on this connection. */
  closing() { this.#limits = null; }

  /** The connection is gone; all that it left unanswered is due again. */
  disconnected() {
    this.#clock.clearTimeout(this.#timer);
    this.#limits = null;
    this.#holdUntil = this.#readsHoldUntil = 0;
    this.#reads.reset();
    this.#outbox.reset();
  }

  /** The server has answered for a message. @param {string | undefined} id
   * @returns {boolean} whether it was in the outbox */
  settle(id) {
    if (!this.#outbox.settle(id)) return false;
    this.#saveOutbox();
    this.pump();
    return true;
  }

  /** The server has answered for a read, or refused it for good. @param {string} id
   * @returns {boolean} whether it was kept */
  settleRead(id) {
    if (!this.#reads.settle(id)) return false;
    this.#saveReads();
    return true;
  }

  /** @param {Rejected} frame @param {() => number} waitMs how long to wait, of what may go again
   * @returns {'none' | 'later' | 'read' | 'message'} what of these it is: one that a further one has
   *   replaced or that came as `sent`; a read that goes again; a read that has ended; a message */
  rejected(frame, waitMs) {
    if (frame.retryable && this.#reads.retry(frame.id)) {
      this.#readsHoldUntil = Math.max(this.#readsHoldUntil, this.#clock.now() + waitMs());
      this.pump();
      return 'later';
    }
    if (this.settleRead(frame.id)) return 'read';
    const entry = this.#outbox.find(frame.id);
    if (!entry) return 'none';
    if (frame.retryable) {
      this.#outbox.putOff(entry, frame.code);
      this.#holdUntil = Math.max(this.#holdUntil, this.#clock.now() + waitMs());
      this.pump();
    } else {
      this.settle(frame.id);
    }
    return 'message';
  }

  /** Sends and says what is due. */
  pump() {
    this.#clock.clearTimeout(this.#timer);
    if (!this.#limits) return;
    const { frameBytes, sendsPerSecond } = this.#limits;
    let isDated = false;
    for (;;) {
      const now = this.#clock.now();
      const read = this.#reads.next;
      const entry = this.#outbox.next();
      if (!read && !entry) break;
      const readAt = read ? this.#readsHoldUntil : Infinity;
      const sendAt = entry ? this.#holdUntil : Infinity;
      // 0 means no limit.
      const earlier = sendsPerSecond > 0 ? this.#sentAt.at(-sendsPerSecond) : undefined;
      const paceAt = (earlier ?? -Infinity) + LIMITS.paceMs;
      const dueAt = Math.max(Math.min(readAt, sendAt), paceAt);
      if (dueAt > now) {
        this.#timer = this.#clock.setTimeout(() => this.pump(), dueAt - now);
        break;
      }
      // In turn, so that neither waits for all of the other.
      if (read && readAt <= now && (this.#isReadsTurn || sendAt > now)) {
        this.#reads.said(read);
        this.#transmit(JSON.stringify({ type: 'read', ...read }));
        this.#isReadsTurn = false;
      } else if (entry) {
        if (entry.bytes > frameBytes) {
          // Sending it would cost the connection (1009), and again after each reconnect.
          const { id } = entry.send;
          const message = tooLarge(entry.bytes, frameBytes);
          return this.#refuse({ id, code: 'too_large', message, retryable: false });
        }
        if (!entry.mayBeTaken && entry.firstSent === undefined) {
          entry.firstSent = this.#serverNow();
          isDated = true;
        }
        this.#transmit(encode(entry.send, entry.mayBeTaken && (entry.firstSent ?? true)));
        entry.sent = true;
        this.#isReadsTurn = true;
      }
      this.#sentAt = sendsPerSecond > 0 ? [...this.#sentAt, now].slice(-sendsPerSecond) : [];
    }
    if (isDated) this.#saveOutbox();
  }

  #saveOutbox() { this.#store?.save('outbox', this.#outbox.stored); }

  #saveReads() { this.#store?.save('reads', this.#reads.all); }
}
