/** The demo page in a real browser, at two real gateways that are killed meanwhile.
 * CONNECT_TEST_PROGRAM names `connect`; by default that of a debug build. Run by `infra/test --all`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, until } from '../support.mjs';
import { browserOf, temporaryFolder } from './chromium.mjs';

const program = process.env.CONNECT_TEST_PROGRAM
  ?? fileURLToPath(new URL('../../../.build/debug/connect', import.meta.url));
const folder = temporaryFolder();

/** How often a page is loaded until it has the store. */
const loads = 5;

/** `connect dev`, with what is stored kept over a restart. @param {string} place in the folder
 * @param {number} [given] the port that it had before; else any two */
async function connectDev(place, given) {
  const port = given ?? await freePort(2);
  const child = spawn(
    program, ['dev', '--port', String(port), '--data', join(folder, place, 'data')],
    { env: { ...process.env, HOME: folder, XDG_STATE_HOME: join(folder, 'state') } });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => { text += bytes; });
  let hasEnded = false;
  const ended = new Promise((resume) => { child.on('close', resume); })
    .then(() => { hasEnded = true; });
  const links = await until('connect dev runs', () => {
    if (hasEnded) return 'none';
    const found = Object.fromEntries([...text.matchAll(/^ +(\w+) +(http:\S+#\S+)$/gm)]
      .map(([, user, link]) => [user, link]));
    return found.alice && found.bob && found;
  }).catch((error) => { throw new Error(`${error.message}: ${text}`); });
  if (hasEnded) {
    // Something else was faster.
    if (!given && text.includes('Address already in use')) return connectDev(place);
    throw new Error(`connect dev has ended: ${text}`);
  }
  return {
    links,
    port,
    end: () => { child.kill('SIGINT'); return ended; },
    /** It answers nothing until it goes on. */
    pause: () => child.kill('SIGSTOP'),
    goOn: () => child.kill('SIGCONT'),
  };
}

const write = (text) => `(() => {
  const field = document.getElementById('text');
  field.value = ${JSON.stringify(text)};
  field.dispatchEvent(new Event('input'));
  document.getElementById('composer').requestSubmit(document.getElementById('send'));
})()`;
const texts = `[...document.querySelectorAll('#messages .text')].map((it) => it.textContent)`;
const stages = `[...document.querySelectorAll('#messages li')].map((it) => it.dataset.stage)`;
const isOnline = `document.querySelector('#connection small').textContent === 'Online'`;
const has = (...all) => `JSON.stringify(${texts}) === ${JSON.stringify(JSON.stringify(all))}`;

const isOpen = `document.getElementById('peer-name').textContent !== ''`;
const isUnkept = `!document.getElementById('unkept').hidden`;

/** Waits until a page has the store, which it gives up where a browser that is slow does not let it have
 * that in time; then it is loaded again. */
async function kept(page) {
  for (let count = 1; ; count += 1) {
    await page.shows('it is open', isOpen);
    if (!await page.evaluate(isUnkept)) return;
    assert.ok(count < loads, `it does not have the store after ${count} loads`);
    await page.reload();
  }
}

/** What a page has in its database, once all that it writes is written. @param {string} expression of
 * the `store` */
const stored = (expression) => `new Promise((resolve) => {
  const opening = indexedDB.open('connect');
  opening.onsuccess = () => {
    const store = opening.result.transaction('values').objectStore('values');
    const reading = ${expression};
    reading.onsuccess = () => { opening.result.close(); resolve(reading.result); };
  };
})`;
const hasStored = (text) => `${stored('store.getAll()')}
  .then((values) => JSON.stringify(values).includes(${JSON.stringify(JSON.stringify(text))}))`;

test('two users chat over a restart of all gateways, a reload, and another user', async (t) => {
  let dev = await connectDev('chat');
  t.after(() => dev.end());
  // One for each page: those that are in the background draw nothing.
  const browsers = await Promise.all(
    ['alice', 'bob', 'second'].map((name) => browserOf(join(folder, name))));
  t.after(() => Promise.all(browsers.map((browser) => browser.close())));
  const [alice, bob] = await Promise.all(
    ['alice', 'bob'].map((user, index) => browsers[index].open(dev.links[user])));
  for (const page of [alice, bob]) {
    await kept(page);
    await page.shows('it is online', isOnline);
  }
  await alice.evaluate(write('one'));
  await bob.shows('one came', has('one'));
  await bob.evaluate(write('two'));
  await alice.shows('two came', has('one', 'two'));
  await alice.shows('one is read', `${stages}[0] === 'read'`);
  if (process.env.CONNECT_TEST_SCREENSHOTS) {
    writeFileSync(join(process.env.CONNECT_TEST_SCREENSHOTS, 'alice.png'), await alice.screenshot());
  }

  const second = await browsers[2].open(`${dev.links.alice}&device=second`);
  await second.shows('her other device has both', has('one', 'two'));

  await dev.end();
  await alice.shows('it is offline', `!(${isOnline})`);
  await alice.evaluate(write('three, offline'));
  await alice.shows('three waits', `${stages}.join() === 'read,,waiting'`);
  dev = await connectDev('chat', dev.port);
  for (const page of [alice, bob]) await page.shows('it is online again', isOnline);
  await bob.shows('three came', has('one', 'two', 'three, offline'));
  await second.shows('and so has her other device', has('one', 'two', 'three, offline'));
  await alice.shows('it is there', `${stages}[2] !== 'waiting'`);

  // A reload asks for nothing that is held.
  await alice.reload();
  await kept(alice);
  await alice.shows('all is there', has('one', 'two', 'three, offline'));
  await alice.shows('it is online', isOnline);

  // Where nothing more can be stored, all goes on; a reload brings again what was not kept.
  await alice.evaluate(`IDBObjectStore.prototype.put = () => {
    throw new DOMException('the disk is full', 'QuotaExceededError');
  };
  console.warn = (...all) => { globalThis.warned = all.join(' '); };`);
  await alice.evaluate(write('four, of a full disk'));
  const all = ['one', 'two', 'three, offline', 'four, of a full disk'];
  await bob.shows('four came', has(...all));
  await bob.evaluate(write('five'));
  all.push('five');
  for (const page of [alice, bob, second]) await page.shows('all came', has(...all));
  await alice.shows('it says so', `globalThis.warned?.includes('storage_full')`);
  await alice.reload();
  await kept(alice);
  await alice.shows('all is there again', has(...all));

  // Bob signs in where alice was, and has nothing of hers; she has what was hers.
  const other = await browsers[0].open(dev.links.bob.replace(String(dev.port + 1), String(dev.port)));
  await kept(other);
  await other.shows('it is online', isOnline);
  await other.shows('his messages are there', has(...all));
  await other.shows('they are as on his device', `${stages}[0] === '' && ${stages}[1] !== ''`);
  assert.equal(await other.evaluate(`document.getElementById('user').textContent`), 'bob');

  // At the end nothing is left of who signs out.
  await other.evaluate(`document.getElementById('sign-out').click()`);
  await other.shows('it is signed out', `!document.getElementById('sign-in').hidden`);
  const left = `${stored('store.getAllKeys()')}
    .then((keys) => [...new Set(keys.map(([owner]) => owner.split(' ')[1]))])`;
  assert.deepEqual(await other.evaluate(left), ['alice']);
});

/** The page of each user, with a store and online, in a browser of its own.
 * @returns {Promise<object>} the browsers and the pages */
async function pagesOf(t, place, links, users) {
  const browsers = await Promise.all(users.map((user) => browserOf(join(folder, place, user))));
  t.after(() => Promise.all(browsers.map((browser) => browser.close())));
  const pages = await Promise.all(users.map((user, index) => browsers[index].open(links[user])));
  for (const page of pages) {
    await kept(page);
    await page.shows('it is online', isOnline);
  }
  return { browsers, pages };
}

test('a page that is reloaded offline shows what it has, and sends what is written', async (t) => {
  let dev = await connectDev('reloaded');
  t.after(() => dev.end());
  const { pages: [alice, bob] } = await pagesOf(t, 'reloaded', dev.links, ['alice', 'bob']);
  await alice.evaluate(write('one'));
  await bob.shows('one came', has('one'));
  await bob.evaluate(write('two'));
  await alice.shows('two came', has('one', 'two'));
  await alice.shows('the page is kept', 'navigator.serviceWorker.ready.then(() => true)');
  await dev.end();
  await alice.shows('it is offline', `!(${isOnline})`);
  await alice.shows('two is stored', hasStored('two'));
  for (const written of ['three', 'four']) {
    await alice.reload();
    await kept(alice);
    const all = ['one', 'two', ...(written === 'four' ? ['three'] : [])];
    await alice.shows('all is there', has(...all));
    await alice.evaluate(write(written));
    await alice.shows('it waits', `${stages}.at(-1) === 'waiting'`);
    await alice.shows('it is stored', hasStored(written));
  }
  dev = await connectDev('reloaded', dev.port);
  for (const page of [alice, bob]) await page.shows('all came', has('one', 'two', 'three', 'four'));
  await alice.shows('it is there', `!${stages}.includes('waiting')`);

  // One that does not answer is waited for once, and not for each file.
  dev.pause();
  const pausedAt = Date.now();
  await alice.reload();
  await alice.shows('it is open', isOpen);
  assert.ok(Date.now() - pausedAt < 60_000, `after ${Date.now() - pausedAt} ms`);
  await kept(alice);
  await alice.shows('all is there', has('one', 'two', 'three', 'four'));
  dev.goOn();
  await alice.shows('it is online', isOnline);

  // Where the gateway can be reached, nothing comes from the cache; and there is no link in it.
  const cached = await alice.evaluate(`(async () => {
    const [name, ...more] = await caches.keys();
    const cache = await caches.open(name);
    const paths = (await cache.keys()).map(({ url }) => url);
    const headers = { 'Content-Type': 'text/html' };
    await cache.put('/', new Response('<p id="old">old</p>', { headers }));
    return { more, paths };
  })()`);
  assert.deepEqual(cached.more, []);
  assert.ok(cached.paths.some((path) => path.endsWith('/connect/index.js')), String(cached.paths));
  assert.doesNotMatch(String(cached.paths), /[#?]|token/);
  await alice.reload();
  await alice.shows('it is online', isOnline);
  await dev.end();
  await alice.shows('it is offline', `!(${isOnline})`);
  await alice.reload();
  await alice.shows('this is the cache', `document.getElementById('old') !== null`);
});

test('two tabs of one user show each message once, and one of them has the store', async (t) => {
  const dev = await connectDev('tabs');
  t.after(() => dev.end());
  const { browsers, pages: [first, bob] } = await pagesOf(t, 'tabs', dev.links, ['alice', 'bob']);
  const all = [];
  const says = async (page, text, others) => {
    await page.bringToFront();
    await page.evaluate(write(text));
    all.push(text);
    for (const other of [page, ...others]) {
      await other.bringToFront();
      await other.shows(`${text} came`, has(...all));
    }
  };
  await says(first, 'one', [bob]);
  const second = await browsers[0].open(dev.links.alice);
  await second.shows('it is online', isOnline);
  await second.shows('it says that it stores nothing', isUnkept);
  await second.shows('what was before is there', has(...all));
  await says(second, 'two', [first, bob]);
  await says(bob, 'three', [first, second]);
  await says(first, 'four', [second, bob]);
  for (const page of [first, second]) await page.shows('it is online', isOnline);
  await first.shows('it has the store', `!(${isUnkept})`);

  const device = `document.getElementById('own-device').textContent`;
  const [before, other] = [await first.evaluate(device), await second.evaluate(device)];
  assert.notEqual(other, before);
  await second.reload();
  await second.shows('all is there again', has(...all));
  await second.shows('it stores nothing still', isUnkept);
  await second.shows('it is the same device', `${device} === ${JSON.stringify(other)}`);
  // A tab that is duplicated has the session of the other, and is a device of its own.
  const third = await second.duplicate();
  await third.shows('it is online', isOnline);
  await third.shows('all is there', has(...all));
  assert.ok(![before, other].includes(await third.evaluate(device)));
  await says(third, 'by the third', [first, second]);
  await third.close();
  await second.close();
  await first.bringToFront();
  await first.reload();
  await kept(first);
  await first.shows('all is there', has(...all));
  await says(first, 'five', [bob]);
  await first.shows('it has the store', `!(${isUnkept})`);
  // When it is gone, the next one has what it had, and is the same device.
  await first.close();
  const next = await browsers[0].open(dev.links.alice);
  await kept(next);
  await next.shows('all is there', has(...all));
  await next.shows('it is the same device', `${device} === ${JSON.stringify(before)}`);
  await next.shows('it has the store', `!(${isUnkept})`);

  // Without a connection each says what becomes of what is written there.
  const beside = await browsers[0].open(dev.links.alice);
  await beside.shows('it stores nothing', isUnkept);
  await beside.shows('it is online', isOnline);
  await dev.end();
  const banner = `document.getElementById('banner').textContent`;
  await next.shows('all is kept', `${banner}.includes('kept and sent later')`);
  await beside.shows('nothing is', `${banner}.includes('sent later, while this tab stays open')`);
});
