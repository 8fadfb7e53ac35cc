// @ts-check
import { BOUNDS } from './bounds.js';
import { keyOf, rankOf, storedOf } from './record.js';

/** @typedef {import('./record.js').MessageRecord} MessageRecord */
/** @typedef {import('./record.js').Stored} Stored */

/** The messages of one conversation in their order, and which of them are in the store: the newest,
 * and all that is not sent. */
export class Log {
  /** @type {MessageRecord[]} */ #records = [];
  /** @type {Map<string, MessageRecord>} */ #byKey = new Map();
  #keep;

  /** @param {(key: string, value: Stored | undefined) => void} keep puts one into the store */
  constructor(keep) { this.#keep = keep; }

  get records() { return this.#records; }

  /** @param {boolean} isMine @param {string} id */
  get(isMine, id) { return this.#byKey.get(keyOf({ isMine, id })); }

  /** The first, and the last, that has a place in the mailbox. */
  get first() { return this.#records.find(({ offset }) => offset); }
  get last() { return this.#records.findLast(({ offset }) => offset); }

  /** @param {Stored} message @param {boolean} isStored whether it comes from the store */
  add(message, isStored = false) {
    const record = { ...message, rank: rankOf(message), isStored };
    this.#byKey.set(keyOf(record), record);
    this.#insert(record);
    return record;
  }

  /** @param {MessageRecord} record @param {Partial<Stored>} news */
  change(record, news) {
    Object.assign(record, news);
    record.entry = undefined;
    const rank = rankOf(record);
    if (rank === record.rank) return this.#store(record, this.#records.indexOf(record));
    this.#records.splice(this.#records.indexOf(record), 1);
    record.rank = rank;
    this.#insert(record);
  }

  /** @param {MessageRecord} record */
  remove(record) {
    this.#records.splice(this.#records.indexOf(record), 1);
    this.#byKey.delete(keyOf(record));
    this.#unstore(record);
  }

  /** Forgets the oldest beyond what is held. @returns {boolean} whether there were any */
  trim() {
    const excess = this.#records.length - BOUNDS.heldEntries;
    if (excess <= 0) return false;
    // By a tenth more, so that it is not done for each message.
    const old = this.#records.slice(0, excess + BOUNDS.heldEntries / 10)
      .filter(({ status }) => status !== 'waiting');
    for (const record of old) this.#byKey.delete(keyOf(record));
    for (const record of old) this.#unstore(record);
    this.#records = this.#records.filter((record) => this.#byKey.get(keyOf(record)) === record);
    return true;
  }

  /** Forgets all, in the store as well. */
  clear() { for (const record of [...this.#records]) this.remove(record); }

  /** @param {MessageRecord} record */
  #insert(record) {
    let [low, high] = [0, this.#records.length];
    // Mostly it is the last.
    if (high && this.#records[high - 1].rank <= record.rank) low = high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#records[middle].rank <= record.rank) low = middle + 1;
      else high = middle;
    }
    this.#records.splice(low, 0, record);
    this.#store(record, low);
  }

  /** @param {MessageRecord} record @param {number} index */
  #store(record, index) {
    const start = this.#records.length - BOUNDS.storedEntries;
    if (index >= start || record.status === 'waiting') {
      this.#keep(keyOf(record), storedOf(record));
      record.isStored = true;
    }
    for (let older = start - 1; older >= 0 && this.#records[older].isStored; older -= 1) {
      if (this.#records[older].status !== 'waiting') this.#unstore(this.#records[older]);
    }
  }

  /** @param {MessageRecord} record */
  #unstore(record) {
    if (record.isStored) this.#keep(keyOf(record), undefined);
    record.isStored = false;
  }
}
