// @ts-check
import { report } from './values.js';

/** @typedef {import('./types.js').Handlers} Handlers */

/** The handlers of the app. */
export class AppHandlers {
  #on;

  /** @param {Handlers} on */
  constructor(on) { this.#on = on; }

  /** Gives something to the app, which has not taken it if its handler throws.
   * @param {keyof Handlers} name @param {any} value */
  give(name, value) { this.#on[name]?.(value); }

  /** Tells something. A handler that throws stops nothing.
   * @param {keyof Handlers} name @param {any} value */
  tell(name, value) {
    try {
      this.give(name, value);
    } catch (error) {
      report(error);
    }
  }

  /** Tells of a problem; the console, if the app does not listen.
   * @param {string} code @param {string} message */
  warn(code, message) {
    if (this.#on.error) this.tell('error', { code, message });
    else console.warn('Connect:', code, message);
  }
}
