// @ts-check
import { LIMITS } from './limits.js';
import { compareOffsets } from './values.js';

/** @typedef {import('./clock.js').Clock} Clock */

/** What is to be acknowledged: what has come on this connection, and is handled. Where the app says
 * itself when something is handled (`isHeld`), nothing is acknowledged before. */
export class Acks {
  #isHeld;
  #transmit;
  #clock;
  /** @type {string | null} the last offset to acknowledge on this connection */ #received = null;
  /** @type {string | null} the last offset acknowledged on this connection */ #acked = null;
  #unacked = 0;
  #unackedLimit = 0;
  #ackAt = 0; // The next acknowledgement may go at this time.
  #isOpen = false;
  /** @type {any} */ #timer;
  /** Where held: how far all is handled. @type {string | null} */ #durable = null;
  /** Where held: what came on this connection and is not handled yet. @type {string[]} */
  #waiting = [];

  /** @param {boolean} isHeld @param {(frame: object) => void} transmit @param {Clock} clock */
  constructor(isHeld, transmit, clock) {
    this.#isHeld = isHeld;
    this.#transmit = transmit;
    this.#clock = clock;
  }

  get durable() { return this.#durable; }

  /** A connection has begun. @param {string} offset @param {number} unackedLimit */
  begin(offset, unackedLimit) {
    this.#isOpen = true;
    this.#received = this.#acked = offset;
    this.#unackedLimit = unackedLimit;
    this.#unacked = 0;
    this.#ackAt = 0;
  }

  /** The connection is gone. */
  reset() {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isOpen = false;
    this.#waiting = [];
  }

  /** Nothing is handled any more: the server has begun again. */
  restart() { this.#durable = null; }

  /** An entry has come, and its handler has returned. @param {string} offset */
  came(offset) {
    if (!this.#isHeld) return this.#count(offset);
    this.#waiting.push(offset);
    this.#release();
  }

  /** All up to there is handled. @param {string} offset */
  handled(offset) {
    if (this.#durable && compareOffsets(offset, this.#durable) <= 0) return;
    this.#durable = offset;
    this.#release();
  }

  #release() {
    for (const durable = this.#durable; durable && this.#waiting.length;) {
      if (compareOffsets(this.#waiting[0], durable) > 0) return;
      this.#count(/** @type {string} */ (this.#waiting.shift()));
    }
  }

  /** @param {string} offset */
  #count(offset) {
    this.#received = offset;
    this.#unacked += 1;
    // At half of what may stand unacknowledged, so that the server need not stop and wait.
    const most = Math.min(LIMITS.ackEveryFrames, this.#unackedLimit / 2);
    const waitMs = this.#ackAt - this.#clock.now();
    if (waitMs <= 0 || this.#unacked >= most) return this.flush();
    this.#timer ??= this.#clock.setTimeout(() => this.flush(), waitMs);
  }

  /** Acknowledges all that is handled: the first of a burst at once, the rest coalesced. */
  flush() {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#isOpen || !this.#received || this.#received === this.#acked) return;
    this.#transmit({ type: 'ack', offset: this.#received });
    this.#acked = this.#received;
    this.#unacked = 0;
    this.#ackAt = this.#clock.now() + LIMITS.ackEveryMs;
  }
}
