/** Conversations against real gateways, and the app of the README. Run by
 * EndToEndTests/ClientTests.swift. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FileStore } from '../../Sources/ConnectJS/store/file.js';
import {
  MemoryStore, TestWebSocket, chatOf, closeAll, tokenOf, until, url,
} from './support.mjs';

const other = process.env.CONNECT_TEST_URL_2 ?? url; // Another gateway.
const folder = mkdtempSync(join(tmpdir(), 'connect-gateways-'));
after(() => rmSync(folder, { recursive: true }));
afterEach(closeAll);

const run = Math.random().toString(36).slice(2);
/** A user of this run alone. */
const of = (user) => `${user}.${run}`;

const isLive = (client) => client.state.phase === 'online' && client.state.live;
/** @returns {Promise<object>} the client, live */
async function chat(user, options) {
  const { client, problems } = chatOf(user, { WebSocket: TestWebSocket, ...options });
  client.connect();
  await until(`${user} is live`, () => isLive(client));
  assert.deepEqual(problems, []);
  return client;
}
/** The connection of a user. */
const lineOf = (user) => TestWebSocket.all.findLast((socket) => (
  socket.readyState === 1 && socket.user === user));
const bodies = (conversation) => conversation.entries.map(({ body }) => body);

test('two users on two gateways chat, and a second device has the same in the same order', async () => {
  const alice = await chat(of('js.alice'), { device: 'phone' });
  const laptop = await chat(of('js.alice'), { device: 'laptop', url: other });
  const bob = await chat(of('js.bob'), { url: other });
  const [here, there, his] = [
    alice.conversation(of('js.bob')), laptop.conversation(of('js.bob')),
    bob.conversation(of('js.alice'))];
  for (let number = 0; number < 20; number += 1) {
    here.send(number);
    his.send(100 + number);
  }
  const all = [here, there, his];
  await until('all came', () => all.every(({ entries }) => entries.length === 40));
  await until('all is delivered', () => all.every(({ entries }) => entries.every(
    ({ isMine, state }) => !isMine || state === 'delivered')));
  assert.deepEqual(bodies(here), bodies(there));
  const own = (body) => body < 100;
  for (const conversation of all) {
    assert.deepEqual(bodies(conversation).filter(own), Array.from({ length: 20 }, (_, n) => n));
  }
  assert.deepEqual([here.unread, there.unread, his.unread], [20, 20, 20]);
  his.markRead();
  there.markRead();
  await until('both devices know what is read', () => here.unread === 0 && there.unread === 0
    && here.entries.every(({ state }) => state === 'read'));
  assert.equal(bob.conversations.unread, 0);
});

test('typing and presence are seen by who observes', async () => {
  const alice = await chat(of('seen.alice'));
  const bob = await chat(of('seen.bob'));
  const conversation = alice.conversation(of('seen.bob'));
  conversation.on('change', () => {});
  await until('bob is online', () => conversation.peer.isOnline);
  bob.conversation(of('seen.alice')).typing();
  await until('bob types', () => conversation.peer.isTyping);
  bob.conversation(of('seen.alice')).send('done');
  await until('he has stopped', () => !conversation.peer.isTyping && conversation.unread === 1);
});

test('a new device has the list, and loads what is earlier', async () => {
  const alice = await chat(of('new.alice'));
  const conversation = alice.conversation(of('new.bob'));
  for (let number = 0; number < 30; number += 1) conversation.send(number);
  await until('all is accepted', () => (
    conversation.entries.every(({ state }) => state !== 'waiting')));
  // Its cursor is at the end, and what it had is gone, as after the loss of its store.
  const store = new MemoryStore();
  const first = await chat(of('new.bob'), { device: 'web', store });
  await until('all came', () => first.conversation(of('new.alice')).entries.length === 30);
  await until('all is acknowledged', () => (
    TestWebSocket.all.at(-1).sent.some((text) => text.includes('"ack"'))));
  await first.close();
  await until('it is delivered', () => (
    conversation.entries.every(({ state }) => state === 'delivered')));
  // Its cursor may be stored later than that is told: until then the device gets all again.
  const bob = await until('its cursor is at the end', async () => {
    const again = await chat(of('new.bob'), { device: 'web' });
    if (!again.conversation(of('new.alice')).entries.length) return again;
    await again.close();
    return null;
  });
  await until('the list came', () => bob.conversations.unread === 30);
  const his = bob.conversation(of('new.alice'));
  assert.deepEqual([bodies(his), his.last.body, his.hasEarlier], [[], 29, true]);
  while (his.hasEarlier) await his.loadEarlier(10);
  assert.deepEqual(bodies(his), Array.from({ length: 30 }, (_, number) => number));
  assert.equal(his.unread, 30);
});

