// @ts-check
import { isOffset, isUserName } from '../core/values.js';
import { BOUNDS } from './bounds.js';
import { isSound, placeOf } from './record.js';

/** @typedef {import('./conversation.js').Conversation} Conversation */
/** @typedef {import('./record.js').Stored} Stored */

/** @param {any} value */
const isOptional = (value) => value === undefined || isOffset(value);

/** @param {any} value of a conversation @returns {boolean} */
function isSoundConversation(value) {
  if (value === null || typeof value !== 'object') return false;
  const { positions, listed, told, history } = value;
  return Object.values(positions ?? {}).every(isOptional) && isOptional(told)
    && (listed === undefined || (Number.isSafeInteger(listed?.unread) && isOptional(listed.mine)
      && (listed.last === undefined || isOffset(listed.last?.offset))))
    && (history === undefined || (isOptional(history?.cut) && Array.isArray(history?.failures)
      && history.failures.every((/** @type {any} */ it) => Array.isArray(it) && it[1]?.code)));
}

/** Puts what a store holds into conversations. One that is damaged is told of, and begun again whole,
 * so that no hole is left in it.
 * @param {Map<string, any>} values
 * @param {{ conversation: (user: string) => Conversation,
 *   report: (code: string, message: string) => void }} client
 * @returns {{ order: number, orphans: string[] }} the highest `order`; the keys that are of no use */
export function loadInto(values, { conversation, report }) {
  /** @type {Map<string, { value?: any, messages: Stored[], keys: string[], isDamaged: boolean }>} */
  const found = new Map();
  for (const [key, value] of values) {
    const [kind, user] = key.split('/', 2);
    if (kind !== 'entry' && kind !== 'conversation') continue;
    const of = found.get(user) ?? { messages: [], keys: [], isDamaged: !isUserName(user) };
    found.set(user, of);
    of.keys.push(key);
    if (kind === 'entry') of.messages.push(value);
    else of.value = value;
    of.isDamaged ||= !(kind === 'entry' ? isSound(value) : isSoundConversation(value));
  }
  /** @type {string[]} */ const orphans = [];
  for (const [user, { keys, isDamaged }] of found) {
    if (!isDamaged) continue;
    report('storage_damaged', `the conversation with '${user}' is not what was written, and is `
      + 'begun again');
    orphans.push(...keys);
    found.delete(user);
  }
  const newest = ({ messages, value } = /** @type {any} */ ({})) => messages.reduce(
    (/** @type {string} */ rank, /** @type {Stored} */ { offset, status }) => {
      const place = status === 'waiting' ? '~' : offset ? placeOf(offset) : '';
      return place > rank ? place : rank;
    }, value?.listed?.last ? placeOf(value.listed.last.offset) : '');
  const byAge = [...found].map(([user, of]) => ({ user, of, rank: newest(of) }))
    .sort((a, b) => (a.rank < b.rank ? 1 : -1));
  let order = 0;
  for (const [index, { user, of: { messages, value, keys } }] of byAge.entries()) {
    if (index >= BOUNDS.storedConversations && !messages.some(({ status }) => status === 'waiting')) {
      orphans.push(...keys);
      continue;
    }
    for (const message of messages) order = Math.max(order, message.order);
    conversation(user).load(value, messages);
  }
  return { order, orphans };
}
