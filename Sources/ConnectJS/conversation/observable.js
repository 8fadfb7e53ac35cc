// @ts-check
import { report } from '../core/values.js';

/** Collects what has changed, and tells of it once, at the end of the task at hand. */
export class Turn {
  /** @type {Set<Observable>} */ #changed = new Set();
  #isScheduled = false;

  /** @param {Observable} observable */
  mark(observable) {
    this.#changed.add(observable);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.flush());
  }

  /** Tells of all that has changed, now. */
  flush() {
    this.#isScheduled = false;
    while (this.#changed.size) {
      const [observable] = this.#changed;
      this.#changed.delete(observable);
      observable.settle();
      observable.emit('change', observable);
      observable.wake();
    }
  }
}

/** What several views may observe at once. */
export class Observable {
  /** @type {Map<string, Set<(value: any) => void>>} */ #listeners = new Map();
  /** @type {Set<{ isDue: boolean, wake?: () => void }>} */ #iterators = new Set();
  #hasEnded = false;

  /** @param {string} name @param {(value: any) => void} listener
   * @returns {() => void} which removes it again */
  on(name, listener) {
    if (typeof listener !== 'function') throw new TypeError('The listener is not a function.');
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    this.observed();
    return () => this.off(name, listener);
  }

  /** @param {string} name @param {(value: any) => void} listener */
  off(name, listener) {
    if (this.#listeners.get(name)?.delete(listener)) this.observed();
  }

  /** This object, now and after each change: what changed meanwhile is told at once, and once. It
   * ends with the client.
   * @returns {AsyncIterableIterator<any>} */
  changes() {
    /** @type {{ isDue: boolean, wake?: () => void }} */
    const iterator = { isDue: true };
    this.#iterators.add(iterator);
    this.observed();
    const leave = () => {
      if (this.#iterators.delete(iterator)) this.observed();
      iterator.wake?.();
      return { value: undefined, done: true };
    };
    const next = async () => {
      while (!iterator.isDue) {
        if (this.#hasEnded || !this.#iterators.has(iterator)) return leave();
        await new Promise((resume) => { iterator.wake = () => resume(undefined); });
      }
      if (!this.#iterators.has(iterator)) return leave();
      iterator.isDue = false;
      return { value: this, done: false };
    };
    return {
      next,
      return: async () => leave(),
      [Symbol.asyncIterator]() { return this; },
    };
  }

  /** How many views hear of changes. @internal */
  get observers() { return (this.#listeners.get('change')?.size ?? 0) + this.#iterators.size; }

  /** @param {string} name @internal */
  listens(name) { return (this.#listeners.get(name)?.size ?? 0) > 0; }

  /** The number of observers has changed. @internal */
  observed() {}

  /** Before a change is told. @internal */
  settle() {}

  /** A listener that throws keeps nothing from the others. @internal
   * @param {string} name @param {any} value */
  emit(name, value) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        report(error);
      }
    }
  }

  /** Tells the iterators. @internal */
  wake() {
    for (const iterator of this.#iterators) {
      iterator.isDue = true;
      iterator.wake?.();
    }
  }

  /** No more changes will come. @internal */
  end() {
    this.#hasEnded = true;
    for (const iterator of this.#iterators) iterator.wake?.();
  }
}
