// @ts-check
import { Acks } from './acks.js';
import { RecentMessages } from './recent.js';
import { compareOffsets, isOffset } from './values.js';

/** @typedef {import('./clock.js').Clock} Clock */
/** @typedef {import('./stored.js').StoredState} StoredState */
/** @typedef {import('./types.js').Welcome} Welcome */
/** @typedef {{ type: string, offset: string, peerOffset?: string, from?: string, to?: string,
 *   id?: string }} Frame one of the mailbox */

/** What comes from the mailbox: each once, in order, and acknowledged when it is handled. */
export class Mailbox {
  #holdsAcks;
  #acks;
  /** @type {StoredState | null} */ #store = null;
  /** @type {string | null} the last offset whose handler has returned */ #handled = null;
  /** The `since` of this connection. @type {string | null} */ #since = null;
  #recent = new RecentMessages();
  /** Messages that failed and of which no copy has come since. */ #failed = new RecentMessages();

  /** @param {boolean} holdsAcks @param {(frame: object) => void} transmit @param {Clock} clock */
  constructor(holdsAcks, transmit, clock) {
    this.#holdsAcks = holdsAcks;
    this.#acks = new Acks(holdsAcks, transmit, clock);
  }

  /** @param {StoredState} store */
  restore(store) {
    this.#store = store;
    this.#handled = store.load('handled', isOffset);
    if (this.#handled) this.#acks.handled(this.#handled);
  }

  /** From where a new connection is to begin. @returns {string | null} */
  since() {
    this.#since = this.#holdsAcks ? this.#acks.durable : this.#handled;
    return this.#since;
  }

  /** @param {Welcome} welcome @returns {boolean} whether the server has begun again: its Redis is not
   *   the one that was, or has another clock. What it sends stands below what was handled, and is
   *   new nevertheless. */
  begin({ offset, limits }) {
    const hasRestarted = this.#since !== null && compareOffsets(offset, this.#since) < 0;
    if (hasRestarted) {
      this.#handled = null;
      this.#store?.save('handled', null);
      this.#acks.restart();
      // Who holds them learns their new places.
      if (this.#holdsAcks) this.#recent = new RecentMessages();
    }
    this.#acks.begin(offset, limits.unacked ?? 2);
    return hasRestarted;
  }

  /** The connection is gone. */
  disconnected() { this.#acks.reset(); }

  /** Acknowledges now what is due. */
  flush() { this.#acks.flush(); }

  /** Where acknowledgements are held: all up to there is handled. @param {string} offset */
  acknowledge(offset) {
    if (!this.#handled || compareOffsets(offset, this.#handled) > 0) return; // Of before a restart.
    this.#acks.handled(offset);
  }

  /** @param {Frame} frame @param {(frame: Frame) => void} deliver to the handlers, unless it is a
   *   repeat; where they throw, it is not handled */
  take(frame, deliver) {
    const { type, offset, peerOffset, from, to, id } = frame;
    if (!this.#handled || compareOffsets(offset, this.#handled) > 0) {
      const key = type === 'message' ? `${from} ${id}`
        : type === 'sent' ? `${to} ${id} ${peerOffset}` : '';
      const isRevocation = type === 'sent' && this.#failed.has(`${to} ${id}`);
      if (!this.#recent.has(key) || isRevocation) deliver(frame);
      if (key) this.#recent.add(key);
      if (type === 'failed') this.#failed.add(`${to} ${id}`);
      if (isRevocation) this.#failed.delete(`${to} ${id}`);
      this.#handled = offset;
      this.#store?.save('handled', offset);
    }
    // A repeat is acknowledged too: its acknowledgement was lost with the connection before, and
    // the server sends only so much without one.
    this.#acks.came(offset);
  }
}
