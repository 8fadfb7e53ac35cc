/** Copies, positions and what is read in the frame client, against a real gateway and against a script.
 * Run by EndToEndTests/ClientTests.swift. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import {
  ScriptedWebSocket, TestStorage, TestWebSocket, clientOf, closeAll, compareOffsets, online, until,
} from './support.mjs';

afterEach(closeAll);

const scripted = (user, options) => clientOf(user, { ...options, WebSocket: ScriptedWebSocket });

/** Connects to a script, which welcomes it. */
async function welcomed({ client }, news) {
  const count = ScriptedWebSocket.all.length;
  client.connect();
  const socket = await until('it connects', () => ScriptedWebSocket.all[count]);
  socket.say({
    type: 'welcome', offset: '0-0', gap: false, pingSeconds: 25, positions: 0, now: 1_000_000,
    limits: { frameBytes: 65_536, unacked: 256, sendsPerSecond: 0 }, ...news,
  });
  return socket;
}

const stampOf = ({ url }) => Number(new URL(url).searchParams.get('positions'));

/** Waits until it has said so many frames of a type. */
async function said(socket, type, count = 1) {
  await until(`it says ${count} ${type}`, () => socket.of(type).length >= count);
  assert.equal(socket.of(type).length, count);
  return socket.of(type).at(-1);
}

test('a copy comes to each device of its sender, with its place at the recipient', async () => {
  const here = await online('copy.alice', { device: 'here' });
  const there = await online('copy.alice', { device: 'there' });
  const bob = await online('copy.bob');
  const id = here.client.send('copy.bob', { text: 'a' }, { copy: true, quiet: true });
  await until('it came', () => bob.told.message.length);
  const [{ offset: peerOffset, quiet }] = bob.told.message;
  assert.equal(quiet, true);
  for (const { told } of [here, there]) {
    await until('the copy came', () => told.sent.length);
    const [{ offset, at, ...copy }] = told.sent;
    assert.deepEqual(
      copy, { type: 'sent', peerOffset, to: 'copy.bob', id, body: { text: 'a' }, quiet: true });
  }
  here.client.send('copy.bob', 'without');
  const last = here.client.send('copy.bob', 'with', { copy: true });
  await until('the next copy came', () => there.told.sent.length === 2);
  assert.equal(there.told.sent[1].id, last);
});

test('a copy is told once, by recipient, id and place there, and acknowledged', async () => {
  const it = scripted('twice');
  const socket = await welcomed(it);
  const copy = { type: 'sent', peerOffset: '4-0', to: 'bob', id: 'a', at: 4, body: 1 };
  socket.say({ ...copy, offset: '5-0' });
  socket.say({ ...copy, offset: '6-0' });
  socket.say({ ...copy, offset: '7-0', peerOffset: '6-1' });
  socket.say({ ...copy, offset: '8-0', to: 'carol' });
  assert.deepEqual(it.told.sent.map(({ offset }) => offset), ['5-0', '7-0', '8-0']);
  await until('all is acknowledged', () => socket.of('ack').at(-1)?.offset === '8-0');
});

test('a copy of what has no answer yet counts as one', async () => {
  const order = [];
  const on = { accepted: () => order.push('accepted'), sent: () => order.push('sent') };
  const it = scripted('answered', { on });
  const socket = await welcomed(it);
  const id = it.client.send('bob', 1, { copy: true });
  await said(socket, 'send');
  socket.say({ type: 'sent', offset: '5-0', peerOffset: '4-0', to: 'bob', id, at: 4, body: 1 });
  assert.deepEqual(it.client.unanswered, []);
  socket.say({ type: 'accepted', id, offset: '4-0' });
  assert.deepEqual(order, ['accepted', 'sent']);
  assert.deepEqual(it.told.accepted, [{ type: 'accepted', id, offset: '4-0' }]);
});

test('what is sent again says when it was first sent, by the server’s clock', async () => {
  const [now, date] = [performance.now, Date.now];
  let laterMs = 0;
  performance.now = () => now.call(performance) + laterMs;
  try {
    const it = scripted('retry');
    const first = await welcomed(it);
    // The clock of the system steps, and is none of this.
    Date.now = () => date() + 3_600_000;
    laterMs = 50_000;
    const id = it.client.send('bob', 1);
    assert.equal((await said(first, 'send')).retry, undefined);
    first.cut();
    for (const serverNow of [2_000_000, 3_000_000]) {
      const socket = await welcomed(it, { now: serverNow });
      const { retry } = await said(socket, 'send');
      assert.ok(Number.isInteger(retry) && retry >= 1_050_000 && retry < 1_100_000, `${retry}`);
      socket.cut();
    }
    assert.deepEqual(it.client.unanswered, [id]);
  } finally {
    Object.assign(Date, { now: date });
    performance.now = now;
  }
});

