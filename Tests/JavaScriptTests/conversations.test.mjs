/** What an app sees of conversations, against a script. Run by EndToEndTests/ClientTests.swift. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import {
  ManualClock, MemoryStore, NoWebSocket, ScriptedWebSocket, asked, chatOf, closeAll, microtasks,
  scriptedChat, tokenOf, until, welcomedChat,
} from './support.mjs';

afterEach(closeAll);

const message = (offset, news) => ({
  type: 'message', offset, from: 'bob', id: `b${offset}`, at: Number(offset.split('-')[0]),
  body: offset, ...news,
});
const copy = (offset, id, news) => ({
  type: 'sent', offset, peerOffset: offset, to: 'bob', id, at: Number(offset.split('-')[0]), body: id,
  ...news,
});
const bodies = ({ entries }) => entries.map(({ body }) => body);
const states = ({ entries }) => entries.map(({ state }) => state);
/** Answers the request for the list. */
async function list(socket, items, { count = 1, next } = {}) {
  const { id, before } = await asked(socket, 'conversations', count);
  socket.say({ type: 'conversations', id, items, next });
  await microtasks();
  return before;
}

test('a message goes from waiting to read, and its promise is kept when it is durable', async () => {
  const { client, socket } = await scriptedChat('alice');
  const bob = client.conversation('bob');
  assert.equal(client.conversation('bob'), bob);
  const outgoing = bob.send({ text: 'hello' });
  assert.deepEqual(states(bob), ['waiting']);
  const { id, to, body, receipt, copy: isCopied, retry } = await asked(socket, 'send');
  assert.deepEqual([id, to, body, receipt, isCopied, retry],
    [outgoing.id, 'bob', { text: 'hello' }, true, true, undefined]);
  const seen = [];
  outgoing.on('change', ({ entry }) => seen.push(entry.state));
  socket.say({ type: 'accepted', id, offset: '5-0' });
  assert.equal((await outgoing.accepted).state, 'accepted');
  assert.equal(outgoing.entry.at, 5);
  for (const position of [{ delivered: '5-0' }, { read: '5-0' }]) {
    socket.say({ type: 'position', peer: 'bob', stamp: 1, ...position });
    await until('it is told', () => seen.at(-1) === Object.keys(position)[0]);
  }
  assert.deepEqual(seen, ['accepted', 'delivered', 'read']);
  assert.ok(Object.isFrozen(bob.entries) && Object.isFrozen(bob.entries[0]));
});

test('what was refused or not delivered says why, and can be sent again or forgotten', async () => {
  const { client, socket } = await scriptedChat('alice');
  const bob = client.conversation('bob');
  const [refused, lost] = [bob.send('refused'), bob.send('lost')];
  const fates = [];
  lost.on('change', ({ entry }) => fates.push(entry.state));
  await asked(socket, 'send', 2);
  socket.say({ type: 'rejected', id: refused.id, code: 'overloaded', message: 'x', retryable: true,
    retryAfterMs: 1 });
  assert.deepEqual(states(bob), ['waiting', 'waiting']);
  socket.say({ type: 'rejected', id: refused.id, code: 'malformed', message: 'why', retryable: false });
  await assert.rejects(refused.accepted, { name: 'ConnectError', code: 'malformed', message: 'why' });
  assert.deepEqual(refused.entry.failure, { code: 'malformed', message: 'why' });
  socket.say({ type: 'accepted', id: lost.id, offset: '5-0' });
  await lost.accepted;
  socket.say({ ...copy('6-0', lost.id, { body: 'lost' }), peerOffset: '5-0' });
  socket.say({ type: 'position', peer: 'bob', delivered: '9-0', stamp: 1 });
  socket.say({
    type: 'failed', offset: '7-0', to: 'bob', id: lost.id, code: 'mailbox_full', message: 'full',
  });
  await until('it is told', () => fates.at(-1) === 'failed');
  assert.deepEqual(lost.entry.failure, { code: 'mailbox_full', message: 'full' });
  socket.say(message('8-0'));
  lost.retry();
  assert.deepEqual(bodies(bob).at(-1), 'lost');
  const again = await asked(socket, 'send', 3);
  // That was the attempt before.
  socket.say({
    type: 'failed', offset: '8-1', to: 'bob', id: lost.id, code: 'mailbox_full', message: 'full',
  });
  assert.equal(bob.entries.at(-1).state, 'waiting');
  assert.deepEqual([again.id, again.body, again.retry], [lost.id, 'lost', true]);
  bob.discard(refused.id);
  assert.deepEqual(bodies(bob), ['8-0', 'lost']);
  assert.throws(() => bob.discard(lost.id), /No message .* has failed/);
  assert.throws(() => bob.retry('other'), RangeError);
  socket.say({ type: 'accepted', id: lost.id, offset: '9-0' });
  assert.equal((await lost.accepted).state, 'delivered');
});

