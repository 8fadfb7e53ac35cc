// @ts-check
/** @typedef {import('./keeper.js').Store} Store */

/** Keeps what it is given as long as the process lives. One can serve several clients in a row.
 * @implements {Store} */
export class MemoryStore {
  /** @type {Map<string, Map<string, any>>} */ #owners = new Map();
  #owner = '';

  /** @param {string} owner */
  async open(owner) { this.#owner = owner; }

  async load() { return [...this.#values]; }

  /** @param {[string, any][]} changes */
  async write(changes) {
    for (const [key, value] of changes) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
  }

  async clear() { this.#owners.delete(this.#owner); }

  async close() {}

  get #values() {
    const values = this.#owners.get(this.#owner) ?? new Map();
    this.#owners.set(this.#owner, values);
    return values;
  }
}
