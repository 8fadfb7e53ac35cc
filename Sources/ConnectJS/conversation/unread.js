// @ts-check
import { placeOf, reaches } from './record.js';

/** @typedef {import('./record.js').MessageRecord} MessageRecord */
/** What the server's list last said of a conversation: it counts the messages up to `last`, above
 * `mine`. `list` tells one list from the next.
 * @typedef {{ last?: any, unread: number, unreadIsMore?: boolean, mine?: string,
 *   list: number }} Listed */

/** How many of the peer's messages lie above what the user has read, here or on another device: what
 * is held, or, where that does not reach down to there, what the list said and what has come since.
 * `isStale`: the list is of before the last move of what is read, and is to be asked for again.
 *
 * See “Unread” in Protocol.md.
 * @param {Pick<MessageRecord, 'isMine' | 'isQuiet' | 'offset' | 'rank'>[]} messages that are held,
 *   in their order, without a hole between them
 * @param {{ mine?: string, listed?: Listed, isWhole: boolean, isListPartial: boolean }} known
 *   `mine`: how far the user has read; `isWhole`: nothing older is kept anywhere; `isListPartial`:
 *   the conversation may stand in a part of the list that was not asked for
 * @returns {{ unread: number, isMore: boolean, isStale: boolean }} */
export function unreadOf(messages, { mine, listed, isWhole, isListPartial }) {
  let unread = 0;
  let newer = 0; // Than what the list counted.
  let isDown = isWhole;
  const [read, last] = [mine, listed?.last?.offset].map((offset) => (offset ? placeOf(offset) : ''));
  // From the end, as mostly little is unread.
  for (let index = messages.length - 1; index >= 0; index -= 1) {
    const { isMine, isQuiet, offset, rank } = messages[index];
    if (isMine || !offset) continue;
    if (rank <= read) {
      isDown = true;
      break;
    }
    if (isQuiet) continue;
    unread += 1;
    if (rank > last) newer += 1;
  }
  if (isDown) return { unread, isMore: false, isStale: false };
  if (!listed) return { unread, isMore: isListPartial && unread > 0, isStale: false };
  if (listed.mine !== mine) {
    // Where all that was listed is read, the rest is what is held.
    if (reaches(mine, listed.last?.offset)) return { unread, isMore: false, isStale: false };
    // Else it is unread from its last message on, at least.
    const least = newer + (listed.unread > 0 && listed.last?.type === 'message' ? 1 : 0);
    const isMore = listed.unread > 0 || listed.unreadIsMore === true;
    return { unread: Math.max(unread, least), isMore, isStale: true };
  }
  const all = listed.unread + newer;
  if (all <= unread) return { unread, isMore: false, isStale: false };
  return { unread: all, isMore: listed.unreadIsMore === true, isStale: false };
}
