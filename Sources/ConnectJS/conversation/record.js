// @ts-check
import { isMessageID, isOffset } from '../core/values.js';

/** @typedef {import('../core/types.js').MailboxEntry} MailboxEntry */
/** What is held of a message. `offset` is its place in the user's own mailbox, `peerOffset` that in the
 * recipient's. `order` is that of writing, for what has no place yet; `after`: it failed behind that
 * offset. `isStale`: its offsets are of another Redis.
 * @typedef {{ id: string, isMine: boolean, body: any, at: number, isQuiet: boolean,
 *   status: 'received' | 'waiting' | 'accepted' | 'failed', order: number, offset?: string,
 *   peerOffset?: string, after?: string, failure?: { code: string, message: string },
 *   isStale?: boolean }} Stored
 * @typedef {Stored & { rank: string, isStored: boolean, entry?: Entry,
 *   version?: number }} MessageRecord
 * @typedef {'waiting' | 'accepted' | 'delivered' | 'read' | 'failed' | 'received'} EntryState
 * @typedef {Readonly<{ id: string, from: string, to: string, isMine: boolean, body: any, at: number,
 *   offset?: string, isQuiet: boolean, state: EntryState,
 *   failure?: Readonly<{ code: string, message: string }> }>} Entry */

const DIGITS = 20; // Of an unsigned number of 64 bits.

/** An offset as a text that sorts as offsets do.
 * @param {string} offset */
export function placeOf(offset) {
  const [ms, sequence = '0'] = offset.split('-');
  return ms.padStart(DIGITS, '0') + sequence.padStart(DIGITS, '0');
}

/** Whether a position has come to an offset.
 * @param {string | undefined} position @param {string | undefined} offset */
export const reaches = (position, offset) => (
  Boolean(position && offset && placeOf(position) >= placeOf(offset)));

/** @param {{ isMine: boolean, id: string }} message */
export const keyOf = ({ isMine, id }) => `${isMine ? 'm' : 't'}/${id}`;

/** Where a message stands among those of its conversation: by the mailbox; behind all that has a place
 * there, what is accepted; and last what waits.
 * @param {Stored} message */
export function rankOf({ offset, after, status, order }) {
  const written = String(order).padStart(DIGITS, '0');
  if (offset) return placeOf(offset);
  if (after) return `${placeOf(after)}~${written}`;
  return `~${status === 'waiting' ? 1 : 0}${written}`;
}

/** @param {MailboxEntry} entry a message, or the copy of one's own @param {string} user oneself
 * @returns {Stored} */
export function messageOf({ type, offset, peerOffset, from, id, at = 0, body, quiet }, user) {
  const isMine = type === 'sent' || from === user;
  return {
    id, isMine, body, at, isQuiet: quiet === true, status: isMine ? 'accepted' : 'received',
    order: 0, offset, peerOffset: type === 'sent' ? peerOffset : offset,
  };
}

/** @param {any} value from a store @returns {boolean} */
export function isSound(value) {
  const isOptional = (/** @type {any} */ offset) => offset === undefined || isOffset(offset);
  return value !== null && typeof value === 'object' && isMessageID(value.id)
    && typeof value.isMine === 'boolean' && Number.isFinite(value.at)
    && Number.isSafeInteger(value.order) && value.order >= 0
    && ['received', 'waiting', 'accepted', 'failed'].includes(value.status)
    && isOptional(value.offset) && isOptional(value.peerOffset) && isOptional(value.after)
    && 'body' in value;
}

/** @param {MessageRecord} record @returns {Stored} */
export function storedOf({ rank, isStored, entry, version, ...stored }) { return stored; }

/** @param {Stored} message
 * @param {{ delivered?: string, read?: string, mine?: string }} positions @returns {EntryState} */
export function stateOf({ isMine, status, offset, peerOffset }, { delivered, read, mine }) {
  if (!isMine) return reaches(mine, offset) ? 'read' : 'received';
  if (status !== 'accepted') return status;
  if (reaches(read, peerOffset)) return 'read';
  return reaches(delivered, peerOffset) ? 'delivered' : 'accepted';
}
