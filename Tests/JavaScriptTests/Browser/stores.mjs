/** The store of browsers, in a browser: what it said is read from the document by browser.test.mjs. */
import { ConnectClient, IndexedDBStore } from '/connect/index.js';

const said = [];
const check = (what, isTrue) => said.push(`${isTrue ? 'ok' : 'WRONG'}: ${what}`);
const same = (what, a, b) => (
  check(`${what}: ${JSON.stringify(a)}`, JSON.stringify(a) === JSON.stringify(b)));
const sorted = (values) => [...values].sort(([a], [b]) => (a < b ? -1 : 1));

/** Never gets a connection. */
class NoWebSocket {
  constructor() { setTimeout(() => this.onclose({ code: 1006, reason: '' })); }
  close() {}
}

async function contract() {
  const open = async (owner) => {
    const store = new IndexedDBStore({ name: 'contract' });
    await store.open(owner);
    return store;
  };
  const [alice, bob] = [await open('alice'), await open('alice bob')];
  await alice.clear();
  await alice.write([['a/b', { deep: [1, null, 'ä😀'] }], ['c', 0]]);
  await alice.write([['c', undefined], ['d', '']]);
  await bob.write([['a/b', 'of bob']]);
  same('it keeps', sorted(await alice.load()), [['a/b', { deep: [1, null, 'ä😀'] }], ['d', '']]);
  await bob.clear();
  same('an owner is apart', [(await alice.load()).length, await bob.load()], [2, []]);
  // What cannot be stored fails whole.
  await alice.write([['x', 1], ['y', () => 1]]).then(
    () => check('a bad write fails', false), () => check('a bad write fails', true));
  same('and leaves nothing', (await alice.load()).length, 2);
  // Another that opens what is open is told.
  const late = new IndexedDBStore({ name: 'contract' });
  await late.open('alice').then(
    () => check('what is open cannot be opened', false),
    ({ message }) => check(`it is told: ${message}`, /another tab/.test(message)));
  // Another tab removes it.
  await new Promise((resolve) => { indexedDB.deleteDatabase('contract').onsuccess = resolve; });
  await bob.write([['z', 1]]);
  same('it opens again', [await alice.load(), await bob.load()], [[], [['z', 1]]]);
  await bob.close();
  await alice.close();
  await alice.write([['x', 1]]).then(
    () => check('it is closed', false), () => check('it is closed', true));
}

async function client(user) {
  const it = new ConnectClient({
    url: 'ws://127.0.0.1:9/v1/connect', user, token: () => '', WebSocket: NoWebSocket,
    store: new IndexedDBStore(),
  });
  it.on('error', ({ code, message }) => check(`no problem: ${code} ${message}`, false));
  await it.opened;
  return it;
}

async function conversations() {
  const first = await client('alice');
  const { length } = first.conversation('bob').entries;
  first.conversation('bob').send({ text: `message ${length}` });
  await first.close();
  const again = await client('alice');
  same('what waits is there', again.conversation('bob').entries.length, length + 1);
  const { entries } = again.conversation('bob');
  check(`it waits: ${entries.at(-1).state}`, entries.every(({ state }) => state === 'waiting'));
  const carol = await client('carol');
  same('another user has nothing', carol.conversations.items, []);
  await Promise.all([again.close(), carol.close()]);
  said.push(`entries ${length + 1}`);
}

try {
  await contract();
  await conversations();
} catch (error) {
  said.push(`WRONG: ${error.stack}`);
}
document.body.textContent = said.join('\n');
document.title = 'done';
await fetch('/said', { method: 'POST', body: said.join('\n') });