test('entries stand in the order of the mailbox, and what waits comes last', async () => {
  const { client, socket } = await scriptedChat('alice');
  const bob = client.conversation('bob');
  const first = bob.send('first');
  bob.send('second');
  await asked(socket, 'send', 2);
  socket.say(message('9-9'));
  socket.say(message('9-10'));
  assert.deepEqual(bodies(bob), ['9-9', '9-10', 'first', 'second']);
  socket.say({ type: 'accepted', id: first.id, offset: '7-0' });
  socket.say(message('11-0'));
  assert.deepEqual(bodies(bob), ['9-9', '9-10', '11-0', 'first', 'second']);
  socket.say({ ...copy('12-0', first.id, { body: 'first' }), peerOffset: '7-0' });
  socket.say(message('13-0'));
  socket.say(copy('14-0', 'elsewhere'));
  assert.deepEqual(bodies(bob), ['9-9', '9-10', '11-0', 'first', '13-0', 'elsewhere', 'second']);
  // The same message under another offset.
  socket.say(message('15-0', { id: 'b13-0' }));
  assert.equal(bob.entries.length, 7);
});

test('several views observe, each task is told once, and one that throws harms none', async () => {
  const { client, socket } = await scriptedChat('alice');
  const bob = client.conversation('bob');
  const told = { first: 0, second: 0, list: 0 };
  const errors = [];
  const { error } = console;
  console.error = (problem) => errors.push(problem);
  const { reportError } = globalThis;
  globalThis.reportError = undefined;
  const leave = bob.on('change', () => { told.first += 1; throw new Error('a bug'); });
  bob.on('change', (it) => { told.second += 1; assert.equal(it, bob); });
  client.conversations.on('change', () => { told.list += 1; });
  const { entries } = bob;
  assert.equal(bob.entries, entries);
  for (let number = 1; number <= 10; number += 1) socket.say(message(`${number}-0`));
  await microtasks();
  console.error = error;
  globalThis.reportError = reportError;
  assert.deepEqual(told, { first: 1, second: 1, list: 1 });
  assert.match(String(errors[0]), /a bug/);
  assert.equal(bob.entries.length, 10);
  leave();
  socket.say(message('11-0'));
  await microtasks();
  assert.deepEqual(told, { first: 1, second: 2, list: 2 });
  assert.throws(() => bob.on('change'), TypeError);
});

test('an iterator has the newest only, whenever it looks, and ends with the client', async () => {
  const { client, socket } = await scriptedChat('alice');
  const bob = client.conversation('bob');
  const sizes = [];
  const reading = (async () => {
    for await (const { entries } of bob.changes()) sizes.push(entries.length);
  })();
  const left = (async () => { for await (const it of bob.changes()) return it; })();
  assert.equal(await left, bob);
  await until('it has looked', () => sizes.length === 1);
  for (const offset of ['1-0', '2-0', '3-0']) socket.say(message(offset));
  await until('it looks again', () => sizes.length === 2);
  assert.deepEqual(sizes, [0, 3]);
  await client.close();
  await reading;
  const late = bob.changes();
  await late.return();
  assert.equal((await late.next()).done, true);
});

