// @ts-check
import { isCount } from './values.js';

/** @typedef {import('./stored.js').StoredState} StoredState */

/** The version of the positions that are known: what is newer is asked for. */
export class Stamp {
  /** @type {StoredState | null} */ #store = null;
  #known = 0;
  #highest = 0; // Of this connection: positions that were lost begin again, perhaps below.

  get known() { return this.#known; }

  /** @param {StoredState} store */
  restore(store) {
    this.#store = store;
    this.#known = store.load('positions', isCount) ?? 0;
  }

  /** A connection has begun. */
  begin() { this.#highest = 0; }

  /** All positions up to this stamp are known. @param {number} stamp */
  learn(stamp) {
    this.#known = this.#highest = Math.max(this.#highest, stamp);
    this.#store?.save('positions', this.#known);
  }
}
