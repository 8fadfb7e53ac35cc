// @ts-check
/** @typedef {import('./types.js').Options} Options */

/** What outlives a reload, of one user, device and server. A storage can be full, or damaged, or
 * forbidden: then it is told, and everything goes on without. */
export class StoredState {
  /** @type {Options['storage']} */ #storage;
  #key;
  #tell;
  #isFull = false;

  /** @param {Options} options @param {string} user
   * @param {(code: string, message: string) => void} tell */
  constructor({ storage, storageKey = 'connect', url, device = 'default' }, user, tell) {
    this.#storage = storage;
    this.#key = `${storageKey}/${url.split(/[?#]/)[0]}/${user}/${device}`;
    this.#tell = tell;
  }

  /** @param {string} name @param {(value: any) => boolean} isSound @returns {any} null if absent */
  load(name, isSound) {
    const key = `${this.#key}/${name}`;
    try {
      const value = JSON.parse(this.#storage?.getItem(key) ?? 'null');
      if (value === null || isSound(value)) return value;
      this.damaged(key);
    } catch (error) {
      this.damaged(key, error);
    }
    return null;
  }

  /** @param {string} key @param {unknown} [error] */
  damaged(key, error = 'it is not what was written') {
    this.#tell('storage_damaged', `${key} cannot be read, and is begun again: ${error}`);
  }

  /** @param {string} name @param {any} value */
  save(name, value) {
    try {
      this.#storage?.setItem(`${this.#key}/${name}`, JSON.stringify(value));
      this.#isFull = false;
    } catch (error) {
      // Once, and not for every message.
      if (!this.#isFull) this.#tell('storage_full', `a reload would lose what is unsent: ${error}`);
      this.#isFull = true;
    }
  }
}
