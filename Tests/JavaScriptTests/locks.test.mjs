/** Several clients of one user at one time: one has what is stored, and the others say that they have not.
 * Run by EndToEndTests/ClientTests.swift. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync, lstatSync, mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { FileStore } from '../../Sources/ConnectJS/store/file.js';
import { nameOfTab } from '../../Sources/ConnectJS/store/tabname.js';
import { webLock } from '../../Sources/ConnectJS/store/weblock.js';
import { NoWebSocket, TestStorage, chatOf, closeAll, scriptedChat, until } from './support.mjs';

const folder = mkdtempSync(join(tmpdir(), 'connect-locks-'));
after(() => rmSync(folder, { recursive: true }));
afterEach(closeAll);

let count = 0;
/** A folder of its own. */
const place = () => { count += 1; return join(folder, String(count)); };
const offline = (path) => chatOf('alice', { store: new FileStore(path), WebSocket: NoWebSocket });
const bodies = ({ client }) => client.conversation('bob').entries.map(({ body }) => body);

/** A process that has the store of alice in a folder, and has written there. */
async function holderOf(t, path) {
  const of = (name) => JSON.stringify(new URL(name, import.meta.url).href);
  const child = spawn(process.execPath, ['--input-type=module', '--eval', `
    import { FileStore } from ${of('../../Sources/ConnectJS/store/file.js')};
    import { NoWebSocket, chatOf } from ${of('support.mjs')};
    const store = new FileStore(${JSON.stringify(path)});
    const { client, problems } = chatOf('alice', { store, WebSocket: NoWebSocket });
    await client.connect();
    client.conversation('bob').send('of the first');
    const kept = async () => (await store.load()).some(([key]) => key.startsWith('entry/'));
    while (!await kept()) await new Promise((resume) => { setTimeout(resume, 5); });
    console.log('kept', problems.length);
    process.stdin.on('end', () => client.close().then(() => process.exit())).resume();
  `]);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => { text += bytes; });
  const ended = new Promise((resume) => { child.on('close', resume); });
  const kill = () => { child.kill('SIGKILL'); return ended; };
  t.after(kill);
  await until(`it has the store: ${text}`, () => text.includes('kept'));
  assert.equal(text, 'kept 0\n');
  return { pid: child.pid, kill, close: () => { child.stdin.end(); return ended; } };
}

for (const end of ['kill', 'close']) {
  test(`what another process has is left to it, and is there after its ${end}`, async (t) => {
    const path = place();
    const first = await holderOf(t, path);
    const second = await scriptedChat('alice', { store: new FileStore(path) });
    assert.deepEqual(second.problems.map(({ code }) => code), ['storage_unavailable']);
    assert.match(second.problems[0].message, new RegExp(`process ${first.pid} has .*close the client`));
    // In memory it works as ever, as a device of its own.
    assert.match(new URL(second.socket.url).searchParams.get('device'), /^js-/);
    second.client.conversation('bob').send('of the second');
    assert.deepEqual(bodies(second), ['of the second']);
    await second.client.close();
    await first[end]();
    const third = offline(path);
    await third.client.connect();
    assert.deepEqual([bodies(third), third.problems], [['of the first'], []]);
    await third.client.close();
    assert.deepEqual(readdirSync(path).filter((name) => !name.endsWith('.jsonl')), []);
  });
}

test('of two in one process the second waits a moment, and else is told', async () => {
  const path = place();
  const first = offline(path);
  await first.client.connect();
  first.client.conversation('bob').send('one');
  const second = offline(path);
  await second.client.opened;
  assert.deepEqual(second.problems.map(({ code }) => code), ['storage_unavailable']);
  await second.client.close();
  const third = offline(path); // Before the first is gone.
  await first.client.close();
  await third.client.opened;
  assert.deepEqual([bodies(third), third.problems], [['one'], []]);
});

/** Makes a store, and leaves a lock there. @param {(path: string) => void} leave */
async function leftBehind(leave) {
  const path = place();
  const store = new FileStore(path);
  await store.open('alice');
  const lock = join(path, readdirSync(path).find((name) => name.endsWith('.lock')));
  const holder = lstatSync(lock).isSymbolicLink() ? readlinkSync(lock) : '';
  await store.load();
  await store.write([['a', 1]]);
  await store.close();
  assert.ok(!existsSync(lock));
  leave(lock, holder);
  return { path, lock };
}

