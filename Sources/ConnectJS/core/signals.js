// @ts-check
import { LIMITS } from './limits.js';
import { Pace } from './pace.js';
import { checked, isMessageID, newId, tooLarge, utf8Length } from './values.js';

/** @typedef {import('./clock.js').Clock} Clock */
/** @typedef {import('./types.js').Rejected} Rejected */
/** @typedef {import('./types.js').Welcome} Welcome */

/** What is passed on to who is connected, at the server's pace, and dropped rather than said late. */
export class Signals {
  /** @type {{ frame: any, until: number }[]} */ #waiting = [];
  /** @type {string[]} what was said last, to know its refusals */ #said = [];
  #isOpen = false;
  #holdUntil = 0;
  #pace = new Pace();
  /** @type {any} */ #timer;
  #transmit;
  #clock;

  /** @param {(frame: object) => void} transmit @param {Clock} clock */
  constructor(transmit, clock) {
    this.#transmit = transmit;
    this.#clock = clock;
  }

  get isOpen() { return this.#isOpen; }

  /** @param {Welcome['limits']} limits */
  connected({ signalsPerSecond }) {
    this.#isOpen = true;
    this.#holdUntil = 0;
    this.#pace = new Pace(signalsPerSecond, LIMITS.signalBurstMs);
  }

  disconnected() {
    this.#clock.clearTimeout(this.#timer);
    this.#isOpen = false;
    this.#waiting = [];
    this.#said = [];
  }

  /** @param {string} to @param {string} name @param {any} body
   * @param {number} frameBytes that it may take @throws {TypeError | RangeError} */
  say(to, name, body, frameBytes) {
    if (!isMessageID(name)) {
      throw new TypeError('The name of the signal is not one: 1 to 64 of A-Z a-z 0-9 . _ - :');
    }
    const sound = checked(to, body ?? null);
    const bodyBytes = utf8Length(JSON.stringify(sound));
    if (bodyBytes > LIMITS.signalBytes) throw new RangeError(tooLarge(bodyBytes, LIMITS.signalBytes));
    if (!this.#isOpen) return;
    const named = {
      type: 'signal', to, name, ...(body !== undefined && { body: sound }), id: newId(),
    };
    const bytes = utf8Length(JSON.stringify(named));
    if (bytes > frameBytes) throw new RangeError(tooLarge(bytes, frameBytes));
    const until = this.#clock.now() + LIMITS.signalMs;
    this.#waiting = [...this.#waiting, { frame: named, until }].slice(-LIMITS.signals);
    this.#pump();
  }

  /** @param {Rejected} frame @param {() => number} waitMs
   * @returns {boolean} whether it was one of these. It is not said again. */
  rejected(frame, waitMs) {
    if (!this.#said.includes(frame.id)) return false;
    if (frame.retryable) this.#holdUntil = this.#clock.now() + waitMs();
    return true;
  }

  #pump() {
    this.#clock.clearTimeout(this.#timer);
    const now = this.#clock.now();
    this.#waiting = this.#waiting.filter(({ until }) => until > now);
    while (this.#waiting.length) {
      const waitMs = Math.max(0, this.#holdUntil - now) || this.#pace.take(now);
      if (waitMs > 0) {
        this.#timer = this.#clock.setTimeout(() => this.#pump(), Math.ceil(waitMs));
        return;
      }
      const [{ frame }] = this.#waiting.splice(0, 1);
      this.#said = [...this.#said, frame.id].slice(-LIMITS.signals);
      this.#transmit(frame);
    }
  }
}
