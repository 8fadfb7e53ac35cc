/** The frame client against a real gateway, without a page. Run by EndToEndTests/ClientTests.swift. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import {
  FrameClient, NoWebSocket, TestStorage, TestWebSocket, clientOf, closeAll, isLive, online,
  tokenOf, until, url,
} from './support.mjs';

const offline = (user, options) => clientOf(user, { ...options, WebSocket: NoWebSocket });
afterEach(closeAll);

const keyOf = (user, name) => `connect/${url}/${user}/js/${name}`;
const ids = (frames) => frames.map(({ id }) => id);

test('runs without a page, and says what it needs where there is no WebSocket', async () => {
  assert.equal(globalThis.document, undefined);
  assert.equal(globalThis.sessionStorage, undefined);
  const own = globalThis.WebSocket;
  delete globalThis.WebSocket;
  assert.throws(() => new FrameClient({ url, token: () => '' }), /the option `WebSocket`/);
  if (own) globalThis.WebSocket = own;
  const it = await online('page.less');
  const id = it.client.send('page.less', { text: 'ä😀' });
  await until('it came', () => it.told.message.length && it.told.accepted.length);
  assert.deepEqual(ids(it.told.accepted), [id]);
  assert.deepEqual(it.told.message[0].body, { text: 'ä😀' });
});

test('a handler that throws is told where there is no reportError, and gets it again', async () => {
  const [error, errors] = [console.error, []];
  console.error = (...values) => errors.push(...values);
  try {
    let isBroken = true;
    const it = await online('thrown', {
      on: {
        message() {
          if (isBroken) { isBroken = false; throw new Error('a bug'); }
        },
      },
    });
    it.client.send('thrown', 1);
    await until('it came again', () => it.told.message.length === 2);
    if (!globalThis.reportError) assert.match(String(errors[0]), /a bug/);
  } finally {
    console.error = error;
  }
});

test('what no server would take is thrown by send, and stops nothing', async () => {
  const it = await online('strict');
  const half = '😀'.slice(0, 1);
  const nested = (levels) => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
  const cyclic = {};
  cyclic.self = cyclic;
  for (const body of [half, { text: half }, { [half]: 1 }, ['\\', `\\${half}`], '😀'.slice(1)]) {
    assert.throws(() => it.client.send('strict', body), { name: 'TypeError' });
    assert.throws(() => it.client.sendAgain('s-1', 'strict', body), { name: 'TypeError' });
  }
  for (const body of [undefined, () => 1, cyclic, 1n]) {
    assert.throws(() => it.client.send('strict', body), { name: 'TypeError' });
  }
  for (const to of ['', 'bob smith', 'ä', half, 'x'.repeat(129), undefined]) {
    assert.throws(() => it.client.send(to, 1), { name: 'TypeError' });
  }
  assert.throws(() => it.client.send('strict', nested(508)), { name: 'RangeError' });
  assert.throws(() => it.client.send('strict', 'x'.repeat(70_000)), /bytes of at most 65536/);
  assert.deepEqual(it.client.unanswered, []);
  const bodies = [nested(507), '\\ud83d', '\\\\udc00', 'ä\u0000"\\😀', { '[{"': '}' }, null];
  const sent = bodies.map((body) => it.client.send('strict', body));
  await until('all are taken', () => it.told.message.length === bodies.length);
  assert.deepEqual(ids(it.told.message), sent);
  assert.deepEqual(it.told.message.map(({ body }) => body), bodies);
  assert.deepEqual(it.told.rejected, []);
});

test('what turns out to be too large is told by rejected, and the next one goes', async () => {
  const it = clientOf('large');
  const large = it.client.send('large', 'x'.repeat(70_000));
  const good = it.client.send('large', 'good');
  it.client.connect();
  await until('the good one is taken', () => it.told.accepted.length);
  assert.deepEqual(ids(it.told.accepted), [good]);
  assert.deepEqual(it.told.rejected.map(({ id, code }) => [id, code]), [[large, 'too_large']]);
  assert.deepEqual(it.client.unanswered, []);
});

test('what the server refuses for good leaves the outbox, and is told', async () => {
  const storage = new TestStorage();
  const it = await online('refused', { storage });
  const bad = it.client.send('refused', 1, { receipt: 'perhaps' }); // It is true or false.
  const good = it.client.send('refused', 2);
  await until('the good one is taken', () => it.told.accepted.length);
  assert.deepEqual(ids(it.told.accepted), [good]);
  assert.deepEqual(
    it.told.rejected.map(({ id, code, retryable }) => [id, code, retryable]),
    [[bad, 'malformed', false]]);
  assert.deepEqual(it.client.unanswered, []);
  assert.equal(storage.getItem(keyOf('refused', 'outbox')), '[]');
});

test('a message is sent as it was written, whatever becomes of the object', async () => {
  const it = clientOf('written');
  const body = { text: 'before' };
  it.client.send('written', body);
  body.text = '😀'.slice(1);
  it.client.connect();
  await until('it came', () => it.told.message.length);
  assert.deepEqual(it.told.message[0].body, { text: 'before' });
});

test('what one user wrote offline is not sent by the next one in the same storage', async () => {
  const storage = new TestStorage();
  const alice = offline('tab.alice', { storage });
  alice.client.connect();
  await until('the user is known', () => alice.told.state.some(({ phase }) => phase === 'waiting'));
  const id = alice.client.send('tab.carol', 'of alice');
  alice.client.close();

  const bob = await online('tab.bob', { storage });
  const own = bob.client.send('tab.carol', 'of bob');
  await until('it is taken', () => bob.told.accepted.length);
  assert.deepEqual(ids(bob.told.accepted), [own]);
  bob.client.close();

  const again = await online('tab.alice', { storage });
  await until('it is taken', () => again.told.accepted.length);
  assert.deepEqual(ids(again.told.accepted), [id]);
  const carol = await online('tab.carol');
  await until('both came', () => carol.told.message.length === 2);
  assert.deepEqual(
    carol.told.message.map(({ from, body }) => `${from}: ${body}`),
    ['tab.bob: of bob', 'tab.alice: of alice']);
});

test('what one user has seen is not skipped for the next one in the same storage', async () => {
  const storage = new TestStorage();
  const writer = await online('seen.writer');
  writer.client.send('seen.bob', 'for bob');
  await until('it is taken', () => writer.told.accepted.length === 1);
  writer.client.send('seen.alice', 'for alice');
  const alice = await online('seen.alice', { storage });
  await until('it came', () => alice.told.message.length);
  alice.client.close();
  const bob = await online('seen.bob', { storage });
  await until('it came', () => bob.told.message.length);
  assert.equal(bob.told.message[0].body, 'for bob');
});

test('what is kept belongs to a server, too', async () => {
  const storage = new TestStorage();
  const there = clientOf('two.servers', {
    storage, url: 'ws://another.example/v1/connect', user: 'two.servers', WebSocket: NoWebSocket,
  });
  there.client.send('two.servers', 'there');
  const here = await online('two.servers', { storage });
  const id = here.client.send('two.servers', 'here');
  await until('it is taken', () => here.client.unanswered.length === 0);
  assert.deepEqual(ids(here.told.accepted), [id]);
  assert.equal(there.client.unanswered.length, 1);
});

test('what is written before there is a token is kept once the user is known', async () => {
  const storage = new TestStorage();
  const known = offline('early', { storage, user: 'early', token: () => { throw Error('no'); } });
  const first = known.client.send('early', 1);
  assert.equal(JSON.parse(storage.getItem(keyOf('early', 'outbox')))[0].id, first);
  const it = clientOf('early', { storage });
  const second = it.client.send('early', 2);
  it.client.connect();
  await until('both came', () => it.told.message.length === 2);
  assert.deepEqual(ids(it.told.message), [first, second]);
});

test('a token of another user stops the client, and nothing goes in that one’s name', async () => {
  let user = 'before';
  const it = await online('before', { token: () => tokenOf(user) });
  user = 'after';
  const socket = TestWebSocket.all.at(-1);
  const count = TestWebSocket.all.length;
  it.client.send('after', 1);
  socket.cut();
  await until('it has stopped', () => it.client.state.phase === 'stopped');
  assert.equal(it.client.state.reason, 'user');
  assert.match(it.client.state.message, /another user/);
  assert.equal(TestWebSocket.all.length, count);
});

test('a token may have white space around it', async () => {
  for (const token of [`${tokenOf('trimmed')}\n`, `\r\n ${tokenOf('trimmed')}\t\r\n`]) {
    await online('trimmed', { token: async () => token });
  }
});

test('what is not a token is said, tried again, and repeated to nobody', async () => {
  const bad = [
    '<html>no</html>', undefined, null, '', 'a.b.c', 'Bearer x.y.z', tokenOf(7), tokenOf('late', NaN),
  ];
  let next = 0;
  const it = clientOf('late', {
    token: () => (next < bad.length ? bad[next++] : tokenOf('late')),
    on: {
      state({ phase }) { if (phase === 'waiting') queueMicrotask(() => it.client.connect()); },
    },
  });
  it.client.connect();
  await until('it is live', () => isLive(it));
  const waits = it.told.state.filter(({ phase }) => phase === 'waiting');
  assert.equal(waits.length, bad.length);
  for (const { message } of waits) {
    assert.match(message, /token\(\) gave is not a JWT/);
    assert.doesNotMatch(message, /html|x\.y\.z/);
  }
  // Which one of its claims it is, if there are any.
  assert.match(waits[4].message, /JWT$/);
  assert.match(waits[6].message, /`sub`$/);
  assert.match(waits[7].message, /`exp`$/);
});

test('a damaged storage is told, and begun again', async () => {
  for (const [name, text] of [
    ['outbox', '[{"id":'], ['outbox', '{}'], ['outbox', '[1,null,{"id":"x"}]'],
    ['outbox', '[{"id":"a b","to":"damaged","body":1}]'], ['handled', '["1-1"]'],
    ['handled', '7'], ['handled', '"soon"'], ['handled', '{}'], ['handled', 'x'],
    ['positions', '-1'], ['positions', '"7"'], ['reads', '{}'],
    ['reads', '[{"peer":"damaged.peer","offset":7,"id":"x"}]'],
  ]) {
    const storage = new TestStorage();
    storage.setItem(keyOf('damaged', name), text);
    const it = await online('damaged', { storage });
    assert.ok(it.told.error.length > 0, text);
    for (const { code } of it.told.error) assert.equal(code, 'storage_damaged', text);
    const id = it.client.send('damaged', text);
    await until('it came', () => it.told.message.some((message) => message.id === id));
    it.client.close();
    const again = await online('damaged', { storage });
    assert.deepEqual(again.told.error, [], text);
    again.client.close();
  }
});

test('a storage that is full or forbidden is told once, and messages go nevertheless', async () => {
  for (const fault of ['full', 'forbidden']) {
    const storage = new TestStorage();
    storage.fault = fault;
    const user = `storage.${fault}`;
    const it = await online(user, { storage });
    for (let number = 0; number < 3; number += 1) it.client.send(user, number);
    await until('they came', () => it.told.message.length === 3);
    assert.equal(it.told.error.filter(({ code }) => code === 'storage_full').length, 1);
    storage.fault = null;
    it.client.send(user, 3);
    await until('it came', () => it.told.message.length === 4);
    await until('all is answered', () => !it.client.unanswered.length);
    assert.equal(storage.getItem(keyOf(user, 'outbox')), '[]');
  }
});

test('a stored message that no server takes is dropped, and those behind it go', async () => {
  const storage = new TestStorage();
  const half = { id: 'half', to: 'poisoned', body: { text: '\ud83d' }, receipt: false };
  const good = { id: 'good', to: 'poisoned', body: { text: 'good' }, receipt: false };
  storage.setItem(keyOf('poisoned', 'outbox'), JSON.stringify([half, good]));
  const it = await online('poisoned', { storage });
  await until('the good one is taken', () => it.told.accepted.length);
  assert.deepEqual(ids(it.told.accepted), ['good']);
  const [{ id, code, message, retryable }, ...more] = it.told.rejected;
  assert.deepEqual([id, code, retryable, more], ['half', 'malformed', false, []]);
  assert.match(message, /half of a character/);
});

test('after a reload it goes on behind what it has handled', async () => {
  const storage = new TestStorage();
  const it = await online('reload', { storage });
  it.client.send('reload', 1);
  await until('it came', () => it.told.message.length);
  it.client.close();
  const again = await online('reload', { storage });
  const handled = JSON.parse(storage.getItem(keyOf('reload', 'handled')));
  assert.match(TestWebSocket.all.at(-1).url, new RegExp(`&since=${handled}$`));
  again.client.send('reload', 2);
  await until('it came', () => again.told.message.length);
  assert.deepEqual(again.told.message.map(({ body }) => body), [2]);
});

test('a place above all that the server can have is given up, and what comes is shown', async () => {
  const storage = new TestStorage();
  storage.setItem(keyOf('restored', 'handled'), '"9000000000000-0"');
  const writer = await online('restored.writer');
  writer.client.send('restored', 'before');
  await until('it is taken', () => writer.told.accepted.length);
  const it = await online('restored', { storage });
  await until('it came', () => it.told.message.length);
  const { welcome } = it.told.state.find(({ phase }) => phase === 'online');
  assert.equal(welcome.gap, true);
  assert.equal(welcome.offset, '0-0');
  writer.client.send('restored', 'after');
  await until('it came', () => it.told.message.length === 2);
  assert.deepEqual(it.told.message.map(({ body }) => body), ['before', 'after']);
  assert.ok(JSON.parse(storage.getItem(keyOf('restored', 'handled'))) < '9');
});
