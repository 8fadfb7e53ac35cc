// @ts-check
import { webLock } from './weblock.js';

/** @typedef {import('./keeper.js').Store} Store */

const VALUES = 'values'; // By owner and key.

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const answer = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/** Keeps what it is given in the browser's IndexedDB, in one database for all users. Of one user's, one
 * tab or worker at a time has it open, by a Web Lock.
 * @implements {Store} */
export class IndexedDBStore {
  #name;
  #factory;
  #locks;
  /** The next may have it. */ #unlock = () => {};
  /** @type {IDBDatabase | null} */ #database = null;
  #owner = '';
  #isOpen = false;

  /** @param {{ name?: string, indexedDB?: IDBFactory, locks?: LockManager }} options `name`: of the
   *   database; `locks`: Web Locks, which pages have that are served by TLS
   * @throws {TypeError} where there is no IndexedDB */
  constructor({
    name = 'connect', indexedDB = globalThis.indexedDB, locks = globalThis.navigator?.locks,
  } = {}) {
    if (!indexedDB) {
      throw new TypeError('There is no IndexedDB here: use FileStore in Node, or a store of your own.');
    }
    this.#name = name;
    this.#factory = indexedDB;
    this.#locks = locks;
  }

  /** @param {string} owner @throws {Error} also when another tab or worker has what is the owner's */
  async open(owner) {
    await this.close();
    this.#owner = owner;
    this.#unlock = await webLock(`connect/${this.#name}/${owner}`, this.#locks);
    this.#isOpen = true;
    try {
      await this.#connected();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** @returns {Promise<IDBDatabase>} opened again, if the browser or another tab has ended it */
  async #connected() {
    if (this.#database) return this.#database;
    const request = this.#factory.open(this.#name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(VALUES);
    const database = await answer(request);
    // Another tab deletes it, or has a later version: it must not wait for this one.
    database.onversionchange = database.onclose = () => this.#leave(database);
    if (this.#isOpen) this.#database = database;
    else database.close();
    return database;
  }

  /** @param {IDBDatabase} database */
  #leave(database) {
    database.close();
    if (this.#database === database) this.#database = null;
  }

  async load() {
    const store = (await this.#transaction('readonly')).objectStore(VALUES);
    const [keys, values] = await Promise.all([
      answer(store.getAllKeys(this.#range)), answer(store.getAll(this.#range)),
    ]);
    return keys.map((key, index) => (
      /** @type {[string, any]} */ ([/** @type {string[]} */ (key)[1], values[index]])));
  }

  /** In one transaction. @param {[string, any][]} changes */
  write(changes) {
    return this.#change((store) => {
      for (const [key, value] of changes) {
        if (value === undefined) store.delete([this.#owner, key]);
        else store.put(value, [this.#owner, key]);
      }
    });
  }

  clear() { return this.#change((store) => { store.delete(this.#range); }); }

  async close() {
    this.#isOpen = false;
    this.#database?.close();
    this.#database = null;
    this.#unlock();
  }

  /** All keys of the owner: an array sorts behind any text. */
  get #range() { return IDBKeyRange.bound([this.#owner], [this.#owner, []]); }

  /** @param {IDBTransactionMode} mode */
  async #transaction(mode) {
    if (!this.#isOpen) throw new Error('The store is not open.');
    const database = await this.#connected();
    try {
      return database.transaction(VALUES, mode);
    } catch (error) {
      // It has ended without a word: the next call opens it again.
      this.#leave(database);
      throw error;
    }
  }

  /** @param {(store: IDBObjectStore) => void} change @returns {Promise<void>} */
  async #change(change) {
    const transaction = await this.#transaction('readwrite');
    const isDone = new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(undefined);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
    try {
      change(transaction.objectStore(VALUES));
    } catch (error) {
      // What it was given before would be kept without the rest.
      isDone.catch(() => {});
      transaction.abort();
      throw error;
    }
    await isDone;
  }
}
