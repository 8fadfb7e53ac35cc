// @ts-check
import { BOUNDS } from './bounds.js';
import { placeOf } from './record.js';

/** @typedef {import('./log.js').Log} Log */
/** @typedef {import('./record.js').MessageRecord} MessageRecord */
/** @typedef {import('./record.js').Stored} Stored */
/** @typedef {import('../core/types.js').MailboxEntry} MailboxEntry */
/** @typedef {import('../core/types.js').HistoryPage} HistoryPage */
/** @typedef {{ code: string, message: string }} Failure */

/** How the messages that are held go on downwards. What is shown has no hole: where entries may be
 * missing (`cut`), what lies below is shown again once history has come down to it. */
export class History {
  #log;
  #server;
  /** Where history goes on: undefined before the first that is shown, null at its beginning.
   * @type {string | null | undefined} */ #earlier;
  #isTrimmed = false;
  /** @type {string | undefined} the offset at and below which what is held is not shown */ #cut;
  /** Of messages that are not held. @type {Map<string, Failure>} */ #failures = new Map();
  /** @type {Promise<MessageRecord[]> | undefined} */ #loading;
  #epoch = 0; // What is asked before a cut has no place after it.

  /** @param {Log} log
   * @param {{ ask: (options: { before?: string, limit: number }) => Promise<HistoryPage>,
   *   messageOf: (entry: MailboxEntry) => Stored, changed: () => void }} server */
  constructor(log, server) {
    this.#log = log;
    this.#server = server;
  }

  get hasEarlier() { return this.#earlier !== null; }
  get isTrimmed() { return this.#isTrimmed && this.#earlier === null; }

  get shown() {
    const { records } = this.#log;
    if (!this.#cut) return records;
    const cut = placeOf(this.#cut);
    return records.filter(({ rank }) => rank > cut);
  }

  /** To be stored. That nothing is older holds only while all is stored. */
  get kept() {
    const isWhole = this.#earlier === null && this.#log.records.length < BOUNDS.storedEntries;
    return {
      isWhole, isTrimmed: isWhole && this.#isTrimmed, cut: this.#cut,
      failures: [...this.#failures],
    };
  }

  /** @param {any} value */
  load(value) {
    this.#earlier = value?.isWhole === true ? null : undefined;
    this.#isTrimmed = value?.isTrimmed === true;
    this.#cut = value?.cut;
    this.#failures = new Map(value?.failures ?? []);
  }

  cut() {
    // There would be a second hole, at the cut of before: what lies below that one is asked for again.
    if (this.#cut) {
      const shown = new Set(this.shown);
      for (const record of [...this.#log.records]) {
        if (record.offset && !shown.has(record)) this.#log.remove(record);
      }
    }
    const last = this.#log.last?.offset;
    if (last) this.#cut = last;
    this.#begin();
  }

  restarted() {
    this.#cut = undefined;
    this.#begin();
  }

  /** The oldest are not held any more. */
  trimmed() { this.#begin(); }

  /** It is known why a message failed that is not held. @param {string} id @param {Failure} failure */
  failed(id, failure) {
    this.#failures.set(id, failure);
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > BOUNDS.failures) this.#failures.delete(oldest);
  }

  /** It is stored after all. @param {string} id */
  stored(id) { this.#failures.delete(id); }

  /** @param {number} limit @returns {Promise<MessageRecord[]>} */
  loadEarlier(limit) {
    this.#loading ??= this.#load(limit).finally(() => { this.#loading = undefined; });
    return this.#loading;
  }

  #begin() {
    this.#earlier = undefined;
    this.#isTrimmed = false;
    this.#epoch += 1;
  }

  /** @param {number} limit */
  async #load(limit) {
    for (let page = 0; page < BOUNDS.emptyPages && this.#earlier !== null; page += 1) {
      const epoch = this.#epoch;
      const before = this.#earlier ?? this.shown.find(({ offset }) => offset)?.offset;
      const { entries, next, trimmed } = await this.#server.ask({ before, limit });
      if (epoch !== this.#epoch) continue;
      const held = new Set(this.shown);
      this.#earlier = next ?? null;
      this.#isTrimmed = trimmed === true;
      this.#put(entries);
      this.#join(entries, next);
      this.#server.changed();
      const added = this.shown.filter((record) => !held.has(record));
      if (added.length) return added;
    }
    return [];
  }

  /** @param {MailboxEntry[]} entries newest first */
  #put(entries) {
    for (const entry of entries) {
      if (entry.type === 'failed') {
        const { id, code = 'failed', message = 'It was not delivered.' } = entry;
        if (!this.#log.get(true, id)) this.failed(id, { code, message });
        continue;
      }
      const message = this.#server.messageOf(entry);
      const known = this.#log.get(message.isMine, message.id);
      if (known) {
        const { offset, peerOffset } = message;
        const isUnplaced = !known.offset && known.status === 'accepted';
        if (isUnplaced) this.#log.change(known, { offset, peerOffset, after: undefined });
        continue;
      }
      const failure = message.isMine ? this.#failures.get(message.id) : undefined;
      this.#failures.delete(failure ? message.id : '');
      this.#log.add({ ...message, ...(failure && { status: 'failed', failure }) });
    }
  }

  /** Where history has come down to the cut, what lies below is shown again, and history goes on
   * before the first of it.
   * @param {MailboxEntry[]} entries @param {string | undefined} next */
  #join(entries, next) {
    if (!this.#cut) return;
    const cut = placeOf(this.#cut);
    const isDown = [...entries.map(({ offset }) => offset), ...(next ? [next] : [])]
      .some((offset) => placeOf(offset) <= cut);
    if (next && !isDown) return;
    this.#cut = undefined;
    if (isDown) this.#earlier = undefined;
  }
}
