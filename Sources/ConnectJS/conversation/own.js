// @ts-check
import { newId } from '../core/values.js';
import { BOUNDS } from './bounds.js';
import { Outgoing } from './outgoing.js';

/** @typedef {import('./conversation.js').Context} Context */
/** @typedef {import('./log.js').Log} Log */
/** @typedef {import('./record.js').Entry} Entry */
/** @typedef {import('./record.js').MessageRecord} MessageRecord */

/** The user's own messages of a conversation on their way: written, accepted or refused, sent again or
 * discarded; and the objects that tell the app of them. */
export class OwnMessages {
  #peer;
  #log;
  #context;
  #entryOf;
  #changed;
  /** @type {Map<string, Outgoing>} */ #outgoing = new Map();

  /** @param {string} peer @param {Log} log @param {Context} context
   * @param {(record: MessageRecord) => Entry} entryOf @param {() => void} changed */
  constructor(peer, log, context, entryOf, changed) {
    this.#peer = peer;
    this.#log = log;
    this.#context = context;
    this.#entryOf = entryOf;
    this.#changed = changed;
  }

  /** The ids of what waits. */
  get waiting() {
    return this.#log.records.filter(({ status }) => status === 'waiting').map(({ id }) => id);
  }

  /** @param {any} body @param {boolean} isQuiet @returns {Outgoing}
   * @throws {TypeError | RangeError | import('../core/errors.js').ConnectError} */
  send(body, isQuiet) {
    const id = newId();
    const sound = this.#context.submit({ id, to: this.#peer, body, quiet: isQuiet }, false);
    return this.#follow(this.#wait({ id, body: sound, isQuiet }));
  }

  /** @param {string} id @returns {Outgoing} @throws {RangeError} where no such message has failed */
  retry(id) {
    const record = this.#failed(id);
    const { body, isQuiet: quiet } = record;
    this.#context.submit({ id, to: this.#peer, body, quiet }, true);
    this.#log.change(record, {
      status: 'waiting', order: this.#context.order(), at: this.#context.now(), failure: undefined,
      after: undefined, offset: undefined, peerOffset: undefined,
    });
    this.#changed();
    const outgoing = this.#follow(record);
    outgoing.again();
    return outgoing;
  }

  /** @param {string} id @throws {RangeError} where no such message has failed */
  discard(id) {
    this.#log.remove(this.#failed(id));
    this.#leave(id);
    this.#changed();
  }

  /** @param {string} id @param {string} offset of it at the peer's */
  accepted(id, offset) {
    const record = this.#log.get(true, id);
    if (record?.status !== 'waiting') return;
    const at = Number(offset.split('-')[0]);
    this.#log.change(record, { status: 'accepted', peerOffset: offset, at });
    this.#changed();
  }

  /** It will not be sent. @param {string} id @param {string} code @param {string} message */
  refused(id, code, message) {
    const record = this.#log.get(true, id);
    if (record?.status !== 'waiting') return;
    const after = this.#log.last?.offset ?? '0-0';
    this.#log.change(record, { status: 'failed', failure: { code, message }, after });
    this.#changed();
  }

  /** The server took it, and could not store it.
   * @param {{ id: string, code: string, message: string, offset: string }} frame
   * @returns {boolean} false where it is not held */
  lost({ id, code, message, offset }) {
    // What is sent again meanwhile has a fate of its own.
    if (this.#context.isUnanswered(id)) return true;
    const record = this.#log.get(true, id);
    if (!record) return false;
    const after = record.offset ? undefined : offset;
    this.#log.change(record, { status: 'failed', failure: { code, message }, after });
    this.#changed();
    return true;
  }

  /** It stands in the outbox, and is not among the entries.
   * @param {{ id: string, body: any, quiet?: boolean }} send */
  adopt({ id, body, quiet = false }) {
    const known = this.#log.get(true, id);
    if (known?.status === 'waiting') return;
    if (known) this.#log.remove(known);
    this.#wait({ id, body, isQuiet: quiet });
  }

  /** It was written before the store was open, behind all that the store holds.
   * @param {number} order the last of that @param {string} id */
  writtenAfter(order, id) {
    const record = this.#log.get(true, id);
    if (!record) return;
    this.#log.change(record, { order: record.order + order });
    this.#changed();
  }

  /** Tells of what has changed. */
  settle() {
    for (const [id, outgoing] of this.#outgoing) {
      const record = this.#log.get(true, id);
      if (record) outgoing.became(this.#entryOf(record));
    }
  }

  end() { for (const outgoing of this.#outgoing.values()) outgoing.end(); }

  /** @param {{ id: string, body: any, isQuiet: boolean }} message */
  #wait(message) {
    const { order, now } = this.#context;
    const record = this.#log.add({
      ...message, isMine: true, at: now(), status: 'waiting', order: order(),
    });
    this.#changed();
    return record;
  }

  /** @param {MessageRecord} record @returns {Outgoing} */
  #follow(record) {
    const { id } = record;
    const known = this.#outgoing.get(id);
    if (known) return known;
    const current = () => {
      const held = this.#log.get(true, id);
      return held && this.#entryOf(held);
    };
    const outgoing = new Outgoing(this.#entryOf(record), current, () => { this.retry(id); });
    this.#outgoing.set(id, outgoing);
    for (const [oldest, { isSettled }] of this.#outgoing) {
      if (this.#outgoing.size <= BOUNDS.outgoing) break;
      if (isSettled) this.#leave(oldest);
    }
    return outgoing;
  }

  /** Nothing more is told by what was sent. @param {string} id */
  #leave(id) {
    this.#outgoing.get(id)?.end();
    this.#outgoing.delete(id);
  }

  /** @param {string} id @returns {MessageRecord} */
  #failed(id) {
    const record = this.#log.get(true, id);
    if (record?.status !== 'failed') {
      throw new RangeError(`No message of this conversation with the id '${id}' has failed.`);
    }
    return record;
  }
}