test('close ends everything, and what was not sent is sent at the next start, in order', async () => {
  const store = new MemoryStore();
  const first = chatOf('alice', { store, WebSocket: NoWebSocket });
  const early = first.client.conversation('bob').send('early'); // The store is not open yet.
  await first.client.connect();
  const late = first.client.conversation('bob').send('late');
  await first.client.close();
  await assert.rejects(early.accepted, { code: 'closed' });
  await assert.rejects(late.accepted, { code: 'closed' });
  assert.throws(() => first.client.conversation('bob').send(1), { code: 'closed' });
  assert.throws(() => first.client.connect(), { code: 'closed' });
  await assert.rejects(first.client.conversation('bob').loadEarlier(), { code: 'closed' });

  const { client, socket, problems } = await scriptedChat('alice', { store });
  assert.deepEqual(states(client.conversation('bob')), ['waiting', 'waiting']);
  await asked(socket, 'send', 2);
  assert.deepEqual(socket.of('send').map(({ id, retry }) => [id, retry]),
    [[early.id, true], [late.id, true]]);
  // Its copy is an answer, too.
  socket.say(copy('5-0', early.id));
  socket.say({ type: 'accepted', id: late.id, offset: '6-0' });
  assert.deepEqual(states(client.conversation('bob')), ['accepted', 'accepted']);
  assert.deepEqual(problems, []);
});

test('what the store holds is there offline, and only what is new is asked for', async () => {
  const store = new MemoryStore();
  const first = await scriptedChat('alice', { store });
  await list(first.socket, [{ peer: 'bob', unread: 3, mine: '1-0', last: message('5-0') }]);
  first.socket.say(message('6-0'));
  first.socket.say(copy('7-0', 'mine'));
  first.socket.say({ type: 'position', peer: 'bob', delivered: '7-0', stamp: 42 });
  await first.client.close();

  const offline = chatOf('alice', { store, WebSocket: NoWebSocket });
  await offline.client.opened;
  const [bob] = offline.client.conversations.items;
  assert.deepEqual(bodies(bob), ['6-0', 'mine']);
  assert.deepEqual(states(bob), ['received', 'delivered']);
  assert.deepEqual([bob.unread, offline.client.conversations.unread], [4, 4]);
  await offline.client.close();

  const clock = new ManualClock();
  const { socket } = await scriptedChat(
    'alice', { store, clock }, { offset: '7-0', positions: 42 });
  const query = new URL(socket.url).searchParams;
  assert.deepEqual([query.get('since'), query.get('positions')], ['7-0', '42']);
  assert.match(query.get('device'), /^js-/);
  assert.equal(query.get('device'), new URL(first.socket.url).searchParams.get('device'));
  await clock.pass(60_000);
  assert.deepEqual(socket.of('conversations'), []);
});

test('another user has nothing of the one before, and another’s token stops the client', async () => {
  const store = new MemoryStore();
  const first = await scriptedChat('alice', { store });
  first.socket.say(message('6-0'));
  first.client.conversation('bob').send('of alice');
  await first.client.close();
  const carol = await scriptedChat('carol', { store });
  assert.deepEqual(carol.client.conversations.items, []);
  assert.deepEqual(carol.socket.of('send'), []);
  assert.equal(new URL(carol.socket.url).searchParams.get('since'), null);
  const other = chatOf('dave', { token: () => tokenOf('mallory') });
  const sockets = ScriptedWebSocket.all.length;
  other.client.conversation('bob').send('of dave');
  other.client.connect();
  await until('it stops', () => other.client.state.reason === 'user');
  assert.equal(ScriptedWebSocket.all.length, sockets);
});

test('earlier entries come in parts, with what failed, down to what is no longer kept', async () => {
  const { client, socket } = await scriptedChat('alice');
  const bob = client.conversation('bob');
  socket.say(message('50-0'));
  assert.equal(bob.hasEarlier, true);
  const loading = bob.loadEarlier(2);
  assert.equal((await Promise.race([bob.loadEarlier(), loading, microtasks()])), undefined);
  const first = await asked(socket, 'history');
  assert.deepEqual([first.with, first.before, first.limit], ['bob', '50-0', 2]);
  socket.say({
    type: 'history', id: first.id, next: '40-0', entries: [
      message('50-0'),
      { type: 'failed', offset: '45-0', to: 'bob', id: 'lost', code: 'mailbox_full', message: 'full' },
    ],
  });
  // Nothing in it was new: it goes on by itself.
  const second = await asked(socket, 'history', 2);
  assert.equal(second.before, '40-0');
  socket.say({
    type: 'history', id: second.id, trimmed: true, entries: [copy('40-0', 'lost'), message('30-0')],
  });
  assert.deepEqual((await loading).map(({ id }) => id), ['b30-0', 'lost']);
  assert.deepEqual(bodies(bob), ['30-0', 'lost', '50-0']);
  assert.deepEqual(bob.entries[1].failure, { code: 'mailbox_full', message: 'full' });
  assert.deepEqual([bob.hasEarlier, bob.isTrimmed], [false, true]);
  assert.deepEqual(await bob.loadEarlier(), []);
  assert.equal(socket.of('history').length, 2);
});

