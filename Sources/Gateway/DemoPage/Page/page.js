// @ts-check
/** The demo page: signing in by link, the conversations of this tab, and how they look. */
import { FrameClient, compareOffsets, isUserName } from './connect/index.js';

/** @typedef {import('../../../ConnectJS/core/types.js').State} State */
/** @typedef {{ user: string, token: string, peer: string, device: string }} Session */
/** @typedef {import('../../../ConnectJS/core/types.js').MailboxEntry} MailboxEntry */
/** `offset` is the place in the mailbox of the recipient, and `entry` that in one's own, once they
 * are known.
 * @typedef {{ id: string, mine: boolean, at: number, body: any, offset?: string, entry?: string,
 *   quiet?: boolean, note?: string,
 *   status: 'received' | 'waiting' | 'accepted' | 'failed' }} Item */
/** `listed` is what the server's list last said, and `relisted` how far the conversation was read
 * when the list was asked for again because of that. `failed` are messages of which history told
 * the failure and not yet the message. `earlier` is where history goes on, `null` at its beginning.
 * @typedef {{ peer: string, items: Item[], unread: number, isMore: boolean, draft: string,
 *   listed?: { last?: MailboxEntry, unread: number, unreadIsMore?: boolean, mine?: string },
 *   relisted?: string,
 *   failed: Set<string>, earlier?: string | null, isTrimmed?: boolean, isLoading?: boolean,
 *   firstUnread?: Item, isOpening?: boolean, problem?: string }} Conversation */
/** @typedef {{ delivered?: string, read?: string, mine?: string }} Position */

const MAX_CONVERSATIONS = 20; // That are stored; the others are asked for after a reload.
const MAX_ITEMS = 300; // Of one conversation, while its end is in view.
const MAX_WATCHED = 100; // Of whom it is shown whether they are online; a server takes no more.
const PAGE_ITEMS = 50; // That history is asked for at a time.
const MAX_EMPTY_PAGES = 5; // In a row, before one has to scroll again.
const NEAR_TOP = 300; // Pixels from the top at which earlier messages are loaded.
/** Of one conversation, that are stored: all together stay within a tab's 5 million. */
const MAX_STORED_CHARACTERS = 150_000;
const RELIST_MS = 2_000; // The list is asked for again at most this often.
const GROUP_MS = 5 * 60_000;
/** Of every message: the ticks, and that the user's other devices show it. */
const OPTIONS = { receipt: true, copy: true };

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);
/** @param {string} id @returns {any} a new element from a template */
const stamp = (id) => $(id).content.firstElementChild.cloneNode(true);

// Signing in, by `#user=alice&token=…&peer=bob`. A fragment is never part of a request; even so
// the token leaves the address bar at once, for the storage of this tab.

/** @param {string} token @returns {any} its claims, unverified: that is the server's business */
function claimsOf(token) {
  try {
    return JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
  } catch {
    return {};
  }
}