test('a lock of a process that is gone is taken over, whoever has its number now', async () => {
  const gone = 4_194_305; // Above what Linux gives.
  const before = process.platform === 'linux' ? [`${process.pid}-0-1`, `1-0-1`] : [];
  const takenOver = async (make) => {
    const { path, lock } = await leftBehind(make);
    // Both at once: one of them has it.
    const stores = [new FileStore(path), new FileStore(path)];
    const results = await Promise.allSettled(stores.map((store) => store.open('alice')));
    const [won, ...more] = stores.filter((_, index) => results[index].status === 'fulfilled');
    assert.deepEqual(more, [], lock);
    assert.deepEqual(await won.load(), [['a', 1]]);
    await won.close();
    assert.ok(!existsSync(lock));
    assert.equal(readdirSync(path).length, 1);
  };
  const holders = [`${gone}`, `${gone}-0-1`, 'not a lock', '0', ...before];
  await Promise.all(holders.flatMap((holder) => [
    takenOver((lock) => symlinkSync(holder, lock)), takenOver((lock) => writeFileSync(lock, holder)),
  ]));
});

test('a lock of a process that is there holds, as a link and as a file', async () => {
  const { path: link } = await leftBehind((lock, holder) => symlinkSync(holder || '1', lock));
  const { path: file } = await leftBehind((lock, holder) => writeFileSync(lock, holder || '1'));
  const results = await Promise.allSettled(
    [link, file].map((path) => new FileStore(path).open('alice')));
  for (const { reason } of results) assert.match(String(reason), /process \d+ has .*\.lock/);
});

test('a lock that is a file and names no process yet is left alone for a moment', async () => {
  const begun = await leftBehind((lock) => writeFileSync(lock, ''));
  const opening = new FileStore(begun.path).open('alice');
  // While it waits. Should it not have begun to, that is as well.
  setTimeout(() => writeFileSync(begun.lock, `${process.ppid}`), 300);
  await assert.rejects(opening, new RegExp(`process ${process.ppid} has`));
  const cutOff = await leftBehind((lock) => writeFileSync(lock, ''));
  const store = new FileStore(cutOff.path);
  await store.open('alice');
  assert.deepEqual(await store.load(), [['a', 1]]);
  await store.close();
});

/** As much of a browser's locks as is used: one for each name. */
class TestLocks {
  #held = new Map();
  async request(name, { signal }, had) {
    const before = this.#held.get(name);
    const aborted = new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new DOMException('late', 'AbortError')));
    });
    await Promise.race([before, aborted]);
    const held = had();
    this.#held.set(name, held);
    return held;
  }
}

test('of two tabs the second waits a moment for the first, and else is told', async () => {
  const locks = new TestLocks();
  const first = await webLock('alice', locks);
  await assert.rejects(webLock('alice', locks), /another tab or worker has/);
  await (await webLock('bob', locks))();
  const second = webLock('alice', locks);
  first();
  (await second)();
  (await webLock('alice', undefined))();
});

test('a tab keeps the name of its device, and one that was duplicated gets another', async (t) => {
  t.after(() => { delete globalThis.sessionStorage; });
  const locks = new TestLocks();
  let count = 0;
  const named = async (storage) => {
    globalThis.sessionStorage = storage;
    return nameOfTab('alice', () => `name-${count += 1}`, (it) => typeof it === 'string', locks);
  };
  const [storage, copy] = [new TestStorage(), new TestStorage()];
  const first = await named(storage);
  copy.items = new Map(storage.items);
  const duplicate = await named(copy);
  assert.deepEqual([first.name, duplicate.name], ['name-1', 'name-2']);
  // Each reloads.
  first.leave();
  duplicate.leave();
  assert.equal((await named(storage)).name, 'name-1');
  assert.equal((await named(copy)).name, 'name-2');
  storage.fault = 'forbidden';
  assert.equal((await named(storage)).name, 'name-3');
});