test('that more may be unread is told no longer once the list has come without the conversation', async () => {
  const { client, socket } = await scriptedChat('alice');
  const bob = client.conversation('bob');
  socket.say(message('5-0'));
  assert.deepEqual([bob.unread, bob.unreadIsMore], [1, true]);
  await until('it is told', () => client.conversations.items.length === 1);
  const seen = [];
  bob.on('change', () => seen.push(bob.unreadIsMore));
  // It was put together before the message was there.
  await list(socket, []);
  assert.deepEqual([bob.unread, bob.unreadIsMore], [1, false]);
  await until('the end of it is told', () => seen.at(-1) === false);
});

test('unread is what is held above what is read, or the list’s number and what came since', async () => {
  const { client, socket } = await scriptedChat('alice');
  const bob = client.conversation('bob');
  await list(socket, [
    { peer: 'bob', unread: 30, unreadIsMore: true, mine: '10-0', last: message('50-0') },
    { peer: 'carol', unread: 1, last: { ...message('40-0'), from: 'carol' } },
  ]);
  assert.deepEqual([bob.unread, bob.unreadIsMore, client.conversations.unread], [30, true, 31]);
  socket.say(message('60-0', { quiet: true }));
  socket.say(message('61-0'));
  assert.deepEqual([bob.unread, bob.last.body], [31, '61-0']);
  // Another device has read a part of what is not held: the list is asked for again, once.
  socket.say({ type: 'position', peer: 'bob', mine: '20-0', stamp: 1 });
  socket.say({ type: 'position', peer: 'bob', mine: '20-0', stamp: 1 });
  // Until it comes, what is certain: the last message of the list, and what came behind it.
  assert.deepEqual([bob.unread, bob.unreadIsMore], [2, true]);
  await list(socket, [{ peer: 'bob', unread: 20, mine: '20-0', last: message('61-0') }], { count: 2 });
  assert.equal(bob.unread, 20);
  socket.say(message('62-0'));
  bob.markRead(bob.entries.find(({ body }) => body === '61-0'));
  assert.equal(bob.unread, 1);
  bob.markRead();
  assert.deepEqual([bob.unread, states(bob).at(-1)], [0, 'read']);
  const reads = () => socket.of('read').map(({ peer, offset, private: isPrivate }) => (
    [peer, offset, isPrivate]));
  await until('it is told', () => socket.of('read').length);
  assert.deepEqual(reads(), [['bob', '62-0', false]]);
  bob.markRead();
  await microtasks();
  assert.equal(socket.of('read').length, 1);
});

test('what only the list has told of is read when the app says so, and not by itself', async () => {
  const { client, socket } = await scriptedChat('alice');
  const bob = client.conversation('bob');
  await list(socket, [{ peer: 'bob', unread: 3, mine: '10-0', last: message('50-0') }]);
  bob.markRead();
  await microtasks();
  assert.deepEqual([bob.unread, bob.last.state, socket.of('read')], [3, 'received', []]);
  bob.markRead(bob.last);
  assert.equal((await asked(socket, 'read')).offset, '50-0');
  assert.deepEqual([bob.unread, bob.last.state], [0, 'read']);
});

