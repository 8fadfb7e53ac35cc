// @ts-check
import { LIMITS } from './limits.js';

/** The latest messages by sender and id, and copies by recipient, id and place there: rarely, one
 * that was sent again stands in the mailbox under two offsets. Two generations; the older is
 * forgotten when the younger is full. */
export class RecentMessages {
  /** @type {Set<string>} */ #young = new Set();
  /** @type {Set<string>} */ #old = new Set();

  /** @param {string} key */
  has(key) { return this.#young.has(key) || this.#old.has(key); }

  /** @param {string} key */
  add(key) {
    this.#young.add(key);
    if (this.#young.size < LIMITS.rememberedMessages / 2) return;
    this.#old = this.#young;
    this.#young = new Set();
  }

  /** @param {string} key */
  delete(key) {
    this.#young.delete(key);
    this.#old.delete(key);
  }
}