/** @param {string} text a link, its fragment, or only a token @returns {Session | null} */
function parseLink(text) {
  const fragment = text.trim().replace(/^[^#]*#/, '');
  const bare = /^[\w-]+\.[\w-]+\.[\w-]+$/.test(fragment);
  // A `+` is part of a user's name here, not a blank.
  const fields = new URLSearchParams(bare ? { token: fragment } : fragment.replaceAll('+', '%2B'));
  const [token, name] = [fields.get('token') ?? '', fields.get('peer') ?? ''];
  const user = claimsOf(token).sub ?? fields.get('user');
  if (!user || !/^[\w.-]+$/.test(token)) return null;
  // Nobody can be reached by any other name.
  const peer = isUserName(name) ? name : '';
  return { user, token, peer, device: fields.get('device') || 'web' };
}

/** What this tab has stored, which somebody may have damaged: then it is as if there were nothing.
 * @param {string} key @param {(value: any) => boolean} isSound @returns {any} */
function stored(key, isSound) {
  try {
    const value = JSON.parse(sessionStorage.getItem(key) ?? 'null');
    if (value === null || isSound(value)) return value;
    throw new TypeError('it is not what was written');
  } catch (error) {
    console.warn(`What this tab has stored as ${key} cannot be read.`, error);
    return null;
  }
}

/** @param {string} key @param {any} value */
function store(key, value) {
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch (error) {
    console.warn('The storage of this tab is full. A reload would lose messages.', error);
  }
}

/** @returns {Session | null} */
function findSession() {
  return parseLink(location.hash)
    ?? stored('connect/session', ({ user, token, peer }) => (
      Boolean(user && token) && (peer === '' || isUserName(peer))));
}

/** @param {Session} session */
function keepSession(session) {
  const { user, peer } = session;
  store('connect/session', session);
  history.replaceState(null, '', `#${new URLSearchParams(peer ? { user, peer } : { user })}`);
}

/** @param {string} [title] @param {string} [text] */
function showSignIn(title, text) {
  if (title) $('sign-in-title').textContent = title;
  if (text) $('sign-in-text').textContent = text;
  $('app').hidden = true;
  $('sign-in').hidden = false;
  $('link').focus();
}

/** The conversations of one device, kept in the tab: the server replays nothing acknowledged. */
class Conversations {
  /** @type {Map<string, Conversation>} */ #byPeer = new Map();
  #prefix;

  /** @param {string} prefix */
  constructor(prefix) {
    this.#prefix = `${prefix}/with/`;
    for (const key of Object.keys(sessionStorage).filter((key) => key.startsWith(this.#prefix))) {
      const known = stored(key, ({ peer, items }) => isUserName(peer) && Array.isArray(items));
      if (!known) continue;
      this.#byPeer.set(known.peer, { ...known, isMore: false, failed: new Set() });
    }
  }

  /** @returns {Conversation[]} the latest first */
  get all() {
    const at = (/** @type {Conversation} */ { items, listed }) => (
      items.at(-1)?.at ?? (listed ? listed.last?.at ?? 0 : Number.MAX_VALUE));
    return [...this.#byPeer.values()].sort((a, b) => at(b) - at(a));
  }

  /** @param {string} peer @returns {Conversation} */
  with(peer) {
    const known = this.#byPeer.get(peer);
    if (known) return known;
    /** @type {Conversation} */
    const conversation = {
      peer, items: [], unread: 0, isMore: false, draft: '', failed: new Set(),
    };
    this.#byPeer.set(peer, conversation);
    return conversation;
  }

  /** @param {Conversation} conversation */
  save(conversation) {
    const { items, peer, unread, draft } = conversation;
    let [first, room] = [items.length, MAX_STORED_CHARACTERS];
    const last = Math.max(0, items.length - MAX_ITEMS);
    while (first > last && (room -= JSON.stringify(items[first - 1]).length) >= 0) first -= 1;
    store(this.#prefix + peer, { peer, unread, draft, items: items.slice(first) });
    for (const { peer } of this.all.slice(MAX_CONVERSATIONS)) {
      sessionStorage.removeItem(this.#prefix + peer);
    }
  }
}

/** How far the conversations are, kept in the tab: after a reload only what is newer is told. */
class Positions {
  /** @type {Map<string, Position>} */ #byPeer = new Map();
  #prefix;
  #floorKey;
  /** @type {string | undefined} */ #floor;

  /** @param {string} prefix */
  constructor(prefix) {
    this.#floorKey = `${prefix}/floor`;
    this.#floor = stored(this.#floorKey, (offset) => /^\d+-\d+$/.test(offset)) ?? undefined;
    this.#prefix = `${prefix}/position/`;
    for (const key of Object.keys(sessionStorage).filter((key) => key.startsWith(this.#prefix))) {
      const position = stored(key, (value) => (
        Object.values(value).every((offset) => /^\d+-\d+$/.test(offset))));
      if (position) this.#byPeer.set(key.slice(this.#prefix.length), position);
    }
  }

  /** @param {string} peer @returns {Position} */
  of(peer) { return this.#byPeer.get(peer) ?? {}; }

  /** Stands for `mine` where there is none. */
  get floor() { return this.#floor; }

  /** @param {string} peer @returns {string | undefined} how far the user has read what they sent */
  readOf(peer) { return this.of(peer).mine ?? this.#floor; }

  /** @param {string | undefined} floor @returns {boolean} whether it has moved */
  raise(floor) {
    if (!floor || reaches(this.#floor, floor)) return false;
    this.#floor = floor;
    store(this.#floorKey, floor);
    return true;
  }

  /** The highest counts, so one may be told late or twice.
   * @param {string} peer @param {Position} news @returns {boolean} whether anything has moved */
  advance(peer, { delivered, read, mine }) {
    const position = { ...this.of(peer) };
    let hasMoved = false;
    for (const [name, offset] of Object.entries({ delivered, read, mine })) {
      const field = /** @type {keyof Position} */ (name);
      if (!offset || reaches(position[field], offset)) continue;
      position[field] = offset;
      hasMoved = true;
    }
    if (hasMoved) {
      this.#byPeer.set(peer, position);
      store(this.#prefix + peer, position);
    }
    return hasMoved;
  }
}

/** @param {string | undefined} position @param {string | undefined} offset */
const reaches = (position, offset) => (
  Boolean(position && offset && compareOffsets(position, offset) >= 0));

/** @param {Item} item one's own @param {Position} position
 * @returns {'waiting' | 'accepted' | 'delivered' | 'read' | 'failed'} what its tick shows */
function stageOf({ status, offset }, { delivered, read }) {
  if (status === 'waiting' || status === 'failed') return status;
  if (reaches(read, offset)) return 'read';
  return reaches(delivered, offset) ? 'delivered' : 'accepted';
}

/** @param {Item} item */
const keyOf = ({ mine, id }) => `${mine ? 'mine' : 'theirs'} ${id}`;

/** @param {MailboxEntry} entry a message, or the copy of one's own @returns {Item} */
function itemOf({ type, offset, peerOffset, id, at = 0, body, quiet }) {
  return type === 'message'
    ? { id, mine: false, at, body, offset, entry: offset, quiet, status: 'received' }
    : { id, mine: true, at, body, offset: peerOffset, entry: offset, quiet, status: 'accepted' };
}

/** @param {any} body @returns {string | undefined} the text of a body of the demo's shape */
const textOf = (body) => (typeof body?.text === 'string' ? body.text : undefined);

/** @param {number} at */
function dayOf(at) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  if (at >= midnight) return 'Today';
  return at >= midnight - 86_400_000 ? 'Yesterday' : calendar.format(at);
}

/** @param {any} element @param {string} name */
function drawAvatar(element, name) {
  const hue = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 997, 0) % 6;
  element.textContent = name[0] ?? '';
  element.dataset.hue = hue;
}

/** @param {Session} session */
function start(session) {
  const { user, device } = session;
  const storageKey = `connect/${user}/${device}`;
  const conversations = new Conversations(storageKey);
  const positions = new Positions(storageKey);
  /** @type {Conversation | null} */ let current = null;
  /** @type {WeakMap<object, any>} the elements of items and of conversations */
  const elements = new WeakMap();
  /** @type {Set<string>} */ const typing = new Set();
  /** @type {import('../../../ConnectJS/core/types.js').Users} of those who are known; nobody while offline */
  let statuses = {};
  /** @type {string | undefined} where the list goes on */ let moreConversations;
  /** @type {Set<string>} whom that list has named so far */ let peersListed = new Set();
  let newer = 0; // Messages that came below what is in view.
  let pinned = true; // The end of the conversation is in view, and is kept there.
  let frameBytes = Number.MAX_VALUE; // Until a server tells its limit.
  let [lastTop, lastHeight] = [0, 0]; // Of the log, when it was last scrolled.
  let nextDraw = 0;
  let relist = 0;
  let countdown = 0;

  const client = new FrameClient({
    url: `${location.origin.replace('http', 'ws')}/v1/connect`,
    device,
    token: () => session.token,
    user,
    storage: sessionStorage,
    storageKey,
    on: {
      state: drawState,
      message({ from, id, at, body, offset, quiet }) {
        const conversation = conversations.with(from);
        // Known already: one to oneself, or the same message under another offset.
        const known = (/** @type {Item} */ item) => item.id === id && item.mine === (from === user);
        if (conversation.items.some(known)) return;
        add(conversation, itemOf({ type: 'message', offset, id, at, body, quiet }));
      },
      sent({ to, ...sent }) {
        const item = { ...itemOf({ ...sent, type: 'sent' }), note: '' };
        // What is not known here was written on another device.
        if (!change(sent.id, item)) add(conversations.with(to), item);
      },
      accepted({ id, offset }) {
        // Only what still waits: `failed` can come first, and says more.
        const at = Number(offset.split('-')[0]);
        change(id, { status: 'accepted', note: '', at, offset }, 'waiting');
      },
      position({ peer, floor, ...news }) {
        const isRaised = positions.raise(floor);
        const hasMoved = positions.advance(peer, news);
        if (!isRaised && !hasMoved) return;
        for (const conversation of conversations.all) {
          if (!isRaised && conversation.peer !== peer) continue;
          conversation.unread = unreadOf(conversation);
          if (conversation === current) conversation.items.forEach((item) => drawItem(item, peer));
        }
        drawSoon();
      },
      rejected({ id, code, message, retryable }) {
        if (retryable) change(id, { note: 'The server is busy. Trying again…' }, 'waiting');
        else change(id, { status: 'failed', note: `Not sent: ${message || code}` }, 'waiting');
      },
      failed({ id, code, message }) {
        change(id, { status: 'failed', note: `Not delivered: ${message || code}` });
      },
      typing({ from, isTyping }) {
        if (isTyping) typing.add(from);
        else typing.delete(from);
        drawStatus();
        drawConversations();
      },
      presence(users) {
        statuses = { ...statuses, ...users };
        drawStatus();
        drawConversations();
      },
      error: ({ code, message }) => console.warn('Connect:', code, message),
    },
  });

  // Messages

  /** @param {Conversation} conversation @param {Item} item */
  function add(conversation, item) {
    const { items } = conversation;
    const isWaiting = item.status === 'waiting';
    // What still waits will come after this one in the server's order, so it stays at the end.
    let index = items.length;
    while (!isWaiting && items[index - 1]?.status === 'waiting') index -= 1;
    items.splice(index, 0, item);
    conversation.unread = unreadOf(conversation);
    if (conversation === current) {
      const { peer } = conversation;
      $('messages').insertBefore(drawItem(item, peer), elements.get(items[index + 1]) ?? null);
      elements.get(item).classList.add('fresh');
      if (isWaiting) pinned = true;
      if (!pinned && !item.mine) newer += 1;
    }
    if (pinned || conversation !== current) {
      const old = items.splice(0, items.length - MAX_ITEMS);
      for (const item of old) elements.get(item)?.remove();
      // History has them, from the first that is left.
      if (old.length) conversation.earlier = undefined;
    }
    conversations.save(conversation);
    drawSoon();
  }

  /** @param {string} id of one's own message @param {Partial<Item>} news
   * @param {Item['status']} [from] the only status that it changes
   * @returns {boolean} whether there is such a message */
  function change(id, news, from) {
    for (const conversation of conversations.all) {
      const item = conversation.items.findLast((item) => item.mine && item.id === id);
      if (!item || (from && item.status !== from)) continue;
      Object.assign(item, news);
      drawItem(item, conversation.peer);
      conversations.save(conversation);
      drawSoon();
      return true;
    }
    return false;
  }

  /** How many of the peer's messages lie above what the user has read, here or on another device:
   * what is held here, or, where that does not reach down to there, what the list said and what has
   * come since. Where the list is of before that, it is asked for again.
   * @param {Conversation} conversation */
  function unreadOf(conversation) {
    const { peer, items, listed, earlier } = conversation;
    conversation.isMore = false;
    if (peer === user) return 0;
    const mine = positions.readOf(peer);
    const read = items.findLastIndex((item) => !item.mine && reaches(mine, item.offset));
    const unread = items.slice(read + 1).filter((item) => !item.mine && !item.quiet);
    if (read >= 0 || earlier === null || !listed) return unread.length;
    if (listed.mine !== mine) {
      // Once for each move, and not where all that was listed is read.
      if (conversation.relisted !== mine && !reaches(mine, listed.last?.offset)) listAgain();
      conversation.relisted = mine;
      return unread.length;
    }
    const newer = unread.filter(({ entry }) => !reaches(listed.last?.offset, entry)).length;
    if (listed.unread + newer <= unread.length) return unread.length;
    conversation.isMore = Boolean(listed.unreadIsMore);
    return listed.unread + newer;
  }

  /** What is in view is read. */
  function noteRead() {
    if (!current || current.peer === user || !pinned || document.hidden) return;
    if (current.isOpening) return;
    const last = current.items.findLast((item) => !item.mine)?.offset;
    if (!last || !positions.advance(current.peer, { mine: last })) return;
    client.read(current.peer, last);
    current.unread = unreadOf(current);
    drawConversations();
  }

  /** @param {any} body @param {string} [again] the id of one that failed @returns {boolean} */
  function send(body, again) {
    if (!current) return false;
    try {
      if (again) client.sendAgain(again, current.peer, body, OPTIONS);
      const id = again ?? client.send(current.peer, body, OPTIONS);
      add(current, { id, mine: true, at: Date.now(), body, status: 'waiting' });
      return true;
    } catch (error) {
      $('room').textContent = /** @type {Error} */ (error).message;
      return false;
    }
  }

  /** @param {Item} item one that failed; it moves to the end, where its recipient will see it */
  function sendAgain(item) {
    if (!current || !send(item.body, item.id)) return;
    const index = current.items.indexOf(item);
    // Among many it may be gone already.
    if (index >= 0) current.items.splice(index, 1);
    elements.get(item).remove();
    conversations.save(current);
    drawSoon();
  }

  // Lists and history

  /** Asks for the list, or for what follows it. @param {string} [before] */
  async function loadConversations(before) {
    const named = before ? peersListed : new Set();
    if (!before) {
      clearTimeout(relist);
      relist = 0;
    }
    try {
      const { items, next } = await client.conversations({ before });
      // Meanwhile the list has begun again, and knows better.
      if (before && named !== peersListed) return;
      peersListed = named;
      for (const { peer, delivered, read, mine, last, unread, unreadIsMore } of items) {
        // An earlier part has it as it is above this one.
        if (named.has(peer)) continue;
        named.add(peer);
        const conversation = conversations.with(peer);
        positions.advance(peer, { delivered, read, mine });
        // As it was for the answer, which a `position` may have overtaken.
        conversation.listed = { last, unread, unreadIsMore, mine: mine ?? positions.floor };
        conversation.unread = unreadOf(conversation);
      }
      moreConversations = next;
    } catch (error) {
      console.warn('Connect: the list of conversations did not come.', error);
    }
    drawConversations();
    $('more').hidden = !moreConversations;
    if (current) fill(current);
  }

  /** Asks for the list again, soon. Without a connection, the next one does. */
  function listAgain() {
    relist ||= setTimeout(() => {
      relist = 0;
      if (client.state.phase === 'online' && client.state.live) loadConversations();
    }, RELIST_MS);
  }

  /** Puts a part of history before what is held, the newest of it first.
   * @param {Conversation} conversation @param {MailboxEntry[]} entries
   * @returns {Item[]} what was not known */
  function prepend(conversation, entries) {
    const known = new Map(conversation.items.map((item) => [keyOf(item), item]));
    /** @type {Item[]} */ const older = [];
    for (const entry of entries) {
      if (entry.type === 'failed') {
        if (!known.has(`mine ${entry.id}`)) conversation.failed.add(entry.id);
        continue;
      }
      const item = itemOf(entry);
      if (entry.from === user) Object.assign(item, { mine: true, status: 'accepted' });
      const here = known.get(keyOf(item));
      if (here) {
        here.entry ??= item.entry;
        continue;
      }
      if (item.mine && conversation.failed.has(item.id)) {
        Object.assign(item, { status: 'failed', note: 'Not delivered' });
      }
      known.set(keyOf(item), item);
      older.unshift(item);
    }
    conversation.items.unshift(...older);
    return older;
  }

  /** Loads earlier messages, until some came that were not known.
   * @param {Conversation} conversation */
  async function loadEarlier(conversation) {
    if (conversation.isLoading || conversation.earlier === null) return;
    conversation.isLoading = true;
    conversation.problem = '';
    drawEarlier();
    const { peer } = conversation;
    try {
      for (let page = 0; page < MAX_EMPTY_PAGES; page += 1) {
        const before = conversation.earlier ?? conversation.items.find(({ entry }) => entry)?.entry;
        const { entries, next, trimmed } =
          await client.history({ with: peer, before, limit: PAGE_ITEMS });
        conversation.earlier = next ?? null;
        conversation.isTrimmed = Boolean(trimmed);
        const older = prepend(conversation, entries);
        if (older.length) drawEarlierItems(conversation, older);
        if (older.length || !next) break;
      }
    } catch (error) {
      const { code, message } = /** @type {any} */ (error);
      conversation.problem = code === 'closed' ? '' : message;
    }
    conversation.isLoading = false;
    conversation.unread = unreadOf(conversation);
    drawEarlier();
    drawConversations();
    if (conversation !== current) return;
    const { isOpening } = conversation;
    conversation.isOpening = false;
    if (isOpening) showFirstUnread(conversation);
    if (!conversation.problem) fill(conversation);
  }

  /** Loads earlier messages as long as there is room in view, or unread ones are missing.
   * @param {Conversation} conversation */
  function fill(conversation) {
    if (conversation !== current || client.state.phase !== 'online') return;
    const { scrollTop, scrollHeight, clientHeight } = $('log');
    if (conversation.isOpening || scrollHeight <= clientHeight || scrollTop < NEAR_TOP) {
      loadEarlier(conversation);
    }
  }

  /** Shows a conversation from its first unread message on, or else its end.
   * @param {Conversation} conversation the current one, of which all that is held is drawn */
  function showFirstUnread(conversation) {
    const { peer, items, unread } = conversation;
    const mine = positions.readOf(peer);
    const isUnread = (/** @type {Item} */ item) => (
      !item.mine && !item.quiet && !reaches(mine, item.offset));
    const held = items.filter(isUnread);
    // Where the list says that there are more, they come first.
    conversation.isOpening = unread > held.length && !conversation.isMore && !conversation.problem;
    conversation.firstUnread = unread ? held[0] : undefined;
    pinned = !conversation.firstUnread;
    drawLog();
    if (!conversation.firstUnread) return;
    const log = $('log');
    elements.get(conversation.firstUnread).scrollIntoView({ block: 'start' });
    lastTop = log.scrollTop;
    pinned = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
    keepEnd();
  }

  /** What is in view stays where it is. @param {Conversation} conversation @param {Item[]} older */
  function drawEarlierItems(conversation, older) {
    if (conversation !== current) return;
    const log = $('log');
    const below = log.scrollHeight - log.scrollTop;
    $('messages').prepend(...older.map((item) => drawItem(item, conversation.peer)));
    drawLog();
    if (!pinned) log.scrollTop = lastTop = log.scrollHeight - below;
  }

  function drawEarlier() {
    const { isLoading, problem, isTrimmed, earlier } = current ?? {};
    $('earlier').hidden = !isLoading && !problem && !(isTrimmed && earlier === null);
    $('earlier').firstElementChild.textContent = isLoading ? 'Loading earlier messages…'
      : problem ? `Earlier messages did not come: ${problem}`
      : 'Earlier messages are no longer kept.';
    $('earlier').lastElementChild.hidden = isLoading || !problem;
  }

  // Typing and presence

  /** @param {string} peer */
  function statusOf(peer) {
    if (typing.has(peer)) return 'typing…';
    const status = statuses[peer];
    if (!status || peer === user) return '';
    if (status.online) return 'online';
    if (!status.lastSeen) return 'offline';
    const isToday = dayOf(status.lastSeen) === 'Today';
    return `last seen ${isToday ? 'at ' : ''}${(isToday ? clock : moment).format(status.lastSeen)}`;
  }

  function drawStatus() {
    const text = current ? statusOf(current.peer) : '';
    $('peer-status').textContent = text;
    $('peer-status').classList.toggle('typing', text === 'typing…');
  }

  /** @param {Item} item @param {string} peer @returns {HTMLElement} */
  function drawItem(item, peer) {
    const text = textOf(item.body);
    const row = elements.get(item) ?? stamp('item');
    if (!elements.has(item)) {
      elements.set(item, row);
      row.classList.toggle('mine', item.mine);
      row.querySelector('.text').textContent = text ?? JSON.stringify(item.body, null, 2);
      row.querySelector('.text').classList.toggle('code', text === undefined);
      row.querySelector('button').addEventListener('click', () => sendAgain(item));
    }
    const stage = item.mine ? stageOf(item, positions.of(peer)) : '';
    row.dataset.stage = stage;
    row.querySelector('time').textContent = clock.format(item.at);
    row.querySelector('use').setAttribute('href', stage && `#icon-${stage}`);
    row.querySelector('.unseen').textContent = stage;
    row.querySelector('.note').hidden = !item.note;
    row.querySelector('.note span').textContent = item.note;
    return row;
  }

  /** Parts the messages by day, groups them by sender, and keeps the end in view. */
  function drawLog() {
    const items = current?.items ?? [];
    for (const [index, item] of items.entries()) {
      const before = items[index - 1];
      const row = elements.get(item);
      const newDay = !before || dayOf(before.at) !== dayOf(item.at);
      row.firstElementChild.hidden = !newDay;
      row.firstElementChild.textContent = dayOf(item.at);
      row.children[1].hidden = item !== current?.firstUnread;
      row.classList.toggle('first',
        newDay || before.mine !== item.mine || item.at - before.at > GROUP_MS);
    }
    $('empty').hidden = items.length > 0;
    keepEnd();
  }

  /** A replay brings many messages at a time, which need only one layout. */
  function drawSoon() {
    drawConversations();
    cancelAnimationFrame(nextDraw);
    nextDraw = requestAnimationFrame(drawLog);
  }

  function keepEnd() {
    if (pinned) $('log').scrollTop = $('log').scrollHeight;
    if (pinned) newer = 0;
    $('newer').hidden = !newer;
    $('newer').lastElementChild.textContent = `${newer} new message${newer > 1 ? 's' : ''}`;
    noteRead();
  }

  // Conversations

  /** @param {string} peer or empty, which on a phone shows the list alone */
  function open(peer) {
    if (current) current.draft = $('text').value;
    current = peer ? conversations.with(peer) : null;
    session.peer = peer;
    keepSession(session);
    pinned = true;
    newer = 0;
    $('app').dataset.view = peer ? 'chat' : 'list';
    $('peer-name').textContent = peer;
    drawAvatar($('peer-avatar'), peer);
    $('empty').firstElementChild.textContent =
      peer ? `Say hello to ${peer}` : 'Who do you want to talk with?';
    $('empty').children[1].textContent = !peer ? 'Type the name of a user on the left.'
      : `Open ${peer}’s link in another tab or window, and watch the ticks:`;
    $('empty').lastElementChild.hidden = !peer;
    $('text').placeholder = `Message ${peer}`;
    $('text').value = current?.draft ?? '';
    // A whole conversation is not news, so it is not read out.
    $('log').ariaLive = 'off';
    $('messages').replaceChildren(...(current?.items.map((item) => drawItem(item, peer)) ?? []));
    setTimeout(() => { $('log').ariaLive = 'polite'; });
    if (current) {
      current.problem = '';
      showFirstUnread(current);
    } else {
      drawLog();
    }
    drawConversations();
    drawComposer();
    drawStatus();
    drawEarlier();
    if (current) fill(current);
    // On a touch screen the focus would raise the keyboard over the conversation.
    if (current && matchMedia('(pointer: fine)').matches) $('text').focus();
  }

  function drawConversations() {
    const { all } = conversations;
    // The same names change nothing.
    client.watchPresence(
      all.map(({ peer }) => peer).filter((peer) => peer !== user).slice(0, MAX_WATCHED).sort());
    const entries = all.map(drawConversation);
    // Left alone while the order is the same, so that the focus stays where it is.
    if (entries.some((entry, index) => $('conversations').children[index] !== entry)) {
      $('conversations').replaceChildren(...entries);
    }
    const unread = all.reduce((sum, conversation) => sum + conversation.unread, 0);
    $('unread').hidden = !unread;
    $('unread').textContent = unread;
    document.title = `${unread ? `(${unread}) ` : ''}${user} · Connect`;
  }

  /** @param {Conversation} conversation */
  function drawConversation(conversation) {
    const { peer, items, listed, unread, isMore } = conversation;
    const entry = elements.get(conversation) ?? stamp('conversation');
    const button = entry.firstElementChild;
    if (!elements.has(conversation)) {
      elements.set(conversation, entry);
      button.addEventListener('click', () => open(peer));
      entry.querySelector('b').firstChild.textContent = peer;
      drawAvatar(button.firstElementChild, peer);
    }
    const last = items.findLast(({ quiet }) => !quiet) ?? (listed?.last && itemOf(listed.last));
    const text = last ? textOf(last.body) ?? JSON.stringify(last.body) : 'No messages yet';
    const line = entry.querySelector('small');
    const isTyping = typing.has(peer);
    line.textContent = isTyping ? 'typing…' : (last?.mine ? 'You: ' : '') + text.slice(0, 80);
    line.classList.toggle('typing', isTyping);
    const isOnline = Boolean(statuses[peer]?.online) && peer !== user;
    button.firstElementChild.classList.toggle('online', isOnline);
    entry.querySelector('.names .unseen').textContent = isOnline ? ' (online)' : '';
    entry.querySelector('.badge').hidden = !unread;
    entry.querySelector('.badge').textContent = `${unread}${isMore ? '+' : ''}`;
    entry.querySelector('.badge').title = `${unread}${isMore ? ' or more' : ''} unread`;
    button.ariaCurrent = String(conversation === current);
    return entry;
  }

  // The composer

  function drawComposer() {
    const field = $('text');
    $('composer').hidden = !current || client.state.phase === 'stopped';
    field.style.height = 'auto';
    field.style.height = `${field.scrollHeight + 2}px`;
    const body = { text: field.value.trim() };
    const size = FrameClient.frameBytes(current?.peer ?? '', body, OPTIONS);
    const left = frameBytes - size;
    $('room').textContent = left > frameBytes / 5 ? ''
      : left < 0 ? `${-left} bytes too long to send` : `${left} bytes left`;
    $('room').classList.toggle('error', left < 0);
    $('send').disabled = !body.text || left < 0;
  }

  $('text').addEventListener('input', () => {
    drawComposer();
    if (current && current.peer !== user && $('text').value.trim()) client.typing(current.peer);
  });
  $('text').addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    // While a word is being composed (in Japanese, say), Enter only chooses it.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    $('composer').requestSubmit($('send'));
  });
  $('composer').addEventListener('submit', (/** @type {Event} */ event) => {
    event.preventDefault();
    $('text').focus();
    if ($('send').disabled || !send({ text: $('text').value.trim() })) return;
    $('text').value = '';
    drawComposer();
  });

  // The connection

  /** @param {State} state */
  function drawState(state) {
    const secondsLeft = () => (state.phase === 'waiting'
      ? Math.ceil((state.until - performance.now()) / 1000) : 0);
    const draw = () => {
      $('connection').lastElementChild.textContent =
        state.phase === 'online' ? (state.live ? 'Online' : 'Catching up…')
        : state.phase === 'stopped' ? 'Not connected'
        : state.phase === 'connecting' && !state.failures ? 'Connecting…'
        : secondsLeft() > 0 ? `Reconnecting in ${secondsLeft()} s` : 'Reconnecting…';
    };
    clearInterval(countdown);
    if (state.phase === 'waiting') countdown = setInterval(draw, 500);
    draw();
    $('connection').dataset.phase = state.phase;
    $('gateway').textContent = state.phase === 'online' ? ` on ${state.welcome.gateway}` : '';
    $('stopped').hidden = state.phase !== 'stopped';
    if (state.phase === 'stopped') drawStopped(state);
    if (state.phase === 'waiting' && (state.failures || state.asked)) drawBanner(state);
    if (state.phase === 'online') {
      $('banner').hidden = true;
      frameBytes = state.welcome.limits.frameBytes;
      if (state.welcome.gap && !state.live) $('gap').hidden = false;
      if (state.live) loadConversations();
    } else {
      // Nothing is known of anybody until there is a connection again.
      statuses = {};
      drawStatus();
      drawConversations();
    }
    drawComposer();
  }

  /** @param {State & { phase: 'waiting' }} state */
  async function drawBanner(state) {
    let text = state.code === 1012 ? 'The gateway restarts.'
      : state.code === 1008 ? 'The gateway asked for a pause.' : 'The connection was lost.';
    let [label, action] = ['Try now', () => client.connect()];
    if (!state.opened) {
      // A browser doesn't tell why it could not connect, so find out in another way.
      if (claimsOf(session.token).exp * 1000 < Date.now()) return expire();
      const probe = fetch('/healthz', { signal: AbortSignal.timeout(3000) });
      const up = await probe.then(({ ok }) => ok, () => false);
      text = up ? `The gateway is up, but does not let ${user} in. Restarted, it prints new links.`
        : 'The gateway cannot be reached.';
      if (up) [label, action] = ['Use a new link', () => { client.close(); showSignIn(); }];
    }
    if (client.state.phase === 'online' || client.state.phase === 'stopped') return;
    const [line, button] = $('banner').children;
    // A gateway that restarts spreads the return of its clients, so this one comes when told.
    button.hidden = state.asked;
    text += ' What you write is kept and sent later.';
    // Unchanged it is left alone, or a screen reader would read it out at each attempt.
    if (line.textContent !== text) line.textContent = text;
    button.textContent = label;
    button.onclick = action;
    $('banner').hidden = false;
  }

  /** @param {State & { phase: 'stopped' }} state */
  function drawStopped({ reason, code, message }) {
    if (reason === 'expired') return expire();
    const [title, text, button] = $('stopped').children;
    const replaced = reason === 'replaced';
    title.textContent = replaced ? 'Opened elsewhere' : 'Disconnected';
    text.textContent = replaced
      ? `Another tab or window is now connected as ${user} on the device “${device}”.`
      : `The server ended the connection: ${message || 'it gave no reason'} (${code}).`;
    button.textContent = replaced ? 'Use it here' : 'Connect again';
    $('banner').hidden = true;
  }

  function expire() {
    client.close();
    showSignIn('Your session has expired', `The token of ${user} is no longer valid. Use a fresh `
      + 'link here: the conversations of this tab are kept, and what is unsent is sent then.');
  }

  // The page

  $('stopped').lastElementChild.addEventListener('click', () => client.connect());
  $('newer').addEventListener('click', () => { pinned = true; keepEnd(); });
  $('log').addEventListener('scroll', () => {
    const { scrollTop, scrollHeight, clientHeight } = $('log');
    // Only a scroll upwards leaves the end; the layout alone must not.
    if (scrollTop < lastTop && clientHeight === lastHeight) pinned = false;
    if (scrollHeight - scrollTop - clientHeight < 60) pinned = true;
    [lastTop, lastHeight] = [scrollTop, clientHeight];
    keepEnd();
    if (current && !pinned && scrollTop < NEAR_TOP && !current.problem) loadEarlier(current);
  });
  $('earlier').lastElementChild.addEventListener('click', () => {
    if (current) loadEarlier(current);
  });
  $('more').addEventListener('click', () => loadConversations(moreConversations));
  // A phone's keyboard, or a composer that grows, must not cover the end.
  new ResizeObserver(keepEnd).observe($('log'));
  $('back').addEventListener('click', () => open(''));
  $('peer-form').addEventListener('submit', (/** @type {Event} */ event) => {
    event.preventDefault();
    open($('peer').value);
    $('peer').value = '';
  });
  $('sign-out').addEventListener('click', () => {
    client.close();
    const mine = Object.keys(sessionStorage).filter((key) => key.startsWith(`${storageKey}/`));
    for (const key of ['connect/session', ...mine]) sessionStorage.removeItem(key);
    location.replace(location.pathname);
  });
  document.addEventListener('visibilitychange', noteRead);

  for (const id of ['user', 'own-name']) $(id).textContent = user;
  $('own-device').textContent = `device ${device}`;
  drawAvatar($('own-avatar'), user);
  $('app').hidden = false;
  client.connect();
  open(session.peer);
}

$('link-form').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  const session = parseLink($('link').value);
  $('link-error').textContent = session ? '' : 'There is no token in this. Paste the whole link.';
  if (!session) return;
  keepSession(session);
  location.reload();
});
// A link that is pasted into the address bar of this tab changes only the fragment.
window.addEventListener('hashchange', () => { if (parseLink(location.hash)) location.reload(); });

const session = findSession();
if (session) start(session);
else showSignIn();
