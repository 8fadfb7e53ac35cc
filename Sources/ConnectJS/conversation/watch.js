// @ts-check
import { BOUNDS } from './bounds.js';

/** @typedef {import('./conversation.js').Conversation} Conversation */
/** @typedef {import('./list.js').ConversationList} ConversationList */

/** Whose presence is watched: the peers of the conversations that somebody observes, the newest
 * observed first, and of the list, where that is observed. */
export class Watch {
  #user;
  #watch;
  #isWatching = false;

  /** @param {string} user oneself, who is not watched @param {(users: string[]) => void} watch */
  constructor(user, watch) {
    this.#user = user;
    this.#watch = watch;
  }

  /** @param {Iterable<Conversation>} all @param {ConversationList} list */
  update(all, list) {
    const observed = [...all].filter(({ observers }) => observers > 0)
      .sort((a, b) => b.observedAt - a.observedAt);
    const listed = list.observers ? list.items : [];
    const users = [...new Set([...observed, ...listed].map(({ peer }) => peer.user))]
      .filter((user) => user !== this.#user).slice(0, BOUNDS.watched);
    if (!users.length && !this.#isWatching) return;
    this.#isWatching = users.length > 0;
    this.#watch(users);
  }
}
