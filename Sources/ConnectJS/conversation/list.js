// @ts-check
import { BOUNDS } from './bounds.js';
import { Observable } from './observable.js';

/** @typedef {import('./conversation.js').Conversation} Conversation */
/** @typedef {import('../core/types.js').ConversationPage} ConversationPage */
/** What the list needs of its client.
 * @typedef {{ all: () => Iterable<Conversation>, with: (user: string) => Conversation,
 *   ask: (options: { limit: number, before?: string }) => Promise<ConversationPage>,
 *   keep: (key: string, value: any) => void, isLive: () => boolean, observed: () => void,
 *   mark: () => void, report: (code: string, message: string) => void,
 *   clock: import('../core/clock.js').Clock }} Context */

/** The conversations, those with the newest message first. */
export class ConversationList extends Observable {
  #context;
  /** @type {readonly Conversation[] | undefined} */ #items;
  #list = 0; // Counts the lists: of one, a peer that an earlier part has named is ignored.
  #isLoaded = false; // Once, now or before what is stored.
  #isDue = true;
  /** @type {string | undefined} */ #next;
  /** @type {Promise<void> | undefined} */ #loading;
  /** @type {any} */ #timer;

  /** @param {Context} context */
  constructor(context) {
    super();
    this.#context = context;
  }

  /** The same array until something changes. */
  get items() {
    this.#items ??= Object.freeze([...this.#context.all()].filter(({ isListed }) => isListed)
      .map((conversation) => ({ conversation, rank: conversation.rank }))
      .sort((a, b) => (a.rank < b.rank ? 1 : a.rank > b.rank ? -1 : 0))
      .map(({ conversation }) => conversation));
    return this.#items;
  }

  /** How many messages are unread in all that is listed. */
  get unread() { return this.items.reduce((sum, { unread }) => sum + unread, 0); }

  /** Whether `loadMore` may bring more. */
  get hasMore() { return !this.#isLoaded || this.#next !== undefined; }

  /** Asks for the next part of the list. @returns {Promise<void>} or a `ConnectError` */
  async loadMore() {
    if (!this.hasMore) return;
    await (this.#loading ?? this.#load(this.#isLoaded && !this.#isDue ? this.#next : undefined));
  }

  // What follows is internal.

  /** @internal */
  get isPartial() { return this.hasMore; }

  /** What is held is not enough: it is asked for from the beginning. @internal */
  isDue() {
    this.#isDue = true;
    this.#ask(BOUNDS.relistMs);
  }

  /** There is a connection, and all that was missed has come. @internal */
  live() { if (this.#isDue) this.#ask(0); }

  /** @param {any} value from the store @internal */
  load(value) {
    const isSound = Number.isSafeInteger(value?.list)
      && (value.next === undefined || typeof value.next === 'string');
    if (!isSound) return;
    this.#list = value.list;
    this.#next = value.next;
    this.#isLoaded = true;
    this.#isDue = value.isDue === true;
  }

  /** @internal */
  observed() { this.#context.observed(); }

  /** @internal */
  settle() { this.#items = undefined; }

  /** A conversation has changed. @internal */
  changed() {
    this.#items = undefined;
    this.#context.mark();
  }

  /** @internal */
  end() {
    super.end();
    this.#context.clock.clearTimeout(this.#timer);
  }

  /** @param {number} ms */
  #ask(ms) {
    if (this.#timer !== undefined || !this.#context.isLive()) return;
    this.#timer = this.#context.clock.setTimeout(() => {
      this.#timer = undefined;
      if (!this.#isDue || !this.#context.isLive()) return;
      this.#relist().catch((error) => {
        if (error.code === 'closed') return;
        this.#context.report(error.code, `the list of conversations did not come: ${error.message}`);
        this.#ask(BOUNDS.relistRetryMs);
      });
    }, ms);
  }

  /** From the beginning, and on as long as a count is known to be of before. */
  async #relist() {
    await this.#load();
    try {
      for (let part = 1; part < BOUNDS.relistParts && this.#next !== undefined; part += 1) {
        if (![...this.#context.all()].some(({ isStale }) => isStale)) return;
        await (this.#loading ?? this.#load(this.#next));
      }
    } catch (error) {
      this.#isDue = true;
      throw error;
    }
  }

  /** @param {string} [before] */
  #load(before) {
    const loading = this.#loadPart(before).finally(() => {
      if (this.#loading === loading) this.#loading = undefined;
    });
    this.#loading = loading;
    return loading;
  }

  /** @param {string} [before] */
  async #loadPart(before) {
    if (before === undefined) {
      this.#list += 1;
      this.#isDue = false;
    }
    const list = this.#list;
    const wasPartial = this.isPartial;
    try {
      const { items, next } = await this.#context.ask({ limit: BOUNDS.listItems, before });
      if (list !== this.#list) return; // Meanwhile it has begun again, and knows better.
      this.#isLoaded = true;
      this.#next = next;
      for (const item of items) {
        const conversation = this.#context.with(item.peer);
        if (conversation.list !== list) conversation.listed(item, list);
      }
    } catch (error) {
      if (before === undefined && list === this.#list) this.#isDue = true;
      throw error;
    } finally {
      this.#context.keep('list', { list: this.#list, next: this.#next, isDue: this.#isDue });
      if (this.isPartial !== wasPartial) {
        for (const conversation of this.#context.all()) conversation.partialChanged();
      }
      this.changed();
    }
  }
}