test('a message whose answer was lost comes once, and its sender learns its place', async () => {
  const alice = await online('lost.alice');
  const line = TestWebSocket.all.at(-1);
  const bob = await online('lost.bob');
  line.onmessage = () => {};
  const first = alice.client.send('lost.bob', 1, { receipt: true });
  await until('it came', () => bob.told.message.length);
  line.cut();
  alice.client.connect();
  const second = alice.client.send('lost.bob', 2);
  await until('both are taken', () => alice.told.accepted.length === 2);
  await until('the second came', () => bob.told.message.some(({ id }) => id === second));
  assert.deepEqual(bob.told.message.map(({ id }) => id), [first, second]);
  const again = TestWebSocket.all.at(-1).sent.map((text) => JSON.parse(text));
  assert.equal(typeof again.find(({ id }) => id === first).retry, 'number');
  // It was accepted under another offset, so the copy comes unasked.
  await until('it is copied', () => alice.told.sent.length);
  const [{ id, peerOffset }] = alice.told.sent;
  assert.deepEqual([id, peerOffset], [first, bob.told.message[0].offset]);
});

test('what was turned away unseen is not a repeat, what may have been taken is', async () => {
  const it = scripted('rejected');
  const socket = await welcomed(it);
  const id = it.client.send('bob', 1);
  const retries = [];
  for (const code of ['rate_limited', 'unavailable', 'rate_limited']) {
    retries.push((await said(socket, 'send', retries.length + 1)).retry);
    socket.say({ type: 'rejected', id, code, message: '', retryable: true, retryAfterMs: 1 });
  }
  retries.push((await said(socket, 'send', 4)).retry);
  assert.deepEqual(retries.map((retry) => typeof retry), [
    'undefined', 'undefined', 'number', 'number']);
  assert.equal(retries[2], retries[3]);
});

test('a reload knows when it was first sent; where that is not known, retry is true', async () => {
  const storage = new TestStorage();
  const before = scripted('reload', { storage });
  const socket = await welcomed(before);
  before.client.send('bob', 'sent', { receipt: true, copy: true, quiet: true });
  await said(socket, 'send');
  // It is stored with the time, whatever follows.
  assert.match([...storage.items.values()].join(), /"firstSent":1\d{6}\b/);
  before.client.close();
  before.client.send('bob', 'unsent');
  const after = scripted('reload', { storage });
  const reloaded = await welcomed(after, { now: 9_000_000 });
  after.client.sendAgain('failed', 'bob', 'again', { copy: true, quiet: true });
  await said(reloaded, 'send', 3);
  const [{ id, retry, ...first }, second, third] = reloaded.of('send');
  assert.deepEqual(
    first, { type: 'send', to: 'bob', body: 'sent', receipt: true, copy: true, quiet: true });
  assert.ok(retry >= 1_000_000 && retry < 2_000_000, `${retry}`);
  assert.equal(second.retry, true);
  assert.deepEqual(third, {
    type: 'send', id: 'failed', to: 'bob', body: 'again', copy: true, quiet: true, retry: true });
  reloaded.cut();
  const again = await welcomed(after);
  await said(again, 'send', 3);
  assert.deepEqual(again.of('send').map((frame) => frame.retry), [retry, true, true]);
});

test('the ticks of a message are told by position, and what is read to both sides', async () => {
  const alice = await online('tick.alice');
  const bob = await online('tick.bob', { device: 'phone' });
  const other = await online('tick.bob', { device: 'laptop' });
  const id = alice.client.send('tick.bob', 1, { receipt: true });
  await until('it came', () => bob.told.message.length && alice.told.accepted.length);
  const [{ offset }] = bob.told.message;
  assert.deepEqual(alice.told.accepted, [{ type: 'accepted', id, offset }]);
  await until('it is delivered', () => alice.told.position.some(({ delivered }) => delivered));
  assert.equal(alice.told.position[0].read, undefined);

  bob.client.read('tick.alice', offset);
  const read = await until('it is read', () => alice.told.position.find(({ read }) => read));
  assert.deepEqual([read.peer, read.delivered, read.read], ['tick.bob', offset, offset]);
  for (const { told } of [bob, other]) {
    const { peer, mine } = await until('it is known', () => told.position.at(-1));
    assert.deepEqual([peer, mine], ['tick.alice', offset]);
  }
});

