// @ts-check
import { BOUNDS } from '../conversation/bounds.js';

/** @typedef {import('../core/clock.js').Clock} Clock */
/** Where a client keeps what outlives it. It is opened once, for one owner, whose values no other owner
 * sees, and fails to open while another client has them; then loaded; and then written to, one call at
 * a time. A write is done whole or not at all, and a value of undefined removes its key. Values are what
 * JSON holds. `clear` forgets the owner's values. `close` may follow an `open` that failed.
 * @typedef {{ open: (owner: string) => Promise<void>, load: () => Promise<[string, any][]>,
 *   write: (changes: [string, any][]) => Promise<void>, clear: () => Promise<void>,
 *   close: () => Promise<void> }} Store */

/** Until when a client has a store, of which two at a time would take each other's values.
 * @type {WeakMap<Store, Promise<void>>} */
const holders = new WeakMap();

/** Writes what changes into a store, in order and together. A store that fails is told of, and what it
 * did not take is kept and written with what follows, so that it never has a part without the rest. */
export class Keeper {
  #store;
  #clock;
  #report;
  #given;
  #isOpen = false;
  #hasFailed = false;
  /** Fulfilled when the store has done what it was asked. @type {Promise<void>} */
  #idle = Promise.resolve();
  /** The next client may have the store. */ #leave = () => {};
  #isGone = false; // There is no store: what is set is only in memory.
  /** @type {Map<string, any>} */ #changes = new Map();
  /** @type {(() => void)[]} */ #waiting = [];
  #isScheduled = false;
  #isWriting = false;
  /** @type {Promise<void> | undefined} the latest run */ #writing;
  #retryAt = 0;
  /** @type {any} */ #timer;

  /** @param {Store} store @param {Clock} clock
   * @param {(code: string, message: string) => void} report
   * @param {() => void} given gives the app all that has changed, where the store cannot keep it */
  constructor(store, clock, report, given) {
    this.#store = store;
    this.#clock = clock;
    this.#report = report;
    this.#given = given;
  }

  /** Nothing is stored any more. */
  get isGone() { return this.#isGone; }

  /** @param {string} owner @returns {Promise<Map<string, any>>} what is stored; empty if it cannot be
   *   read, which is told */
  async open(owner) {
    /** @type {Map<string, any>} */ let values = new Map();
    const before = holders.get(this.#store);
    const isLeft = new Promise((resolve) => { this.#leave = () => resolve(undefined); });
    holders.set(this.#store, Promise.all([before, isLeft]).then(() => {}));
    let isTried = false;
    try {
      if (before) await this.#inTime(() => before, 'another client has the store, and was not closed');
      isTried = true;
      await this.#inTime(() => this.#store.open(owner));
      try {
        values = new Map(await this.#inTime(() => this.#store.load()));
      } catch (error) {
        // What is slow may be whole.
        if (error instanceof LateError) throw error;
        this.#report('storage_damaged', `what is stored cannot be read, and is begun again: ${error}`);
        await this.#inTime(() => this.#store.clear());
      }
    } catch (error) {
      this.#isGone = true;
      // Another client may have it, also where it opens late.
      if (isTried) this.#idle = this.#idle.then(() => this.#store.close()).catch(() => {});
      this.#report('storage_unavailable', `nothing is kept beyond this run: ${error}`);
    }
    return values;
  }

  /** Writes from now on. What belongs together before is written together. */
  begin() {
    this.#isOpen = true;
    if (this.#changes.size || this.#waiting.length) this.#schedule();
  }

  /** @param {string} key @param {any} value as JSON holds it; undefined removes the key */
  set(key, value) {
    this.#changes.delete(key);
    this.#changes.set(key, value);
    this.#schedule();
  }

  /** Calls back once all that was set so far is kept; or, if that fails, was given to the app.
   * @param {() => void} done */
  whenKept(done) {
    this.#waiting.push(done);
    this.#schedule();
  }

  /** @param {boolean} forget removes all that is stored; where that fails, it is told */
  async close(forget) {
    this.#clock.clearTimeout(this.#timer);
    this.#retryAt = 0;
    await this.#writing;
    if (forget && this.#isGone) {
      this.#report('storage_unavailable', 'what is stored was not removed: this client did not have it');
    } else if (forget) {
      this.#changes.clear();
      await this.#inTime(() => this.#store.clear()).catch((error) => {
        this.#report('storage_full', `what is stored could not be removed: ${error}`);
      });
    } else if (this.#isOpen && this.#changes.size) {
      await this.#write();
    }
    if (!this.#isGone) await this.#inTime(() => this.#store.close()).catch(() => {});
    this.#isGone = true;
    this.#idle.then(this.#leave);
  }

  #schedule() {
    if (this.#isScheduled || !this.#isOpen) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (!this.#isWriting) this.#writing = this.#run();
    });
  }

  async #run() {
    this.#isWriting = true;
    while (this.#changes.size || this.#waiting.length) {
      if (this.#isGone) this.#changes.clear();
      if (this.#hasFailed && this.#clock.now() < this.#retryAt) {
        this.#release(this.#waiting.splice(0));
        break;
      }
      await this.#write();
      if (this.#hasFailed) break;
    }
    this.#isWriting = false;
  }

  async #write() {
    const changes = this.#changes;
    const waiting = this.#waiting.splice(0);
    this.#changes = new Map();
    try {
      if (changes.size) await this.#inTime(() => this.#store.write([...changes]));
      this.#hasFailed = false;
      if (this.#isGone) this.#release(waiting);
      else for (const done of waiting) done();
    } catch (error) {
      if (!this.#hasFailed) this.#report('storage_full', `what comes now is not kept: ${error}`);
      this.#hasFailed = true;
      for (const [key, value] of this.#changes) {
        changes.delete(key);
        changes.set(key, value);
      }
      this.#changes = changes;
      this.#retryAt = this.#clock.now() + BOUNDS.storeRetryMs;
      this.#clock.clearTimeout(this.#timer);
      this.#timer = this.#clock.setTimeout(() => this.#schedule(), BOUNDS.storeRetryMs + 1);
      this.#release([...waiting, ...this.#waiting.splice(0)]);
    }
  }

  /** What cannot be kept has been given to the app at least. @param {(() => void)[]} waiting */
  #release(waiting) {
    if (!waiting.length) return;
    this.#given();
    for (const done of waiting) done();
  }

  /** Asks the store, once it has done what it was asked before, even if that was given up.
   * @template T @param {() => Promise<T>} ask @param {string} [late] why it may be late
   * @returns {Promise<T>} */
  #inTime(ask, late = 'the store did not answer') {
    let isLate = false;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => {
        isLate = true;
        reject(new LateError(`${late} within ${BOUNDS.storeMs / 1000} s`));
      }, BOUNDS.storeMs);
      this.#idle = this.#idle.then(async () => {
        if (!isLate) resolve(await ask());
      }).catch(reject).finally(() => this.#clock.clearTimeout(timer));
    });
  }
}

/** The store may still do what it was asked. */
class LateError extends Error {}
