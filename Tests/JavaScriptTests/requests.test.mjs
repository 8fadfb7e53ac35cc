/** Lists, history, presence and signals in the frame client, against a script.
 * Run by EndToEndTests/ClientTests.swift. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { ConnectError, ScriptedWebSocket, clientOf, closeAll, until } from './support.mjs';

const real = { setTimeout, clearTimeout, now: performance.now };

afterEach(() => {
  closeAll();
  Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout });
  performance.now = real.now;
});

const scripted = (user) => clientOf(user, { WebSocket: ScriptedWebSocket });
const tick = () => new Promise((resume) => { setImmediate(resume); });

const LIMITS = { frameBytes: 65_536, unacked: 256, sendsPerSecond: 0, requestsPerSecond: 0,
  signalsPerSecond: 0 };
const WELCOME = {
  type: 'welcome', offset: '0-0', gap: false, pingSeconds: 25, positions: 0, now: 1_000_000,
  limits: LIMITS,
};

/** Connects to a script, which welcomes it. */
async function welcomed({ client }, limits = {}) {
  const count = ScriptedWebSocket.all.length;
  client.connect();
  const socket = await until('it connects', () => ScriptedWebSocket.all[count]);
  socket.say({ ...WELCOME, limits: { ...LIMITS, ...limits } });
  return socket;
}

/** Connects again while the clock stands still. */
async function rewelcomed(it, after) {
  const count = ScriptedWebSocket.all.length;
  it.client.connect();
  await after(0);
  assert.equal(ScriptedWebSocket.all.length, count + 1);
  const socket = ScriptedWebSocket.all[count];
  socket.say(WELCOME);
  await after(1);
  return socket;
}

const reject = (socket, { id }, code, retryAfterMs) => socket.say({
  type: 'rejected', id, code, message: 'why', retryable: retryAfterMs !== undefined, retryAfterMs,
});

/** The error of a promise. */
const errorOf = (promise) => promise.then(() => assert.fail('it was answered'), (error) => error);

/** Stops the time of the client; what it returns lets some pass. */
function clock() {
  let time = Math.ceil(performance.now());
  const timers = new Map();
  performance.now = () => time;
  globalThis.setTimeout = (call, ms = 0) => {
    const timer = {};
    timers.set(timer, { call, at: time + ms });
    return timer;
  };
  globalThis.clearTimeout = (timer) => {
    if (!timers.delete(timer)) real.clearTimeout(timer);
  };
  return async (ms) => {
    time += ms;
    for (const [timer, { call, at }] of timers) {
      if (at <= time && timers.delete(timer)) call();
    }
    await tick();
  };
}

test('the answers go to whoever asked, in whichever order they come', async () => {
  const it = scripted('lists');
  const socket = await welcomed(it);
  const list = it.client.conversations({ limit: 5, before: '9-0' });
  const history = it.client.history({ with: 'bob', before: '8-0', limit: 3 });
  const users = it.client.presence(['bob', 'bob']);
  await until('all is asked', () => socket.sent.length === 3);
  const [{ id: a, ...listed }, { id: b, ...told }, { id: c, ...asked }] = socket.sent;
  assert.deepEqual(listed, { type: 'conversations', limit: 5, before: '9-0' });
  assert.deepEqual(told, { type: 'history', with: 'bob', before: '8-0', limit: 3 });
  assert.deepEqual(asked, { type: 'presence', users: ['bob'] });
  socket.say({ type: 'presence', id: c, users: { bob: { online: true } } });
  socket.say({ type: 'history', id: b, entries: [], next: '4-0' });
  socket.say({ type: 'conversations', id: a, items: [{ peer: 'bob', unread: 2 }] });
  assert.deepEqual((await list).items, [{ peer: 'bob', unread: 2 }]);
  assert.equal((await history).next, '4-0');
  assert.deepEqual(await users, { bob: { online: true } });
  assert.deepEqual(it.told.presence, []);
});

test('a request waits for a connection, and is asked again on the next one', async () => {
  const it = scripted('again');
  const list = it.client.conversations();
  const first = await welcomed(it);
  const [asked] = first.of('conversations');
  first.cut();
  const second = await welcomed(it);
  assert.deepEqual(second.of('conversations'), [asked]);
  second.say({ type: 'conversations', id: asked.id, items: [] });
  assert.deepEqual((await list).items, []);
});

