// The tests of an app: two users, a server that goes away, a user with history, a message that
// fails.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ConnectClient, MemoryStore } from 'connect-client';
import { startConnect, until } from './dev.mjs';

const { WebSocket } = globalThis.WebSocket ? globalThis : await import('ws'); // Node before 22.
const at = {
  port: Number(process.env.PORT ?? 8080), data: mkdtempSync(join(tmpdir(), 'connect-')),
};
let server = await startConnect(at);
const clients = [];
after(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await server.stop();
  rmSync(at.data, { recursive: true });
});

/** A client of a user, connected or not. */
function clientOf(user, store = new MemoryStore()) {
  const client = new ConnectClient({
    url: server.url, user, store, token: () => server.token(user), WebSocket,
  });
  clients.push(client);
  client.connect();
  return client;
}
const isLive = (client) => client.state.phase === 'online' && client.state.live;

test('a message is delivered and read', async () => {
  const [alice, bob] = [clientOf('alice'), clientOf('bob')];
  const [here, there] = [alice.conversation('bob'), bob.conversation('alice')];
  const { id } = here.send({ text: 'Hi' });
  await until(there, ({ entries }) => entries.length === 1);
  there.markRead(); // What is held: the list may count a message before it comes.
  await until(here, ({ entries }) => entries.find((entry) => entry.id === id).state === 'read');
});

test('what is written while the server is away waits, and is sent when it is back', async () => {
  const carol = clientOf('carol');
  await until(carol, isLive);
  await server.stop();
  await until(carol, ({ state }) => state.phase === 'waiting');
  const { entry, accepted } = carol.conversation('dave').send({ text: 'Later' });
  assert.equal(entry.state, 'waiting');
  server = await startConnect(at); // With the same data.
  carol.connect(); // Now, instead of after the back-off.
  assert.equal((await accepted).state, 'accepted');
});

test('a new device of a user has the list and what was written', async () => {
  const writer = clientOf('erin');
  for (const number of [1, 2, 3]) await writer.conversation('frank').send({ number }).accepted;
  const frank = clientOf('frank');
  await until(frank.conversations, ({ items, unread }) => items.length === 1 && unread === 3);
  const conversation = frank.conversation('erin');
  await until(conversation, ({ entries }) => entries.length === 3); // They may come after the list.
  assert.deepEqual(conversation.entries.map(({ body }) => body.number), [1, 2, 3]);
});

test('what is stored is there without a server', async () => {
  const store = new MemoryStore();
  const first = clientOf('grace', store);
  await first.conversation('heidi').send({ text: 'Hi' }).accepted;
  await first.close();
  const offline = new ConnectClient({
    url: server.url, user: 'grace', store, token: () => { throw new Error('offline'); }, WebSocket,
  });
  clients.push(offline);
  await offline.opened; // And never connected.
  assert.equal(offline.conversation('heidi').entries[0].body.text, 'Hi');
});

test('a message that cannot be stored fails, and can be discarded', async () => {
  await server.stop();
  server = await startConnect({ ...at, options: ['--mailbox-limit', '2'] });
  // Judy never comes to fetch them.
  for (const user of ['kim', 'leo']) {
    await clientOf(user).conversation('judy').send({ text: 'Hi' }).accepted;
  }
  const conversation = clientOf('ivan').conversation('judy');
  const { id } = conversation.send({ text: 'Hi' });
  const find = () => conversation.entries.find((entry) => entry.id === id);
  await until(conversation, () => find().state === 'failed');
  assert.equal(find().failure.code, 'mailbox_full');
  conversation.discard(id);
  assert.equal(find(), undefined);
});
