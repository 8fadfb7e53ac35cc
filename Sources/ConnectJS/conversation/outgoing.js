// @ts-check
import { ConnectError } from '../core/errors.js';
import { Observable } from './observable.js';

/** @typedef {import('./record.js').Entry} Entry */

/** A message of the user's own, and what becomes of it. */
export class Outgoing extends Observable {
  #id;
  /** As it was last told. @type {Entry} */ #entry;
  #current;
  #retry;
  /** @type {Promise<Entry>} */ #accepted;
  /** @type {(entry: Entry) => void} */ #resolve = () => {};
  /** @type {(error: ConnectError) => void} */ #reject = () => {};
  #isSettled = false;

  /** @param {Entry} entry @param {() => Entry | undefined} current the same as it is now, if it is held
   * @param {() => void} retry */
  constructor(entry, current, retry) {
    super();
    this.#id = entry.id;
    this.#entry = entry;
    this.#current = current;
    this.#retry = retry;
    this.#accepted = this.#promise();
  }

  get id() { return this.#id; }
  /** The entry as it is now. */
  get entry() { return this.#current() ?? this.#entry; }
  /** Fulfilled with the entry when the message is durable; rejected with a `ConnectError` when it is
   * refused, or when the client is closed before: then it is sent at the next start. It need not be
   * waited for. */
  get accepted() { return this.#accepted; }

  /** Sends it again, after it has failed. */
  retry() {
    this.#retry();
    return this;
  }

  /** It waits again. @internal */
  again() { if (this.#isSettled) this.#accepted = this.#promise(); }

  /** @param {Entry} entry as it is now @internal */
  became(entry) {
    if (entry === this.#entry) return;
    this.#entry = entry;
    const { state, failure } = entry;
    if (state === 'failed') {
      this.#isSettled = true;
      this.#reject(new ConnectError(failure?.code ?? 'failed', failure?.message ?? 'It failed.'));
    } else if (state !== 'waiting') {
      this.#isSettled = true;
      this.#resolve(entry);
    }
    this.emit('change', this);
    this.wake();
  }

  /** @internal */
  end() {
    super.end();
    this.#reject(new ConnectError('closed', 'The client was closed. What the store holds of it is '
      + 'sent at the next start.'));
  }

  get isSettled() { return this.#isSettled; }

  #promise() {
    this.#isSettled = false;
    /** @type {Promise<Entry>} */
    const promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    promise.catch(() => {}); // Who does not wait for it is told by the entry.
    return promise;
  }
}