test('what is refused for now is asked again, and for good fails with the code', async () => {
  const it = scripted('refused');
  const socket = await welcomed(it);
  const history = it.client.history();
  await tick();
  const [asked] = socket.of('history');
  reject(socket, asked, 'overloaded', 1);
  await until('it is asked again', () => socket.of('history').length === 2);
  reject(socket, asked, 'malformed');
  const error = await errorOf(history);
  assert.ok(error instanceof ConnectError);
  assert.equal(error.code, 'malformed');
  const late = it.client.history();
  await tick();
  reject(socket, socket.of('history').at(-1), 'rate_limited', 60_000);
  const { code, retryAfterMs } = await errorOf(late);
  assert.equal(code, 'rate_limited');
  assert.ok(retryAfterMs > 59_000 && retryAfterMs <= 60_000, `${retryAfterMs}`);
  assert.deepEqual(it.told.rejected, []);
});

test('after a refusal nothing is asked before its time, and only its own answer counts', async () => {
  const it = scripted('held');
  const socket = await welcomed(it);
  const after = clock();
  const error = errorOf(it.client.history());
  await tick();
  const [asked] = socket.of('history');
  reject(socket, asked, 'rate_limited', 5_000);
  const list = it.client.conversations();
  await after(4_990);
  assert.equal(socket.sent.length, 1);
  await after(20);
  assert.deepEqual(socket.sent.map(({ type }) => type), ['history', 'history', 'conversations']);
  // Neither an answer of another type nor one of another request is an answer.
  const { id } = socket.of('conversations')[0];
  socket.say({ type: 'history', id, entries: [] });
  socket.say({ type: 'conversations', id: 'other', items: [] });
  socket.say({ type: 'conversations', id, items: [{ peer: 'bob', unread: 1 }] });
  assert.equal((await list).items[0].peer, 'bob');
  // What was refused once and then not answered was not refused in the end.
  await after(10_000);
  assert.equal((await error).code, 'unavailable');
});

test('after a goodbye nothing is asked or said on this connection', async () => {
  const it = scripted('goodbye');
  const socket = await welcomed(it, { requestsPerSecond: 2, signalsPerSecond: 5 });
  const after = clock();
  for (let number = 0; number < 5; number += 1) it.client.history().catch(() => {});
  for (let number = 0; number < 11; number += 1) it.client.signal('bob', `s${number}`);
  await tick();
  assert.deepEqual([socket.of('history').length, socket.of('signal').length], [4, 10]);
  socket.say({ type: 'goodbye', code: 1012, reconnectAfterMs: 0 });
  socket.say({ type: 'history', id: socket.of('history')[0].id, entries: [] });
  it.client.signal('bob', 'late');
  await after(1_000);
  assert.equal(socket.sent.length, 14);
  socket.cut();
  const next = await rewelcomed(it, after);
  assert.deepEqual([next.of('history').length, next.of('signal').length], [4, 0]);
});

test('what is larger than a server takes is refused here', async () => {
  const it = scripted('large');
  const users = Array.from({ length: 100 }, (_, number) => `u${number}`.padEnd(30, 'x'));
  const early = errorOf(it.client.presence(users));
  it.client.watchPresence(users);
  const socket = await welcomed(it, { frameBytes: 2_000 });
  assert.equal((await early).code, 'too_large');
  await until('the watch is refused', () => it.told.error.length === 1);
  assert.equal(it.told.error[0].code, 'too_large');
  assert.throws(() => it.client.signal('bob', 's', 'x'.repeat(1_990)), RangeError);
  it.client.signal('bob', 's', 'x'.repeat(1_800));
  assert.deepEqual(socket.sent.map(({ type }) => type), ['signal']);
});

test('a request fails in time, and at once where too many wait or the client stops', async () => {
  const it = scripted('late');
  const after = clock();
  const late = errorOf(it.client.history());
  await after(14_990);
  await after(20);
  assert.equal((await late).code, 'unavailable');
  const waiting = Array.from({ length: 64 }, () => errorOf(it.client.history()));
  assert.equal((await errorOf(it.client.history())).code, 'full');
  it.client.close();
  for (const error of waiting) assert.equal((await error).code, 'closed');
});

