// @ts-check
import { LIMITS, UNTRIED } from './limits.js';

/** @typedef {import('./types.js').Entry} Entry */

/** What the server has not answered for, oldest first, and whose turn it is. */
export class Outbox {
  /** @type {Entry[]} */ #entries = [];
  /** What goes after a `rejected` that says “later”: nothing until all on the way is answered; then
   * the first of the rejected alone, to see whether it is taken now; then the others; and what is
   * newer only once these are answered.
   * @type {'free' | 'draining' | 'probing' | 'resending'} */ #flow = 'free';

  get ids() { return this.#entries.map(({ send }) => send.id); }
  get sends() { return this.#entries.map(({ send }) => send); }
  /** All of them, to be stored. */
  get stored() { return this.#entries.map(({ send, firstSent }) => ({ ...send, firstSent })); }

  /** @param {Entry} entry @throws {RangeError} when too much is unanswered already */
  add(entry) {
    const total = this.#entries.reduce((sum, { bytes }) => sum + bytes, entry.bytes);
    if (this.#entries.length >= LIMITS.outboxMessages || total > LIMITS.outboxBytes) {
      throw new RangeError('Too many messages are waiting to be sent.');
    }
    this.#entries.push(entry);
  }

  /** Puts what was stored before what was written meanwhile. @param {Map<string, Entry>} stored */
  restore(stored) {
    const written = this.#entries.filter(({ send }) => !stored.has(send.id));
    this.#entries = [...stored.values(), ...written];
  }

  /** The connection is gone: all that it left unanswered is due again. */
  reset() {
    this.#flow = 'free';
    for (const entry of this.#entries) {
      entry.mayBeTaken ||= entry.sent;
      entry.sent = entry.rejected = false;
    }
  }

  /** @returns {Entry | undefined} the message whose turn it is; see `#flow` */
  next() {
    const rejected = this.#entries.filter((entry) => entry.rejected);
    const isAnswered = !this.#entries.some(({ sent }) => sent);
    if (!rejected.length) this.#flow = 'free';
    else if (this.#flow === 'draining' && isAnswered) this.#flow = 'probing';
    const inTurn = {
      free: this.#entries, draining: [], probing: rejected.slice(0, 1), resending: rejected,
    };
    return inTurn[this.#flow].find(({ sent }) => !sent);
  }

  /** @param {string} id */
  find(id) { return this.#entries.find(({ send }) => send.id === id); }

  /** The server asks to send it again later. @param {Entry} entry @param {string} code */
  putOff(entry, code) {
    entry.sent = false;
    entry.rejected = true;
    entry.mayBeTaken ||= !UNTRIED.has(code);
    this.#flow = 'draining';
  }

  /** The server has answered for it. @param {string | undefined} id
   * @returns {boolean} whether it was there */
  settle(id) {
    const index = this.#entries.findIndex(({ send }) => send.id === id);
    if (index < 0) return false;
    const [{ sent }] = this.#entries.splice(index, 1);
    if (sent && this.#flow === 'probing') this.#flow = 'resending';
    return true;
  }
}
