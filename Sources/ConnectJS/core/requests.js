// @ts-check
import { ConnectError } from './errors.js';
import { LIMITS } from './limits.js';
import { Pace } from './pace.js';
import { newId, tooLarge, utf8Length } from './values.js';

/** @typedef {import('./clock.js').Clock} Clock */
/** @typedef {import('./types.js').Rejected} Rejected */
/** @typedef {import('./types.js').Request} Request */
/** @typedef {import('./types.js').Welcome} Welcome */

/** What is asked and has no answer, and whose presence is watched. The watch is asked for on each
 * connection, and again behind any other request for presence, which ends it. One that is refused
 * waits longer each time, and nothing else waits for it. */
export class Requests {
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
  #clock;

  /** @param {(frame: object) => void} transmit
   * @param {(frame: Rejected) => void} refuse as if the server had, since it would
   * @param {Clock} clock */
  constructor(transmit, refuse, clock) {
    this.#transmit = transmit;
    this.#refuse = refuse;
    this.#clock = clock;
  }

  /** @param {any} frame @returns {Promise<any>} the answer */
  ask(frame) {
    return new Promise((resolve, reject) => {
      if (this.#entries.length >= LIMITS.requests) {
        return reject(new ConnectError('full', 'Too many requests are waiting for answers.'));
      }
      const until = this.#clock.now() + LIMITS.requestMs;
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
    this.#clock.clearTimeout(this.#timer);
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
      this.#holdUntil = Math.max(this.#holdUntil, this.#clock.now() + waitMs());
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
    this.#watchHoldUntil = this.#clock.now() + holdMs;
  }

  /** @param {Request} entry @returns {ConnectError} */
  #errorOf({ refusal }) {
    const waitMs = Math.max(0, this.#holdUntil - this.#clock.now());
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
    this.#clock.clearTimeout(this.#timer);
    const now = this.#clock.now();
    for (const entry of this.#entries.filter(({ until }) => until <= now)) {
      this.#entries.splice(this.#entries.indexOf(entry), 1);
      entry.reject(this.#errorOf(entry));
    }
    const waitMs = this.#isOpen ? this.#ask(now) : Infinity;
    const expiryMs = (this.#entries[0]?.until ?? Infinity) - now;
    const next = Math.min(waitMs, expiryMs);
    // Rounded up, as a timer may fire a little early.
    if (next < Infinity) this.#timer = this.#clock.setTimeout(() => this.#pump(), Math.ceil(next) + 1);
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
