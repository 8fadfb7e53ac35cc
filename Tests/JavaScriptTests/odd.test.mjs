/** What a client makes of an app, a store and a server that are slow, or not as they should be.
 * Run by EndToEndTests/ClientTests.swift. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import {
  ManualClock, MemoryStore, NoWebSocket, asked, chatOf, closeAll, microtasks, scriptedChat, until,
  welcomedChat,
} from './support.mjs';

afterEach(closeAll);

const bodies = (client, peer = 'bob') => (
  client.conversation(peer).entries.map(({ body }) => body));
const message = (offset) => (
  { type: 'message', offset, from: 'bob', id: `b${offset}`, at: 1, body: offset });
const offline = (user, options) => chatOf(user, { WebSocket: NoWebSocket, ...options });

/** A store that answers when it is let, and counts what it does at one time. */
class HangingStore extends MemoryStore {
  underWay = 0;
  most = 0;
  isHanging = true;
  #held = [];
  async #answer(act) {
    this.underWay += 1;
    this.most = Math.max(this.most, this.underWay);
    if (this.isHanging) await new Promise((resume) => { this.#held.push(resume); });
    this.underWay -= 1;
    return act();
  }
  load() { return this.#answer(() => super.load()); }
  write(changes) { return this.#answer(() => super.write(changes)); }
  clear() { return this.#answer(() => super.clear()); }
  async release() {
    this.isHanging = false;
    for (const resume of this.#held.splice(0)) resume();
    await microtasks();
  }
}

test('what is written before the store is open stands behind what waits in it', async () => {
  const store = new MemoryStore();
  const first = offline('alice', { store });
  await first.client.connect();
  for (const body of ['1', '2', '3']) first.client.conversation('bob').send(body);
  await first.client.close();
  const { client } = offline('alice', { store });
  for (const body of ['4', '5']) client.conversation('bob').send(body);
  await client.connect();
  client.conversation('bob').send('6');
  assert.deepEqual(bodies(client), ['1', '2', '3', '4', '5', '6']);
  await client.close();
  const { client: last, socket } = await scriptedChat('alice', { store });
  assert.deepEqual(bodies(last), ['1', '2', '3', '4', '5', '6']);
  assert.deepEqual(socket.of('send').map(({ body }) => body), ['1', '2', '3', '4', '5', '6']);
});

test('the next user has nothing of who is not quite gone from the same store', async () => {
  const store = new MemoryStore();
  const alice = offline('alice', { store });
  await alice.client.connect();
  alice.client.conversation('carol').send('secret');
  alice.client.close(); // Nobody waits for it.
  const bob = offline('bob', { store });
  await bob.client.connect();
  assert.deepEqual(bob.client.conversations.items, []);
  await bob.client.close();
  const again = offline('alice', { store });
  await again.client.connect();
  assert.deepEqual(bodies(again.client, 'carol'), ['secret']);
});

test('a store that another client has goes on without the next, which is told', async () => {
  const clock = new ManualClock();
  const store = new MemoryStore();
  const alice = offline('alice', { store });
  await alice.client.connect();
  const bob = offline('bob', { store, clock });
  bob.client.connect();
  bob.client.conversation('carol').send('mine');
  await microtasks();
  await clock.pass(10_000);
  assert.deepEqual(bob.problems.map(({ code }) => code), ['storage_unavailable']);
  assert.match(bob.problems[0].message, /another client has the store/);
  assert.deepEqual(bodies(bob.client, 'carol'), ['mine']);
  alice.client.conversation('carol').send('hers');
  await alice.client.close();
  const again = offline('alice', { store, clock });
  await bob.client.close();
  await again.client.connect();
  assert.deepEqual(bodies(again.client, 'carol'), ['hers']);
});

test('a store that hangs is asked one thing at a time, and then has all of it in order', async () => {
  const clock = new ManualClock();
  const store = new HangingStore();
  store.isHanging = false;
  const { client, problems } = offline('alice', { store, clock });
  await client.connect();
  await microtasks();
  store.isHanging = true;
  client.conversation('bob').send('1');
  await until('it is written', () => store.underWay === 1);
  await clock.pass(10_000); // Given up, and still under way.
  client.conversation('bob').send('2');
  await clock.pass(6_000);
  await clock.pass(10_000);
  assert.deepEqual(problems.map(({ code }) => code), ['storage_full']);
  assert.equal(store.most, 1);
  await store.release();
  await clock.pass(6_000);
  await client.close();
  assert.equal(store.most, 1);
  const again = offline('alice', { store });
  await again.client.connect();
  assert.deepEqual(bodies(again.client), ['1', '2']);
});

test('a store that is slow to read is not taken for damaged', async () => {
  const clock = new ManualClock();
  const store = new HangingStore();
  store.isHanging = false;
  const first = offline('alice', { store });
  await first.client.connect();
  first.client.conversation('bob').send('1');
  await first.client.close();
  store.isHanging = true;
  const { client, problems } = offline('alice', { store, clock });
  client.connect();
  await until('it is read', () => store.underWay === 1);
  await clock.pass(10_000);
  assert.deepEqual(problems.map(({ code }) => code), ['storage_unavailable']);
  await store.release();
  await client.close();
  const again = offline('alice', { store });
  await again.client.connect();
  assert.deepEqual(bodies(again.client), ['1']);
});

test('behind a second gap nothing is shown on both sides of a hole', async () => {
  const { client, socket } = await scriptedChat('alice');
  socket.say(message('10-0'));
  socket.cut();
  const second = await welcomedChat(client, { gap: true, offset: '15-0' });
  second.say(message('20-0'));
  second.cut();
  const third = await welcomedChat(client, { gap: true, offset: '25-0' });
  third.say(message('30-0'));
  assert.deepEqual(bodies(client), ['30-0']);
  const loading = client.conversation('bob').loadEarlier(2);
  const { id } = await asked(third, 'history');
  third.say({ type: 'history', id, next: '20-0', entries: [message('25-0'), message('20-0')] });
  await loading;
  assert.deepEqual(bodies(client), ['20-0', '25-0', '30-0']);
  const more = client.conversation('bob').loadEarlier();
  const { before, id: next } = await asked(third, 'history', 2);
  assert.equal(before, '20-0');
  third.say({ type: 'history', id: next, entries: [message('15-0'), message('10-0')] });
  await more;
  assert.deepEqual(bodies(client), ['10-0', '15-0', '20-0', '25-0', '30-0']);
});

test('a token that does not come is asked for again', async () => {
  const clock = new ManualClock();
  let count = 0;
  const token = () => { count += 1; return new Promise(() => {}); };
  const { client } = offline('alice', { clock, token });
  await client.connect();
  await clock.pass(29_999);
  assert.equal(client.state.phase, 'connecting');
  await clock.pass(1);
  assert.equal(client.state.phase, 'waiting');
  assert.match(client.state.message, /token/);
  await clock.pass(60_000);
  assert.equal(count, 2);
});

test('what was sent says at once that it is tried again, and ends when it is discarded', async () => {
  const { client, socket } = await scriptedChat('alice');
  const refuse = () => socket.say(
    { type: 'rejected', id: it.id, code: 'malformed', message: 'odd', retryable: false });
  const it = client.conversation('bob').send('x');
  const states = [];
  const told = (async () => { for await (const { entry } of it.changes()) states.push(entry.state); })();
  const saw = (count) => until(`it tells of ${count}`, () => states.length === count);
  await saw(1);
  refuse();
  await saw(2);
  assert.equal(it.entry.state, 'failed');
  it.retry();
  assert.equal(it.entry.state, 'waiting');
  await saw(3);
  refuse();
  await saw(4);
  client.conversation('bob').discard(it.id);
  await told;
  assert.deepEqual(states, ['waiting', 'failed', 'waiting', 'failed']);
});

test('a count of before is asked for again where the list has it in a later part', async () => {
  const clock = new ManualClock();
  const { client, socket } = await scriptedChat('alice', { clock });
  await clock.pass(0);
  const answer = async (count, items, next) => {
    const { id, before } = await asked(socket, 'conversations', count);
    socket.say({ type: 'conversations', id, items, next });
    await microtasks();
    return before;
  };
  const carol = { peer: 'carol', last: { ...message('50-0'), from: 'carol' }, unread: 0 };
  const bob = { peer: 'bob', last: message('30-0'), unread: 5, mine: '10-0' };
  await answer(1, [carol], '40-0');
  const more = client.conversations.loadMore();
  assert.equal(await answer(2, [bob], '5-0'), '40-0');
  await more;
  assert.equal(client.conversation('bob').unread, 5);
  // Read on another device, and only partly.
  socket.say({ type: 'position', peer: 'bob', mine: '20-0', stamp: 1 });
  await microtasks();
  await clock.pass(2_000);
  assert.equal(await answer(3, [carol], '40-0'), undefined);
  assert.equal(await answer(4, [{ ...bob, unread: 2, mine: '20-0' }], '5-0'), '40-0');
  assert.equal(client.conversation('bob').unread, 2);
  await clock.pass(5_000);
  assert.equal(socket.of('conversations').length, 4);
});
