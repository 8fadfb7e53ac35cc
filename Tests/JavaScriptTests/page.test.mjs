/** What page.js shows as unread, in a document that is only as much of one as it needs.
 * Run by EndToEndTests/ClientTests.swift. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ScriptedWebSocket, TestStorage, microtasks, tokenOf, until } from './support.mjs';

const source = (path) => new URL(`../../Sources/${path}`, import.meta.url);
// Each tab has modules of its own.
const tabs = mkdtempSync(join(tmpdir(), 'connect-page-'));
writeFileSync(join(tabs, 'package.json'), '{"type":"module"}');
after(() => rmSync(tabs, { recursive: true }));
/** All that is due is done, and then drawn. */
const drawn = async () => { await microtasks(); await microtasks(); };

/** An element that holds what is put into it, and makes the parts that it is asked for. */
class TestElement extends EventTarget {
  hidden = false;
  textContent = '';
  value = '';
  dataset = {};
  style = {};
  classList = { add() {}, toggle() {} };
  scrollTop = 0;
  scrollHeight = 0;
  clientHeight = 0;
  #children = [];
  #parts = new Map();
  #part(key) {
    if (!this.#parts.has(key)) this.#parts.set(key, new TestElement());
    return this.#parts.get(key);
  }

  get firstElementChild() { return this.#children[0] ?? this.#part('first'); }
  get lastElementChild() { return this.#children.at(-1) ?? this.#part('last'); }
  get firstChild() { return this.#part('text'); }
  get content() { return this; }
  get children() {
    return this.#children.length ? this.#children : [0, 1, 2].map((index) => this.#part(index));
  }

  querySelector(selector) { return this.#part(selector); }
  cloneNode() { return new TestElement(); }
  replaceChildren(...children) { this.#children = children; }
  insertBefore(child, before) {
    this.#children = this.#children.filter((other) => other !== child);
    const index = before ? this.#children.indexOf(before) : this.#children.length;
    this.#children.splice(index, 0, child);
    child.parent = this;
  }
  setAttribute() {}
  scrollIntoView() {}
  focus() {}
  remove() {
    const { parent } = this;
    if (parent) parent.#children = parent.#children.filter((child) => child !== this);
  }
}

let count = 0;

/** Opens the page in a tab of its own, without a conversation in view.
 * @param {string} [fragment] more of the link */
async function opened(fragment = '') {
  const elements = new Map();
  const byId = (id) => elements.get(id) ?? elements.set(id, new TestElement()).get(id);
  const document = Object.assign(new EventTarget(), {
    getElementById: byId, title: '', hidden: false,
  });
  Object.assign(globalThis, {
    document,
    window: new EventTarget(),
    location: { origin: 'http://localhost', hash: `#token=${tokenOf('alice')}${fragment}`,
      replace() {} },
    history: { replaceState() {} },
    sessionStorage: new TestStorage(),
    requestAnimationFrame: (draw) => setImmediate(draw),
    cancelAnimationFrame: clearImmediate,
    matchMedia: () => ({ matches: false }),
    ResizeObserver: class { observe() {} },
    WebSocket: ScriptedWebSocket,
  });
  const sockets = ScriptedWebSocket.all.length;
  count += 1;
  const tab = join(tabs, String(count));
  mkdirSync(tab);
  for (const name of ['page.js', 'messages.js', 'session.js', 'dom.js']) {
    const text = readFileSync(source(`Gateway/DemoPage/Page/${name}`), 'utf8');
    const index = source('ConnectJS/index.js').href;
    writeFileSync(join(tab, name), text.replace('./connect/index.js', index));
  }
  await import(pathToFileURL(join(tab, 'page.js')));
  const socket = await until('it connects', () => ScriptedWebSocket.all[sockets]);
  socket.say({
    type: 'welcome', offset: '0-0', gap: false, pingSeconds: 25, positions: 0, now: 1_000_000,
    limits: { frameBytes: 65_536, unacked: 256, sendsPerSecond: 0, requestsPerSecond: 0,
      signalsPerSecond: 0 },
  });
  return {
    socket,
    byId,
    /** All that is unread, as the title of the page has it. */
    async shows(unread) {
      await drawn();
      const shown = () => Number(/^\((\d+)\)/.exec(document.title)?.[1] ?? 0);
      await until(`${unread} unread, not ${shown()}`, () => shown() === unread);
    },
    /** Answers the request for the list of that number.
     * @param {number} number @param {object[]} items @param {string} [next] */
    async list(number, items, next) {
      const asked = await until('the list is asked for', () => socket.of('conversations')[number]);
      socket.say({ type: 'conversations', id: asked.id, items, next });
      await new Promise((resume) => { setImmediate(resume); });
      return asked;
    },
    live() { socket.say({ type: 'live', offset: '0-0' }); },
    end() { byId('sign-out').dispatchEvent(new Event('click')); },
  };
}

const message = (offset) => (
  { type: 'message', offset, from: 'bob', id: `b${offset}`, at: 1, body: { text: 'hi' } });
const bob = (unread, mine, last) => ({ peer: 'bob', unread, mine, last: message(last) });

test('a peer that an earlier part of the list has named is ignored in a later one', async (t) => {
  const it = await opened();
  t.after(it.end);
  it.live();
  await it.list(0, [bob(2, '10-0', '50-0')], '40-0');
  await it.shows(2);
  it.byId('more').dispatchEvent(new Event('click'));
  const { before } = await it.list(1, [bob(7, '10-0', '30-0'), { peer: 'carol', unread: 1 }]);
  assert.equal(before, '40-0');
  await it.shows(3);
});

test('a later part that comes when the list has begun again changes nothing', async (t) => {
  const it = await opened();
  t.after(it.end);
  it.live();
  await it.list(0, [bob(2, '10-0', '50-0')], '40-0');
  it.byId('more').dispatchEvent(new Event('click'));
  it.socket.say({ type: 'position', peer: 'bob', mine: '20-0', stamp: 1 });
  await it.list(2, [{ peer: 'carol', unread: 5 }, bob(1, '20-0', '50-0')]);
  await it.list(1, [{ peer: 'carol', unread: 3 }]);
  await it.shows(6);
});

test('a list that a position has overtaken counts nothing that is read', async (t) => {
  const it = await opened();
  t.after(it.end);
  it.live();
  it.socket.say({ type: 'position', peer: 'bob', mine: '20-0', stamp: 1 });
  await it.list(0, [bob(5, '10-0', '15-0')]);
  await it.shows(0);
});

test('the list is asked for again, once, where another device has read a part of it', async (t) => {
  const it = await opened();
  t.after(it.end);
  it.live();
  await it.list(0, [bob(30, '10-0', '50-0')]);
  await it.shows(30);
  it.socket.say({ type: 'position', peer: 'bob', mine: '20-0', stamp: 1 });
  it.socket.say({ type: 'position', peer: 'bob', mine: '20-0', stamp: 1 });
  // As answered before the position was there: it does not help to ask again at once.
  await it.list(1, [bob(30, '10-0', '50-0')]);
  it.socket.say({ ...message('60-0'), quiet: true });
  await drawn();
  assert.equal(it.socket.of('conversations').length, 2);
  it.socket.say({ type: 'position', peer: 'bob', mine: '30-0', stamp: 2 });
  await it.list(2, [bob(20, '30-0', '50-0')]);
  await it.shows(20);
  // What is read whole is known.
  it.socket.say({ type: 'position', peer: 'bob', mine: '50-0', stamp: 3 });
  await it.shows(0);
  it.socket.say(message('70-0'));
  await drawn();
  await it.shows(1);
  assert.equal(it.socket.of('conversations').length, 3);
});

test('what is read stands at the floor where a conversation has no position', async (t) => {
  const it = await opened();
  t.after(it.end);
  it.socket.say(message('20-0'));
  it.socket.say(message('40-0'));
  await it.shows(2);
  it.socket.say({ type: 'position', peer: 'carol', mine: '5-0', floor: '30-0', stamp: 1 });
  await it.shows(1);
});

test('a name in the link that no user can have is left out', async (t) => {
  const it = await opened('&peer=bob%20');
  t.after(it.end);
  it.live();
  await it.list(0, [bob(1, '10-0', '20-0')]);
  await it.shows(1);
  assert.deepEqual(it.socket.of('presence').map(({ users }) => users), [['bob']]);
});

test('earlier messages that do not come keep nothing from being read', async (t) => {
  const it = await opened();
  t.after(it.end);
  it.live();
  await it.list(0, [bob(5, '10-0', '50-0')]);
  it.byId('peer').value = 'bob';
  it.byId('peer-form').dispatchEvent(new Event('submit'));
  const { id } = await until('history is asked for', () => it.socket.of('history')[0]);
  it.socket.say({ type: 'rejected', id, code: 'malformed', message: 'why', retryable: false });
  await drawn();
  it.socket.say(message('60-0'));
  document.dispatchEvent(new Event('visibilitychange'));
  await drawn();
  assert.deepEqual(it.socket.of('read').map(({ offset }) => offset), ['60-0']);
});