test('what is read in private is told to one’s own devices only', async () => {
  const alice = await online('private.alice');
  const bob = await online('private.bob');
  for (const number of [1, 2]) alice.client.send('private.bob', number, { receipt: true });
  await until('both came', () => bob.told.message.length === 2);
  const [first, second] = bob.told.message.map(({ offset }) => offset);
  bob.client.read('private.alice', first, { private: true });
  await until('it is stored', () => bob.told.position.some(({ mine }) => mine === first));
  bob.client.read('private.alice', second);
  await until('it is told', () => alice.told.position.some(({ read }) => read === second));
  assert.ok(alice.told.position.every(({ read }) => read === undefined || read === second));
});

test('how far it is read is said until the answer, by the next page too', async () => {
  const storage = new TestStorage();
  const it = scripted('reader', { storage });
  await assert.rejects(async () => it.client.read('no user', '1-0'), { name: 'TypeError' });
  await assert.rejects(async () => it.client.read('bob', 7), { name: 'TypeError' });
  // Before the user is known, and after.
  for (const offset of ['9-0', '8-0', '10-0', '9-9']) it.client.read('bob', offset);
  const first = await welcomed(it);
  it.client.read('carol', '3-0', { private: true });
  await said(first, 'read', 2);
  const reads = first.of('read');
  const [{ id }] = reads;
  assert.deepEqual(reads.map(({ id, ...read }) => read), [
    { type: 'read', peer: 'bob', offset: '10-0', private: false },
    { type: 'read', peer: 'carol', offset: '3-0', private: true },
  ]);
  // Of another device, or an answer to another request: not to this one.
  first.say({ type: 'position', peer: 'bob', mine: '10-0', stamp: 1 });
  first.say({ type: 'position', peer: 'bob', mine: '10-0', stamp: 1, id: 'another' });
  first.cut();
  await said(await welcomed(it), 'read', 2);
  it.client.close();

  const reloaded = scripted('reader', { storage });
  const second = await welcomed(reloaded);
  await said(second, 'read', 2);
  assert.deepEqual(second.of('read'), reads);
  second.say({ type: 'position', peer: 'bob', mine: '10-0', stamp: 2, id });
  reloaded.client.close();
  const last = await welcomed(scripted('reader', { storage }));
  assert.equal((await said(last, 'read')).peer, 'carol');
});

test('what is read in private stands for nothing that is told, nor the other way round', async () => {
  const storage = new TestStorage();
  const it = scripted('apart', { storage });
  it.client.read('bob', '1-0');
  it.client.read('bob', '2-0', { private: true });
  const socket = await welcomed(it);
  await said(socket, 'read', 2);
  const [told, secret] = socket.of('read');
  assert.deepEqual(
    [told, secret].map((read) => [read.offset, read.private]), [['1-0', false], ['2-0', true]]);
  socket.say({ type: 'position', peer: 'bob', mine: '2-0', stamp: 1, id: secret.id });
  it.client.close();
  const reloaded = await welcomed(scripted('apart', { storage }));
  assert.deepEqual(await said(reloaded, 'read'), told);
});

test('what is read keeps to the pace of the server, in turn with what is sent', async () => {
  const it = scripted('paced');
  for (let number = 0; number < 30; number += 1) it.client.read(`peer${number}`, '1-0');
  for (let number = 0; number < 5; number += 1) it.client.send('bob', number);
  const socket = await welcomed(it, {
    limits: { frameBytes: 65_536, unacked: 256, sendsPerSecond: 20 } });
  await until('the first go', () => socket.sent.length >= 20);
  assert.equal(socket.of('send').length, 5);
  assert.equal(socket.of('read').length, 15);
  await said(socket, 'read', 30);
});

test('a copy behind the failure of its message is told again, and revokes that', async () => {
  const it = scripted('revoked');
  const socket = await welcomed(it);
  const copy = { type: 'sent', peerOffset: '4-0', to: 'bob', id: 'a', at: 4, body: 1 };
  const failed = { type: 'failed', to: 'bob', id: 'a', code: 'mailbox_full', message: '' };
  const frames = [copy, copy, failed, copy, copy, failed, copy];
  frames.forEach((frame, index) => socket.say({ ...frame, offset: `${index + 1}-0` }));
  assert.deepEqual(it.told.sent.map(({ offset }) => offset), ['1-0', '4-0', '7-0']);
  assert.deepEqual(it.told.failed.map(({ offset }) => offset), ['3-0', '6-0']);
});