test('what is read stands at the floor, and private reading tells the peer nothing', async () => {
  const { client, socket } = await scriptedChat('alice', {}, { floor: '30-0' });
  const bob = client.conversation('bob');
  for (const offset of ['20-0', '40-0', '50-0']) socket.say(message(offset));
  assert.equal(bob.unread, 2);
  bob.markRead(undefined, { private: true });
  await asked(socket, 'read');
  assert.equal(bob.unread, 0);
  bob.markRead();
  const { private: isPrivate, offset } = await asked(socket, 'read', 2);
  assert.deepEqual([isPrivate, offset], [false, '50-0']);
  const self = client.conversation('alice');
  self.send('a note');
  socket.say({ ...message('60-0'), from: 'alice', id: self.entries[0].id, body: 'a note' });
  self.markRead();
  await microtasks();
  assert.deepEqual([self.unread, self.entries.length, socket.of('read').length], [0, 1, 2]);
});

test('the list comes in parts, newest first, and a peer of an earlier part stays as it is', async () => {
  const { client, socket } = await scriptedChat('alice');
  const names = () => client.conversations.items.map(({ peer }) => peer.user);
  assert.equal(client.conversations.hasMore, true);
  await list(socket, [
    { peer: 'bob', unread: 2, mine: '10-0', last: message('50-0') },
    { peer: 'carol', unread: 0, last: { ...message('45-0'), from: 'carol' } },
  ], { next: '40-0' });
  assert.deepEqual(names(), ['bob', 'carol']);
  const more = client.conversations.loadMore();
  assert.equal(await list(socket, [
    { peer: 'bob', unread: 7, mine: '10-0', last: message('30-0') }, { peer: 'dave', unread: 1 },
  ], { count: 2 }), '40-0');
  await more;
  assert.deepEqual(names(), ['bob', 'carol', 'dave']);
  assert.deepEqual([client.conversations.unread, client.conversations.hasMore], [3, false]);
  socket.say({ ...message('60-0'), from: 'dave', quiet: true });
  assert.deepEqual(names(), ['bob', 'carol', 'dave']);
  client.conversation('carol').send('x');
  socket.say({ ...message('61-0'), from: 'dave' });
  assert.deepEqual(names(), ['carol', 'dave', 'bob']);
});

test('behind a gap nothing of before is shown until history has come down to it', async () => {
  const { client, socket } = await scriptedChat('alice');
  await list(socket, [{ peer: 'bob', unread: 1, last: message('10-0') }]);
  const bob = client.conversation('bob');
  for (const offset of ['9-0', '10-0']) socket.say(message(offset));
  const waiting = bob.send('waits');
  await asked(socket, 'send');
  socket.cut();
  const next = await welcomedChat(client, { gap: true, offset: '20-0' });
  next.say(message('21-0'));
  assert.deepEqual(bodies(bob), ['21-0', 'waits']);
  await list(next, [{ peer: 'bob', unread: 9, last: message('21-0') }]);
  assert.deepEqual([bob.unread, bob.hasEarlier], [9, true]);
  const loading = bob.loadEarlier();
  const { id, before } = await asked(next, 'history');
  assert.equal(before, '21-0');
  next.say({ type: 'history', id, next: '8-0', entries: [message('15-0'), message('10-0')] });
  assert.deepEqual((await loading).map(({ body }) => body), ['9-0', '10-0', '15-0']);
  assert.deepEqual(bodies(bob), ['9-0', '10-0', '15-0', '21-0', 'waits']);
  const further = bob.loadEarlier();
  const last = await asked(next, 'history', 2);
  assert.equal(last.before, '9-0');
  next.say({ type: 'history', id: last.id, entries: [] });
  await further;
  assert.equal(bob.hasEarlier, false);
  assert.equal(waiting.entry.state, 'waiting');
});

test('another Redis begins again: what it replays is taken, and its positions count', async () => {
  const { client, socket } = await scriptedChat('alice');
  const bob = client.conversation('bob');
  socket.say(message('900-0', { id: 'kept' }));
  socket.say(copy('901-0', 'mine'));
  socket.say({ type: 'position', peer: 'bob', read: '990-0', mine: '900-0', stamp: 9 });
  await until('it is stored', () => socket.of('ack').at(-1)?.offset === '901-0');
  assert.deepEqual(states(bob), ['read', 'read']);
  socket.cut();
  const next = await welcomedChat(client, { gap: true, offset: '0-0' });
  next.say(message('5-0', { id: 'kept' }));
  next.say(message('6-0', { id: 'new' }));
  assert.deepEqual(bob.entries.map(({ id }) => id), ['kept', 'new', 'mine']);
  assert.deepEqual(states(bob), ['received', 'received', 'accepted']);
  await asked(next, 'conversations');
});

