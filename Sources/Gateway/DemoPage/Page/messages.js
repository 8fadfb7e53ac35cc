// @ts-check
/** The conversation in view: its messages, what is new in it, and what is earlier. */
import { $, clock, dayOf, stamp, textOf } from './dom.js';

/** @typedef {import('../../../ConnectJS/index.js').Conversation} Conversation */
/** @typedef {import('../../../ConnectJS/index.js').Entry} Entry */

const MAX_DRAWN = 300; // Entries, while the end is in view.
const PAGE_ENTRIES = 50; // That are drawn, or asked for, at a time.
const NEAR_TOP = 300; // Pixels from the top at which earlier messages are loaded.
const NEAR_END = 60; // Pixels from the end that count as in view.
const GROUP_MS = 5 * 60_000;

/** @param {Entry} entry */
const keyOf = ({ isMine, id }) => `${isMine ? 'mine' : 'theirs'} ${id}`;

export class Messages {
  #isOnline;
  /** @type {Conversation | null} */ #conversation = null;
  /** @type {() => void} */ #leave = () => {};
  /** @type {Map<string, { row: any, entry?: Entry }>} what is drawn */ #rows = new Map();
  /** The first that is drawn. @type {string | undefined} */ #top;
  /** @type {string | undefined} */ #firstUnread;
  #pinned = true; // The end is in view, and is kept there.
  #newer = 0; // Messages that came below what is in view.
  #isOpening = false; // Unread messages are missing that are to be in view first.
  #isLoading = false;
  #problem = '';
  #lastTop = 0; // Of the log, when it was last scrolled.
  #lastHeight = 0;
  #nextDraw = 0;