test('no more are under way than may, and they keep to the pace', async () => {
  const it = scripted('pace');
  const socket = await welcomed(it, { requestsPerSecond: 2 });
  const after = clock();
  for (let number = 0; number < 20; number += 1) it.client.history().catch(() => {});
  await tick();
  assert.equal(socket.of('history').length, 4);
  for (let answered = 0; answered < socket.of('history').length; answered += 1) {
    socket.say({ type: 'history', id: socket.of('history')[answered].id, entries: [] });
  }
  // The share of five seconds at once, then two a second.
  assert.equal(socket.of('history').length, 10);
  await after(502);
  assert.equal(socket.of('history').length, 11);
});

test('the watch goes on over connections and other requests, and tells of changes', async () => {
  const it = scripted('watch');
  it.client.watchPresence(['bob', 'carol']);
  const first = await welcomed(it);
  const [watch] = first.of('presence');
  assert.deepEqual(watch, { type: 'presence', id: watch.id, users: ['bob', 'carol'], watch: true });
  first.say({ type: 'presence', id: watch.id, users: { bob: { online: true } } });
  first.say({ type: 'presence', users: { bob: { online: false, lastSeen: 5 } } });
  assert.deepEqual(
    it.told.presence, [{ bob: { online: true } }, { bob: { online: false, lastSeen: 5 } }]);
  it.client.watchPresence(['carol', 'bob']);
  const once = it.client.presence(['dave']);
  await until('it is asked again behind the other', () => first.of('presence').length === 3);
  const [, other, again] = first.of('presence');
  assert.equal(other.watch, undefined);
  assert.deepEqual(again, watch);
  first.say({ type: 'presence', id: other.id, users: { dave: { online: false } } });
  assert.deepEqual(await once, { dave: { online: false } });
  assert.equal(it.told.presence.length, 2);
  first.cut();
  const second = await welcomed(it);
  assert.deepEqual(second.of('presence'), [watch]);
  reject(second, watch, 'malformed');
  assert.equal(it.told.error.length, 1);
  second.cut();
  assert.deepEqual((await welcomed(it)).of('presence'), []);
  assert.throws(() => it.client.watchPresence(['no name']), TypeError);
  const many = Array.from({ length: 101 }, (_, number) => `u${number}`);
  assert.throws(() => it.client.watchPresence(many), RangeError);
});

test('a refused watch waits longer each time, and nothing else waits for it', async () => {
  const it = scripted('patience');
  const socket = await welcomed(it);
  const after = clock();
  it.client.watchPresence(['bob']);
  await tick();
  let count = 0;
  for (const seconds of [2, 4, 8, 16, 32, 60, 60]) {
    count += 1;
    assert.equal(socket.of('presence').length, count);
    reject(socket, socket.of('presence')[0], 'overloaded', 2_000);
    const list = it.client.conversations();
    await tick();
    const { id } = socket.of('conversations').at(-1);
    socket.say({ type: 'conversations', id, items: [] });
    assert.deepEqual((await list).items, []);
    await after(seconds * 1_000 - 10);
    assert.equal(socket.of('presence').length, count);
    await after(20);
  }
  const [{ id }] = socket.of('presence');
  socket.say({ type: 'presence', id, users: {} });
  it.client.presence(['carol']).catch(() => {});
  await tick();
  assert.equal(socket.of('presence').length, count + 3);
  reject(socket, { id }, 'overloaded', 2_000);
  await after(2_010);
  assert.equal(socket.of('presence').length, count + 4);
});

test('typing is said every four seconds, and after a message or a reconnect at once', async () => {
  const it = scripted('typing');
  it.client.typing('bob');
  const socket = await welcomed(it);
  const after = clock();
  const count = () => socket.of('signal').length;
  for (let key = 0; key < 5; key += 1) it.client.typing('bob');
  assert.deepEqual(socket.of('signal').map(({ id, ...signal }) => signal),
    [{ type: 'signal', to: 'bob', name: 'typing' }]);
  it.client.typing('carol');
  assert.equal(count(), 2);
  await after(3_999);
  it.client.typing('bob');
  assert.equal(count(), 2);
  await after(1);
  it.client.typing('bob');
  assert.equal(count(), 3);
  it.client.send('bob', 'hello');
  it.client.typing('bob');
  assert.equal(count(), 4);
  socket.cut();
  const next = await rewelcomed(it, after);
  it.client.typing('bob');
  assert.equal(next.of('signal').length, 1);
  assert.throws(() => it.client.typing('no name'), TypeError);
});

