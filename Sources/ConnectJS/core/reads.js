// @ts-check
import { compareOffsets } from './values.js';

/** @typedef {import('./types.js').Read} Read */

/** What the user has read and the server has not confirmed: of each conversation the furthest,
 * until its own answer comes. What the peer is told and what is private are kept apart. */
export class Reads {
  /** @type {Map<string, { read: Read, isSent: boolean }>} by peer, and whether it is private */
  #kept = new Map();

  /** @param {Read} read */
  static #key(read) { return `${read.private ? 'private' : 'public'} ${read.peer}`; }

  /** All of them, to be stored. */
  get all() { return [...this.#kept.values()].map(({ read }) => read); }

  /** @param {Read} read @returns {boolean} whether it is further than what is kept */
  keep(read) {
    const kept = this.#kept.get(Reads.#key(read))?.read;
    if (kept && compareOffsets(kept.offset, read.offset) >= 0) return false;
    this.#kept.set(Reads.#key(read), { read, isSent: false });
    return true;
  }

  /** @returns {Read | undefined} one that is due on this connection */
  get next() { return [...this.#kept.values()].find(({ isSent }) => !isSent)?.read; }

  /** It is said on this connection.
   * @param {Read} read */
  said(read) {
    const kept = this.#kept.get(Reads.#key(read));
    if (kept) kept.isSent = true;
  }

  /** The connection is gone: all are due on the next one. */
  reset() { for (const kept of this.#kept.values()) kept.isSent = false; }

  /** The server asks to say it again later.
   * @param {string} id @returns {boolean} whether it is kept */
  retry(id) {
    const kept = [...this.#kept.values()].find(({ read }) => read.id === id);
    if (kept) kept.isSent = false;
    return kept !== undefined;
  }

  /** The server has answered, or refused it for good.
   * @param {string} id @returns {boolean} whether it was kept */
  settle(id) {
    const read = this.all.find((read) => read.id === id);
    return read !== undefined && this.#kept.delete(Reads.#key(read));
  }
}