  /** @param {() => boolean} isOnline */
  constructor(isOnline) {
    this.#isOnline = isOnline;
    $('newer').addEventListener('click', () => { this.#pinned = true; this.#keepEnd(); });
    $('log').addEventListener('scroll', () => this.#scrolled());
    $('earlier').lastElementChild.addEventListener('click', () => this.#showEarlier());
    document.addEventListener('visibilitychange', () => this.#noteRead());
    // A phone's keyboard, or a composer that grows, must not cover the end.
    new ResizeObserver(() => this.#keepEnd()).observe($('log'));
  }

  /** @param {Conversation | null} conversation */
  open(conversation) {
    this.#leave();
    this.#conversation = conversation;
    this.#leave = conversation?.on('change', () => this.#drawSoon()) ?? (() => {});
    this.#rows.clear();
    this.#top = this.#firstUnread = undefined;
    this.#pinned = true;
    this.#newer = 0;
    this.#problem = '';
    this.#isOpening = false;
    // A whole conversation is not news, so it is not read out.
    $('log').ariaLive = 'off';
    $('messages').replaceChildren();
    setTimeout(() => { $('log').ariaLive = 'polite'; });
    if (conversation) this.#showFirstUnread(conversation);
    else this.#draw();
    this.fill();
  }

  /** Loads earlier messages as long as there is room in view, or unread ones are missing. */
  fill() {
    if (!this.#conversation || !this.#isOnline()) return;
    const { scrollTop, scrollHeight, clientHeight } = $('log');
    const hasRoom = scrollHeight <= clientHeight || scrollTop < NEAR_TOP;
    if (this.#isOpening || hasRoom) this.#showEarlier();
  }

  /** A replay brings many messages at a time, which need only one layout. */
  #drawSoon() {
    cancelAnimationFrame(this.#nextDraw);
    this.#nextDraw = requestAnimationFrame(() => this.#draw());
  }

  /** From the first unread message on, or else the end.
   * @param {Conversation} conversation */
  #showFirstUnread(conversation) {
    const { entries, unread, unreadIsMore, hasEarlier } = conversation;
    const held = entries.filter(({ isMine, isQuiet, state }) => (
      !isMine && !isQuiet && state === 'received'));
    // Where there are more than are held, they come first.
    this.#isOpening = unread > held.length && !unreadIsMore && hasEarlier && !this.#problem;
    this.#firstUnread = unread && held.length ? keyOf(held[0]) : undefined;
    this.#pinned = !this.#firstUnread;
    if (this.#firstUnread) {
      this.#top = keyOf(entries[Math.max(0, entries.indexOf(held[0]) - PAGE_ENTRIES)]);
    }
    this.#draw();
    if (!this.#firstUnread) return;
    const log = $('log');
    this.#rows.get(this.#firstUnread)?.row.scrollIntoView({ block: 'start' });
    this.#lastTop = log.scrollTop;
    this.#pinned = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END;
    this.#keepEnd();
  }

  /** What is to be drawn: from the top that was drawn before to the end. */
  #shown() {
    const entries = this.#conversation?.entries ?? [];
    let first = entries.findIndex((entry) => keyOf(entry) === this.#top);
    if (first < 0 || (this.#pinned && entries.length - first > MAX_DRAWN)) {
      first = Math.max(0, entries.length - MAX_DRAWN);
    }
    this.#top = entries[first] && keyOf(entries[first]);
    return entries.slice(first);
  }

  /** Draws what has changed, parts the messages by day, and groups them by sender. */
  #draw() {
    const shown = this.#shown();
    const isFirst = this.#rows.size === 0;
    const last = shown.findLastIndex((entry) => this.#rows.has(keyOf(entry)));
    const fresh = isFirst ? [] : shown.slice(last + 1);
    if (fresh.some(({ state }) => state === 'waiting')) this.#pinned = true;
    if (!this.#pinned) this.#newer += fresh.filter(({ isMine }) => !isMine).length;
    const rows = shown.map((entry, index) => this.#drawEntry(entry, shown[index - 1]));
    for (const entry of fresh) this.#rows.get(keyOf(entry))?.row.classList.add('fresh');
    const keys = new Set(shown.map(keyOf));
    for (const [key, { row }] of this.#rows) {
      if (keys.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    const list = $('messages');
    // Left alone where they are in their place, so that a selection stays.
    rows.forEach((row, index) => {
      if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
    });
    $('empty').hidden = shown.length > 0;
    this.#drawEarlier();
    this.#keepEnd();
  }

  /** @param {Entry} entry @param {Entry | undefined} before @returns {any} its row */
  #drawEntry(entry, before) {
    const key = keyOf(entry);
    const drawn = this.#rows.get(key) ?? { row: this.#newRow(entry) };
    this.#rows.set(key, drawn);
    const { row } = drawn;
    if (drawn.entry !== entry) {
      const { isMine, at, state, failure, offset } = entry;
      drawn.entry = entry;
      const stage = isMine ? state : '';
      row.dataset.stage = stage;
      row.querySelector('time').textContent = clock.format(at);
      row.querySelector('use').setAttribute('href', stage && `#icon-${stage}`);
      row.querySelector('.unseen').textContent = stage;
      row.querySelector('.note').hidden = !failure;
      row.querySelector('.note span').textContent = failure
        && `Not ${offset ? 'delivered' : 'sent'}: ${failure.message || failure.code}`;
    }
    const isNewDay = !before || dayOf(before.at) !== dayOf(entry.at);
    row.firstElementChild.hidden = !isNewDay;
    row.firstElementChild.textContent = dayOf(entry.at);
    row.children[1].hidden = key !== this.#firstUnread;
    row.classList.toggle('first', isNewDay || before.isMine !== entry.isMine
      || entry.at - before.at > GROUP_MS);
    return row;
  }

  /** @param {Entry} entry */
  #newRow({ id, isMine, body }) {
    const row = stamp('item');
    const text = textOf(body);
    row.classList.toggle('mine', isMine);
    row.querySelector('.text').textContent = text ?? JSON.stringify(body, null, 2);
    row.querySelector('.text').classList.toggle('code', text === undefined);
    row.querySelector('button').addEventListener('click', () => {
      try {
        this.#conversation?.retry(id);
      } catch (error) {
        $('room').textContent = /** @type {Error} */ (error).message;
      }
    });
    return row;
  }

  /** Draws more of what is held, or asks for more. What is in view stays where it is. */
  #showEarlier() {
    const { entries = [] } = this.#conversation ?? {};
    const first = entries.findIndex((entry) => keyOf(entry) === this.#top);
    if (first <= 0) return this.#loadEarlier();
    this.#drawFrom(keyOf(entries[Math.max(0, first - PAGE_ENTRIES)]));
  }

  /** @param {string} top */
  #drawFrom(top) {
    const log = $('log');
    const below = log.scrollHeight - log.scrollTop;
    this.#top = top;
    this.#draw();
    if (!this.#pinned) log.scrollTop = this.#lastTop = log.scrollHeight - below;
  }

  async #loadEarlier() {
    const conversation = this.#conversation;
    if (!conversation?.hasEarlier || this.#isLoading) return;
    this.#isLoading = true;
    this.#problem = '';
    this.#drawEarlier();
    let isMore = false;
    try {
      const [oldest] = await conversation.loadEarlier(PAGE_ENTRIES);
      isMore = oldest !== undefined;
      if (oldest && conversation === this.#conversation) this.#drawFrom(keyOf(oldest));
    } catch (error) {
      const { code, message } = /** @type {any} */ (error);
      if (conversation === this.#conversation) this.#problem = code === 'closed' ? '' : message;
    }
    this.#isLoading = false;
    if (conversation !== this.#conversation) return this.fill();
    this.#drawEarlier();
    if (this.#isOpening) this.#showFirstUnread(conversation);
    if (isMore) this.fill();
    else this.#isOpening = false;
    this.#noteRead();
  }

  #drawEarlier() {
    const [text, button] = $('earlier').children;
    const isTrimmed = this.#conversation?.isTrimmed === true;
    $('earlier').hidden = !this.#isLoading && !this.#problem && !isTrimmed;
    text.textContent = this.#isLoading ? 'Loading earlier messages…'
      : this.#problem ? `Earlier messages did not come: ${this.#problem}`
      : 'Earlier messages are no longer kept.';
    button.hidden = this.#isLoading || !this.#problem;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = $('log');
    // Only a scroll upwards leaves the end; the layout alone must not.
    if (scrollTop < this.#lastTop && clientHeight === this.#lastHeight) this.#pinned = false;
    if (scrollHeight - scrollTop - clientHeight < NEAR_END) this.#pinned = true;
    [this.#lastTop, this.#lastHeight] = [scrollTop, clientHeight];
    this.#keepEnd();
    if (!this.#pinned && scrollTop < NEAR_TOP && !this.#problem) this.#showEarlier();
  }

  #keepEnd() {
    if (this.#pinned) $('log').scrollTop = $('log').scrollHeight;
    if (this.#pinned) this.#newer = 0;
    $('newer').hidden = !this.#newer;
    $('newer').lastElementChild.textContent =
      `${this.#newer} new message${this.#newer > 1 ? 's' : ''}`;
    this.#noteRead();
  }

  /** What is in view is read. */
  #noteRead() {
    if (this.#pinned && !document.hidden && !this.#isOpening) this.#conversation?.markRead();
  }
}