test('a peer is typing until its message comes, or for six seconds', async () => {
  const it = scripted('dots');
  const socket = await welcomed(it);
  const after = clock();
  const typing = (from, at) => socket.say({ type: 'signal', from, name: 'typing', at });
  typing('bob', 1);
  typing('bob', 2);
  typing('carol', 3);
  socket.say({ type: 'message', offset: '5-0', from: 'bob', id: 'b', at: 5, body: 1 });
  typing('bob', 4); // It was written before the message.
  assert.deepEqual(it.told.typing, [
    { from: 'bob', isTyping: true }, { from: 'carol', isTyping: true },
    { from: 'bob', isTyping: false },
  ]);
  await after(4_000);
  typing('carol', 6);
  await after(5_999);
  assert.equal(it.told.typing.length, 3);
  await after(1);
  assert.deepEqual(it.told.typing.at(-1), { from: 'carol', isTyping: false });
});

test('neither a late signal nor a message from before changes who is typing', async () => {
  const it = scripted('replay');
  const socket = await welcomed(it);
  const typing = (from, at) => socket.say({ type: 'signal', from, name: 'typing', at });
  let count = 0;
  const message = (from, at) => {
    count += 1;
    socket.say({ type: 'message', offset: `${count}-0`, from, id: `m${count}`, at, body: 1 });
  };
  typing('bob', 5);
  message('bob', 4);
  assert.deepEqual(it.told.typing, [{ from: 'bob', isTyping: true }]);
  message('bob', 6);
  for (let number = 1; number < 64; number += 1) message(`u${number}`, 7);
  typing('bob', 6);
  assert.equal(it.told.typing.length, 2);
  // Only of so many peers is the last message remembered.
  message('carol', 8);
  typing('bob', 6);
  assert.equal(it.told.typing.length, 3);
});

test('signals go to their handler, keep to the pace, and are dropped when it breaks', async () => {
  const it = scripted('signals');
  it.client.signal('bob', 'lost');
  const socket = await welcomed(it, { signalsPerSecond: 5 });
  const after = clock();
  for (let number = 0; number < 30; number += 1) it.client.signal('bob', `s${number}`, { number });
  assert.equal(socket.of('signal').length, 10);
  const [{ id, ...first }] = socket.of('signal');
  assert.deepEqual(first, { type: 'signal', to: 'bob', name: 's0', body: { number: 0 } });
  await after(201);
  // The oldest of those that waited were dropped.
  assert.equal(socket.of('signal').at(-1).name, 's14');
  reject(socket, { id }, 'rate_limited', 10_000);
  await after(1_000);
  assert.equal(socket.of('signal').length, 11);
  socket.cut();
  const next = await rewelcomed(it, after);
  it.client.signal('bob', 'next');
  assert.deepEqual(next.of('signal').map(({ name }) => name), ['next']);
  ScriptedWebSocket.all.at(-1).say(
    { type: 'signal', from: 'bob', name: 'wave', at: 1, body: [1] });
  assert.deepEqual(
    it.told.signal, [{ type: 'signal', from: 'bob', name: 'wave', at: 1, body: [1] }]);
  assert.deepEqual(it.told.rejected, []);
  assert.throws(() => it.client.signal('bob', 'no name'), TypeError);
  assert.throws(() => it.client.signal('bob', 'large', 'é'.repeat(1_024)), RangeError);
});

test('to connect again while online asks whether the line is alive, and leaves one that is not', async () => {
  const it = scripted('slept');
  const socket = await welcomed(it);
  socket.say({ type: 'live', offset: '0-0' });
  const after = clock();
  it.client.connect();
  it.client.connect();
  assert.equal(socket.of('ping').length, 1);
  await after(9_000);
  socket.say({ type: 'pong' });
  await after(9_000);
  assert.equal(it.client.state.phase, 'online');
  it.client.connect();
  await after(10_001);
  assert.equal(it.client.state.phase, 'waiting');
  await rewelcomed(it, after);
});
