/** The service worker of the demo page, with servers of several versions at one address. Run by infra/test,
 * in Chromium. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support.mjs';
import { browserOf, temporaryFolder } from './chromium.mjs';

const folder = temporaryFolder();
const worker = readFileSync(
  new URL('../../../Sources/Gateway/DemoPage/Page/worker.js', import.meta.url), 'utf8');

const page = (version) => `<!doctype html><html data-page="${version}"><body>
  <script type="module" src="/part.js"></script><script>
    globalThis.registered = navigator.serviceWorker.register('/worker.js', { updateViaCache: 'none' });
  </script>`;
const part = (version) => `document.documentElement.dataset.part = '${version}';`;

/** A page of two files. `versionOf` says of each path which version of it is served; null for a server
 * that has no such page, and undefined for one that cannot be reached. */
async function siteOf(t, versionOf) {
  const site = { versionOf, workers: 0 };
  const server = createServer(({ url }, response) => {
    const version = site.versionOf(url);
    if (version === undefined) return void response.writeHead(503).end();
    if (version === null) {
      const isPage = url === '/';
      return void response.writeHead(isPage ? 200 : 404, { 'Content-Type': 'text/html' })
        .end('<!doctype html><html data-page="another">');
    }
    const files = {
      '/': ['text/html', page(version)],
      '/part.js': ['text/javascript', part(version)],
      '/worker.js': ['text/javascript',
        `const FILES = ['/', '/part.js'];\nconst VERSION = '${version}';\n${worker}`],
    };
    const [type, text] = files[url] ?? ['text/plain', ''];
    if (url === '/worker.js') site.workers += 1;
    response.writeHead(
      files[url] ? 200 : 404, { 'Content-Type': type, 'connect-page': version }).end(text);
  });
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  t.after(() => { server.closeAllConnections(); server.close(); });
  site.url = `http://localhost:${server.address().port}/`;
  return site;
}

const shown = (which, version) => `document.documentElement.dataset.${which} === '${version}'`;
const isInstalled = 'navigator.serviceWorker.ready.then(() => true)';
/** What the caches hold: their names, and which version of each file. */
const kept = `(async () => {
  const names = (await caches.keys()).sort();
  const files = await Promise.all(names.map(async (name) => {
    const all = await (await caches.open(name)).matchAll();
    const texts = await Promise.all(all.map((response) => response.text()));
    return texts.map((text) => /(?:page="|part = ')(\\w+)/.exec(text)[1]);
  }));
  return JSON.stringify(names.map((name, index) => [name, ...files[index]]));
})()`;

async function opened(t, name, site) {
  const browser = await browserOf(join(folder, name));
  t.after(() => browser.close());
  return browser.open(site.url);
}

test('a worker is installed when all that it is given is of its version', async (t) => {
  // As behind one address while one gateway after the other is replaced.
  const site = await siteOf(t, (path) => (path === '/part.js' ? 'old' : 'new'));
  const view = await opened(t, 'mixed', site);
  await view.shows('it is installed in vain', `registered.then(({ installing }) => new Promise((done) => {
    if (!installing || installing.state === 'redundant') done(true);
    else installing.onstatechange = () => done(installing.state === 'redundant');
  }))`);
  assert.equal(await view.evaluate(kept), '[]');
  site.versionOf = () => 'new';
  await view.reload();
  await view.shows('it is installed', isInstalled);
  assert.equal(await view.evaluate(kept), '[["connect new","new","new"]]');
  site.versionOf = () => undefined;
  await view.reload();
  await view.shows('all is of the cache', `${shown('page', 'new')} && ${shown('part', 'new')}`);
});

test('a page of a newer version is given nothing of an older one', async (t) => {
  const site = await siteOf(t, () => 'old');
  const view = await opened(t, 'newer', site);
  await view.shows('it is installed', isInstalled);
  const { workers } = site;
  // The gateway goes away when it has given the page; the worker of its version never comes.
  site.versionOf = (path) => (path === '/' ? 'new' : undefined);
  await view.reload();
  await view.shows('the new page is there', `${shown('page', 'new')} && document.readyState === 'complete'`);
  assert.equal(await view.evaluate('document.documentElement.dataset.part'), undefined);
  assert.equal(site.workers, workers);
  // What is cached is whole still.
  site.versionOf = () => undefined;
  await view.reload();
  await view.shows('all is of the cache', `${shown('page', 'old')} && ${shown('part', 'old')}`);
});

test('a worker leaves where something else has its address', async (t) => {
  const site = await siteOf(t, () => 'old');
  const view = await opened(t, 'another', site);
  await view.shows('it is installed', isInstalled);
  site.versionOf = () => null;
  await view.reload();
  await view.shows('the other page is there', shown('page', 'another'));
  await view.shows('the worker has left',
    'navigator.serviceWorker.getRegistration().then((it) => !it)');
  assert.equal(await view.evaluate(kept), '[]');
  site.versionOf = () => 'old';
  await view.reload();
  await view.shows('it is back', isInstalled);
  await until('with what it had', async () => (
    await view.evaluate(kept) === '[["connect old","old","old"]]'));
});