test('a read that is put off is said again, and one that is refused is told by error', async () => {
  const it = scripted('refused.reader');
  const socket = await welcomed(it);
  it.client.read('bob', '5-0');
  const { id } = await said(socket, 'read');
  const refusal = { type: 'rejected', id, message: 'no', retryable: true };
  socket.say({ ...refusal, code: 'rate_limited', retryAfterMs: 50 });
  assert.equal(socket.of('read').length, 1);
  assert.equal((await said(socket, 'read', 2)).id, id);
  assert.deepEqual(it.told.error, []);
  socket.say({ ...refusal, code: 'invalid_recipient', retryable: false });
  assert.deepEqual(it.told.error, [{ code: 'invalid_recipient', message: 'no' }]);
  // One that a further one has replaced is nobody's business.
  it.client.read('carol', '5-0');
  const replaced = await said(socket, 'read', 3);
  it.client.read('carol', '6-0');
  const { id: last } = await said(socket, 'read', 4);
  socket.say({ ...refusal, id: replaced.id, code: 'rate_limited', retryAfterMs: 1 });
  socket.say({ type: 'position', peer: 'carol', mine: '6-0', stamp: 1, id: last });
  assert.equal(it.told.error.length, 1);
  assert.deepEqual(it.told.rejected, []);
  socket.cut();
  const next = await welcomed(it);
  it.client.send('bob', 1);
  await said(next, 'send');
  assert.deepEqual(next.of('read'), []);
});

test('it asks for what is newer than it was told, and believes welcome from live on', async () => {
  const storage = new TestStorage();
  const it = scripted('stamps', { storage });
  const next = async (stamp, news) => {
    const socket = await welcomed(it, news);
    assert.equal(stampOf(socket), stamp);
    return socket;
  };
  let socket = await next(0, { positions: 50 });
  socket.cut();
  socket = await next(0, { positions: 50 });
  socket.say({ type: 'position', peer: 'bob', delivered: '1-0', stamp: 20 });
  socket.cut();
  socket = await next(20, { positions: 50 });
  socket.say({ type: 'position', peer: 'bob', delivered: '2-0', stamp: 45 });
  socket.say({ type: 'live', offset: '0-0' });
  socket.cut();
  socket = await next(50, { positions: 50 });
  socket.say({ type: 'live', offset: '0-0' });
  socket.say({ type: 'position', peer: 'bob', delivered: '3-0', stamp: 60 });
  // An answer has the stamp that was told last.
  socket.say({ type: 'position', peer: 'bob', mine: '3-0', stamp: 55, id: 'x' });
  socket.cut();
  // What the server had is lost, and begins again below.
  socket = await next(60, { positions: 7 });
  socket.say({ type: 'position', peer: 'bob', delivered: '3-0', stamp: 6 });
  socket.cut();
  await next(6, { positions: 7 });
  it.client.close();
  assert.equal(stampOf(await welcomed(scripted('stamps', { storage }))), 6);
});

test('a position whose handler throws is told again', async () => {
  const error = console.error;
  console.error = () => {};
  try {
    let isBroken = true;
    const it = scripted('broken', {
      on: { position() { if (isBroken) { isBroken = false; throw new Error('a bug'); } } },
    });
    const first = await welcomed(it);
    first.say({ type: 'position', peer: 'bob', delivered: '1-0', stamp: 20 });
    assert.equal(it.client.state.phase, 'waiting');
    assert.equal(stampOf(await welcomed(it)), 0);
  } finally {
    console.error = error;
  }
});

test('what moved while it was away is told after reconnecting', async () => {
  const alice = await online('away.alice');
  const line = TestWebSocket.all.at(-1);
  const bob = await online('away.bob');
  alice.client.send('away.bob', 1, { receipt: true });
  await until('it came', () => bob.told.message.length);
  const [{ offset }] = bob.told.message;
  await until('it is delivered', () => alice.told.position.length);
  alice.client.close();
  bob.client.read('away.alice', offset);
  await until('it is stored', () => bob.told.position.some(({ mine }) => mine));
  const told = alice.told.position.length;
  alice.client.connect();
  await until('it is read', () => alice.told.position.slice(told).some(({ read }) => read));
  assert.ok(compareOffsets(alice.told.position.at(-1).read, offset) === 0);
  assert.ok(stampOf(TestWebSocket.all.at(-1)) > stampOf(line));
});