test('what was sent before a line was lost is accepted once, and goes on in its order', async () => {
  const alice = await chat(of('cut.alice'), { store: new FileStore(join(folder, 'cut')) });
  const bob = await chat(of('cut.bob'), { url: other });
  const conversation = alice.conversation(of('cut.bob'));
  const sent = [];
  for (let number = 0; number < 30; number += 1) {
    sent.push(conversation.send(number));
    if (number % 10 === 5) {
      lineOf(of('cut.alice')).cut();
      alice.connect();
    }
    if (number % 7 === 0) await until('it goes on', () => isLive(alice));
  }
  await Promise.all(sent.map(({ accepted }) => accepted));
  const his = bob.conversation(of('cut.alice'));
  await until('all came', () => his.entries.length >= 30);
  assert.deepEqual(bodies(his), Array.from({ length: 30 }, (_, number) => number));
});

/** The app of the README, in a process of its own. */
function appOf(t, user, place) {
  const path = (name) => fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(
    process.execPath, ['--import', path('Example/resolve.mjs'), path('Example/app.mjs'), user, place],
    { env: { ...process.env, CHAT_TOKEN: tokenOf(user), CHAT_FOLDER: join(folder, user) } });
  const app = { text: '', type: (line) => child.stdin.write(`${line}\n`), exit: null };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes) => { app.text += bytes; });
  }
  const ended = new Promise((resume) => { child.on('close', resume); });
  app.kill = () => { child.kill('SIGKILL'); return ended; };
  t.after(app.kill);
  app.end = () => { child.stdin.end(); return ended; };
  /** Waits for it to have written that: @param {string | RegExp} text */
  app.shows = async (what, text) => {
    await until(what, () => (text instanceof RegExp ? text.test(app.text) : app.text.includes(text)))
      .catch((error) => { throw new Error(`${error.message}, but:\n${app.text}`); });
  };
  return app;
}

test('the app of the README shows a list and a conversation, and survives a kill', async (t) => {
  const readme = readFileSync(new URL('../../Sources/ConnectJS/README.md', import.meta.url), 'utf8');
  const source = readFileSync(new URL('Example/app.mjs', import.meta.url), 'utf8');
  assert.ok(readme.includes(source), 'the README shows the app as it is');
  assert.ok(source.trim().split('\n').length <= 60, 'it has 60 lines at most');
  const bob = await chat(of('app.bob'));
  const first = appOf(t, of('app.alice'), url);
  await first.shows('it is online', '-- online');
  bob.conversation(of('app.alice')).send({ text: 'are you there?' });
  await first.shows('it shows the list', `${of('app.bob')} (1) are you there?`);
  first.type(`/open ${of('app.bob')}`);
  first.type('yes');
  await first.shows('it shows the conversation', 'me: yes ✓✓');
  const his = bob.conversation(of('app.alice'));
  await until('bob has it', () => his.entries.at(-1).body.text === 'yes');
  await until('alice has read', () => his.entries[0].state === 'read');
  await first.kill();

  const offline = appOf(t, of('app.alice'), 'ws://127.0.0.1:9/v1/connect');
  await offline.shows('it has nothing of another server', '-- chats --');
  assert.doesNotMatch(offline.text, /app\.bob/);
  await offline.kill();
  const again = appOf(t, of('app.alice'), url);
  await again.shows('it shows the list at once', /-- chats --\n.*app\.bob\.\w+ \(0\) yes/);
  again.type(`/open ${of('app.bob')}`);
  again.type('and still here');
  await again.shows('it shows all', /are you there\?\nme: yes [^\n]*\nme: and still here ✓/);
  assert.equal(await again.end(), 0);
});
