// @ts-check
/** The other side of a conversation, as far as it is known now. */
export class Peer {
  #user;
  #isTyping = false;
  /** @type {{ online: boolean, lastSeen?: number } | undefined} */ #status;

  /** @param {string} user */
  constructor(user) { this.#user = user; }

  get user() { return this.#user; }
  get isTyping() { return this.#isTyping; }
  /** Undefined while it is not known: without a connection, or while nobody observes them. */
  get isOnline() { return this.#status?.online; }
  /** In milliseconds since 1970; undefined of who is online, was never seen, or is not known. */
  get lastSeen() { return this.#status?.lastSeen; }

  /** @param {boolean} isTyping @internal */
  types(isTyping) { this.#isTyping = isTyping; }

  /** @param {{ online: boolean, lastSeen?: number } | undefined} status
   * @returns {boolean} whether that is news @internal */
  is(status) {
    const before = this.#status;
    this.#status = status;
    return before?.online !== status?.online || before?.lastSeen !== status?.lastSeen;
  }
}
