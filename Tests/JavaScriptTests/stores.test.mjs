/** What the client keeps, and what becomes of it where a store is slow, full, damaged or missing.
 * Run by EndToEndTests/ClientTests.swift. */
import assert from 'node:assert/strict';
import {
  appendFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, rmdirSync, statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { FileStore } from '../../Sources/ConnectJS/store/file.js';
import { IndexedDBStore } from '../../Sources/ConnectJS/index.js';
import {
  MemoryStore, NoWebSocket, asked, chatOf, closeAll, microtasks, scriptedChat, until, welcomedChat,
} from './support.mjs';

const folder = mkdtempSync(join(tmpdir(), 'connect-store-'));
after(() => rmSync(folder, { recursive: true }));
afterEach(closeAll);

const message = (offset, news) => (
  { type: 'message', offset, from: 'bob', id: `b${offset}`, at: 1, body: offset, ...news });
const bodies = (client) => client.conversation('bob').entries.map(({ body }) => body);
const sorted = (values) => [...values].sort(([a], [b]) => (a < b ? -1 : 1));
const opened = async (store, owner) => { await store.open(owner); return store; };
let count = 0;
/** A folder of its own, which is not there yet. */
const place = () => { count += 1; return join(folder, `deep/${count}`); };

/** As a memory store whose writes wait to be let through, or fail. */
class GatedStore extends MemoryStore {
  fault = null;
  isHeld = false;
  #held = [];
  async write(changes) {
    if (this.isHeld) await new Promise((resume) => { this.#held.push(resume); });
    if (this.fault) throw new Error(this.fault);
    return super.write(changes);
  }
  release() { this.isHeld = false; for (const resume of this.#held.splice(0)) resume(); }
}

for (const [name, make] of [
  ['in memory', () => { const store = new MemoryStore(); return () => store; }],
  ['in a file', () => { const path = place(); return () => new FileStore(path); }],
]) {
  test(`a store ${name} keeps what it is given, for each owner apart`, async () => {
    const again = make();
    const first = await opened(again(), 'alice');
    assert.deepEqual(await first.load(), []);
    await first.write([['a/b', { deep: [1, null, 'ä😀\n'] }], ['c', 0]]);
    await first.write([['c', undefined], ['d', ''], ['e', false]]);
    await first.close();
    const bob = await opened(again(), 'bob');
    assert.deepEqual(await bob.load(), []);
    await bob.write([['a/b', 'of bob']]);
    await bob.clear();
    assert.deepEqual(await bob.load(), []);
    await bob.close();
    const second = await opened(again(), 'alice');
    const kept = [['a/b', { deep: [1, null, 'ä😀\n'] }], ['d', ''], ['e', false]];
    assert.deepEqual(sorted(await second.load()), kept);
    await second.clear();
    await second.write([['f', 1]]);
    await second.close();
    const third = await opened(again(), 'alice');
    assert.deepEqual(await third.load(), [['f', 1]]);
    await third.close();
  });
}

test('a file is readable by nobody else, stays small, and a write that was cut off is none', async () => {
  const path = place();
  const store = await opened(new FileStore(path), 'alice');
  await store.load();
  for (let number = 0; number < 30; number += 1) await store.write([['same', 'x'.repeat(100_000)]]);
  await store.write([['other', 1]]);
  const [file] = readdirSync(path).filter((name) => name.endsWith('.jsonl'));
  assert.ok(statSync(join(path, file)).size < 2_000_000);
  assert.equal(statSync(join(path, file)).mode & 0o077, 0);
  await store.close();
  appendFileSync(join(path, file), '[["other",2],["half');
  const again = await opened(new FileStore(path), 'alice');
  assert.deepEqual(sorted(await again.load()).map(([key]) => key), ['other', 'same']);
  assert.equal(new Map(await again.load()).get('other'), 1);
  await again.close();
});

test('a file that cannot be written again grows on, and has each change once', async () => {
  const path = place();
  const store = await opened(new FileStore(path), 'alice');
  await store.load();
  await store.write([['first', 1]]);
  const [file] = readdirSync(path).filter((name) => name.endsWith('.jsonl'))
    .map((name) => join(path, name));
  mkdirSync(`${file}.next`); // In the way.
  for (let number = 0; number < 30; number += 1) {
    await store.write([['same', `${number} ${'x'.repeat(100_000)}`]]);
  }
  const lines = readFileSync(file, 'utf8').split('\n').map((line) => line.slice(0, 14));
  assert.equal(new Set(lines).size, lines.length);
  assert.equal(lines.length, 33); // With the header, the first, and the end of the last line.
  rmdirSync(`${file}.next`);
  for (let number = 0; number < 30; number += 1) await store.write([['same', 'x'.repeat(100_000)]]);
  assert.ok(statSync(file).size < 2_000_000);
  await store.close();
  const again = await opened(new FileStore(path), 'alice');
  assert.deepEqual(sorted(await again.load()).map(([key]) => key), ['first', 'same']);
  await again.close();
});

test('a file that is damaged is told, and begun again', async () => {
  for (const spoil of [
    (text) => text.replace('[[', '[{'), () => 'null\n', () => '{"connect":9}\n', (text) => `x${text}`,
    (text) => text.replace(/"owner":"[^"]*"/, '"owner":"mallory"'), (text) => `${text}{}\n`,
  ]) {
    const path = place();
    const first = await scriptedChat('alice', { store: new FileStore(path) });
    first.socket.say(message('5-0'));
    await first.client.close();
    const file = join(path, readdirSync(path).find((name) => name.endsWith('.jsonl')));
    writeFileSync(file, spoil(readFileSync(file, 'utf8')));
    const { client, socket, problems } = await scriptedChat('alice', { store: new FileStore(path) });
    assert.deepEqual(problems.map(({ code }) => code), ['storage_damaged'], String(spoil));
    assert.deepEqual(client.conversations.items, []);
    assert.equal(new URL(socket.url).searchParams.get('since'), null);
    socket.say(message('6-0'));
    await client.close();
    const again = chatOf('alice', { store: new FileStore(path), WebSocket: NoWebSocket });
    await again.client.opened;
    assert.deepEqual(bodies(again.client), ['6-0']);
    await microtasks();
    assert.deepEqual(again.problems, []);
  }
});

test('a file that cannot be written again at the start is as it was, and is written once it can be', async () => {
  const path = place();
  const first = chatOf('alice', { store: new FileStore(path), WebSocket: NoWebSocket });
  await first.client.connect();
  first.client.conversation('bob').send('one');
  await first.client.close();
  const next = join(path, `${readdirSync(path)[0]}.next`);
  mkdirSync(next); // In the way, as a disk that is full is.
  for (const written of ['two', 'three']) {
    const { client, problems } = chatOf('alice', { store: new FileStore(path), WebSocket: NoWebSocket });
    await client.connect();
    client.conversation('bob').send(written);
    await until('it is told', () => problems.length > 0);
    assert.deepEqual(bodies(client), ['one', written]);
    assert.deepEqual(problems.map(({ code }) => code), ['storage_full']);
    if (written === 'three') rmdirSync(next);
    await client.close();
  }
  const { client, problems } = chatOf('alice', { store: new FileStore(path), WebSocket: NoWebSocket });
  await client.connect();
  assert.deepEqual(bodies(client), ['one', 'three']);
  assert.deepEqual(problems, []);
});

test('a conversation that is damaged is told, and begun again without a hole', async () => {
  for (const [key, value] of [
    ['entry/bob/t/b5-0', { id: 'x' }], ['entry/bob/t/b5-0', null], ['conversation/bob', 7],
    ['conversation/bob', { positions: { read: 'soon' } }], ['entry/no name/t/x', {}],
    ['conversation/bob', { listed: { unread: 'many' } }],
    ['conversation/bob', { listed: { unread: 1, last: {} } }], ['conversation/bob', { history: null }],
    ['conversation/bob', { history: { failures: [5] } }],
    ['entry/bob/m/x', { id: 'x', isMine: true, at: 1, order: -1, status: 'waiting', body: 1 }],
  ]) {
    const store = new MemoryStore();
    const first = await scriptedChat('alice', { store });
    first.socket.say(message('5-0'));
    first.socket.say({ ...message('6-0'), from: 'carol' });
    await first.client.close();
    await store.write([[key, value]]);
    const { client, problems, socket } = await scriptedChat('alice', { store });
    assert.deepEqual(problems.map(({ code }) => code), ['storage_damaged'], key);
    const names = client.conversations.items.map(({ peer }) => peer.user);
    assert.deepEqual(names, key.includes('bob') ? ['carol'] : ['carol', 'bob']);
    await asked(socket, 'conversations');
    await client.close();
    const again = await scriptedChat('alice', { store });
    assert.deepEqual(again.problems, []);
  }
});

test('what waits and is not in the outbox has failed, and what is there waits', async () => {
  const store = new MemoryStore();
  const first = chatOf('alice', { store, WebSocket: NoWebSocket });
  const lost = first.client.conversation('bob').send('lost');
  await first.client.connect();
  await first.client.close();
  await store.write([['frames/outbox', JSON.stringify(
    [{ id: 'found', to: 'carol', body: 'found', receipt: true, copy: true }])]]);
  const { client } = chatOf('alice', { store, WebSocket: NoWebSocket });
  await client.opened;
  const [entry] = client.conversation('bob').entries;
  assert.deepEqual([entry.id, entry.state, entry.failure.code], [lost.id, 'failed', 'lost']);
  const [found] = client.conversation('carol').entries;
  assert.deepEqual([found.id, found.state, found.body], ['found', 'waiting', 'found']);
});

test('what is written before the store is open is in it with its place in the outbox', async () => {
  const store = new GatedStore();
  const writes = [];
  const { write } = store;
  store.write = (changes) => {
    writes.push(changes.map(([key]) => key));
    return write.call(store, changes);
  };
  const { client } = chatOf('alice', { store, WebSocket: NoWebSocket });
  const { id } = client.conversation('bob').send('early');
  const isOf = (keys) => keys.includes(`entry/bob/m/${id}`);
  await until('it is written', () => writes.some(isOf));
  const first = writes.find(isOf);
  assert.ok(first.includes('frames/outbox'), String(first));
});

test('nothing is acknowledged, or said by since, before it is in the store', async () => {
  const store = new GatedStore();
  const { client, socket } = await scriptedChat('alice', { store });
  store.isHeld = true;
  socket.say(message('5-0'));
  socket.say(message('6-0'));
  await microtasks();
  assert.deepEqual(bodies(client), ['5-0', '6-0']);
  assert.deepEqual(socket.of('ack'), []);
  socket.cut();
  const next = await welcomedChat(client);
  assert.equal(new URL(next.url).searchParams.get('since'), null);
  next.say(message('5-0'));
  next.say(message('6-0'));
  await microtasks();
  assert.deepEqual([bodies(client), next.of('ack')], [['5-0', '6-0'], []]);
  store.release();
  await until('all is acknowledged', () => next.of('ack').at(-1)?.offset === '6-0');
});

test('where the store is full it is told once, and what the app was given is acknowledged', async () => {
  const store = new GatedStore();
  const { client, socket, problems } = await scriptedChat('alice', { store });
  // All of before is kept.
  await until('it is written', async () => new Map(await store.load()).has('frames/positions'));
  await microtasks();
  const told = [];
  const bob = client.conversation('bob');
  bob.on('change', ({ entries }) => told.push([entries.length, socket.of('ack').length]));
  store.fault = 'QuotaExceededError';
  socket.say(message('5-0'));
  socket.say(message('6-0'));
  await until('it is acknowledged', () => socket.of('ack').at(-1)?.offset === '6-0');
  assert.deepEqual(told[0], [2, 0]);
  const { id } = bob.send('goes nevertheless');
  assert.equal((await asked(socket, 'send')).id, id);
  assert.deepEqual(problems.map(({ code }) => code), ['storage_full']);
  // There is room again: what was not kept is kept with the rest.
  store.fault = null;
  await client.close();
  const again = chatOf('alice', { store, WebSocket: NoWebSocket });
  await again.client.opened;
  assert.deepEqual(bodies(again.client), ['5-0', '6-0', 'goes nevertheless']);
});

test('what is stored of a user can be forgotten at the end', async () => {
  const path = place();
  const first = await scriptedChat('alice', { store: new FileStore(path) });
  first.socket.say(message('5-0'));
  await first.client.close({ forget: true });
  const { client, socket } = await scriptedChat('alice', { store: new FileStore(path) });
  assert.deepEqual(client.conversations.items, []);
  assert.equal(new URL(socket.url).searchParams.get('since'), null);
});

test('what is stored of a user cannot be forgotten by who does not have it, and that is told', async () => {
  const path = place();
  const first = chatOf('alice', { store: new FileStore(path), WebSocket: NoWebSocket });
  await first.client.connect();
  first.client.conversation('bob').send('one');
  const second = chatOf('alice', { store: new FileStore(path), WebSocket: NoWebSocket });
  await second.client.close({ forget: true });
  const [taken, kept] = await until('it is told', () => second.problems.length > 1 && second.problems);
  assert.deepEqual([taken.code, kept.code], ['storage_unavailable', 'storage_unavailable']);
  assert.match(kept.message, /was not removed/);
  await first.client.close();
  const again = chatOf('alice', { store: new FileStore(path), WebSocket: NoWebSocket });
  await again.client.opened;
  assert.deepEqual([bodies(again.client), again.problems], [['one'], []]);
});

test('without a store that opens it goes on in memory', async () => {
  const file = join(folder, 'a file');
  writeFileSync(file, '');
  const { client, socket, problems } = await scriptedChat('alice', { store: new FileStore(file) });
  assert.deepEqual(problems.map(({ code }) => code), ['storage_unavailable']);
  socket.say(message('5-0'));
  await until('it is acknowledged', () => socket.of('ack').length);
  assert.deepEqual(bodies(client), ['5-0']);
  assert.throws(() => new FileStore(), TypeError);
  assert.throws(() => new IndexedDBStore(), /no IndexedDB here/);
});

test('of one conversation the newest entries are kept, and history has the others', async () => {
  const store = new MemoryStore();
  const first = await scriptedChat('alice', { store });
  const bob = first.client.conversation('bob');
  for (let number = 1; number <= 250; number += 1) first.socket.say(message(`${number}-0`));
  const { id } = bob.send('waits');
  assert.equal(bob.entries.length, 251);
  await first.client.close();
  const { client, socket } = await scriptedChat('alice', { store });
  const kept = client.conversation('bob');
  assert.deepEqual([bodies(client)[0], kept.entries.length], ['52-0', 200]);
  assert.equal(kept.entries.at(-1).id, id);
  kept.loadEarlier().catch(() => {}); // It ends with the client.
  assert.equal((await asked(socket, 'history')).before, '52-0');
});