test('presence is watched of whom somebody observes, and known while there is a connection', async () => {
  const { client, socket } = await scriptedChat('alice');
  await list(socket, [{ peer: 'carol', unread: 0, last: { ...message('5-0'), from: 'carol' } }]);
  assert.deepEqual(socket.of('presence'), []);
  const leave = client.conversation('bob').on('change', () => {});
  const watched = await asked(socket, 'presence');
  assert.deepEqual([watched.users, watched.watch], [['bob'], true]);
  socket.say({ type: 'presence', id: watched.id, users: { bob: { online: true } } });
  assert.equal(client.conversation('bob').peer.isOnline, true);
  client.conversations.on('change', () => {});
  assert.deepEqual((await asked(socket, 'presence', 2)).users.sort(), ['bob', 'carol']);
  leave();
  assert.deepEqual((await asked(socket, 'presence', 3)).users, ['carol']);
  socket.say({ type: 'presence', users: { carol: { online: false, lastSeen: 7 } } });
  const { peer } = client.conversation('carol');
  assert.deepEqual([peer.isOnline, peer.lastSeen], [false, 7]);
  socket.cut();
  assert.deepEqual([peer.isOnline, peer.lastSeen], [undefined, undefined]);
});

test('typing and signals are passed on', async () => {
  const { client, socket } = await scriptedChat('alice', {}, {
    limits: { frameBytes: 65_536, unacked: 256, sendsPerSecond: 0, signalsPerSecond: 5 },
  });
  const bob = client.conversation('bob');
  bob.typing();
  bob.typing();
  client.conversation('alice').typing();
  assert.equal((await asked(socket, 'signal')).name, 'typing');
  const signals = [];
  client.on('signal', (signal) => signals.push(signal));
  client.signal('bob', 'call.ring', { room: 7 });
  assert.deepEqual((await asked(socket, 'signal', 2)).body, { room: 7 });
  socket.say({ type: 'signal', from: 'bob', name: 'call.end', at: 1 });
  socket.say({ type: 'signal', from: 'bob', name: 'typing', at: 1 });
  assert.equal(signals[0].name, 'call.end');
  assert.equal(bob.peer.isTyping, true);
  socket.say(message('5-0'));
  assert.equal(bob.peer.isTyping, false);
});

test('typing makes no conversation, and is known to one that is opened later', async () => {
  const { client, socket } = await scriptedChat('alice');
  await list(socket, []);
  let changes = 0;
  client.conversations.on('change', () => { changes += 1; });
  const types = (from, at) => socket.say({ type: 'signal', from, name: 'typing', at });
  for (let number = 0; number < 100; number += 1) types(`stranger.${number}`, 1);
  await microtasks();
  assert.equal(changes, 0);
  const { peer } = client.conversation('stranger.7');
  assert.equal(peer.isTyping, true);
  socket.say(message('5-0', { from: 'stranger.7' }));
  assert.equal(peer.isTyping, false);
  socket.say(message('6-0', { from: 'stranger.8' }));
  assert.equal(client.conversation('stranger.8').peer.isTyping, false);
});

test('what no server would take is thrown at once, and makes no entry', async () => {
  assert.throws(() => chatOf('no name'), /`user` is not a user name/);
  assert.throws(() => chatOf('alice', { url: 'http://x' }), /wss:/);
  assert.throws(() => chatOf('alice', { token: 'x' }), /`token` is not a function/);
  for (const isOpen of [false, true]) {
    const { client } = isOpen ? await scriptedChat('alice') : chatOf('alice');
    const bob = client.conversation('bob');
    assert.throws(() => bob.send(undefined), TypeError);
    assert.throws(() => bob.send('😀'.slice(1)), TypeError);
    if (isOpen) assert.throws(() => bob.send('x'.repeat(70_000)), RangeError);
    assert.throws(() => client.conversation('no name'), TypeError);
    assert.throws(() => { for (let number = 0; number < 300; number += 1) bob.send(number); },
      /Too many/);
    assert.equal(bob.entries.length, 256);
  }
});
