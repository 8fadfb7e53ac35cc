// @ts-check
/** An even pace, with a burst after a pause: the generic cell rate algorithm. */
export class Pace {
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
