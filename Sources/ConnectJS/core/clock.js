// @ts-check
/** The time, as an app or a test may replace it. */

/**
 * `now` is in milliseconds, never steps back, and counts sleep where it can.
 * @typedef {{ now: () => number, setTimeout: (run: () => void, ms: number) => any,
 *   clearTimeout: (timer: any) => void }} Clock
 */

/** That of the system. Looked up at each call, since places without a page may add theirs late.
 * @type {Clock} */
export const systemClock = Object.freeze({
  now: () => performance.now(),
  setTimeout: (/** @type {() => void} */ run, /** @type {number} */ ms) => setTimeout(run, ms),
  clearTimeout: (/** @type {any} */ timer) => clearTimeout(timer),
});
