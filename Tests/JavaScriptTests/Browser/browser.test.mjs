/** The client in a real browser. CONNECT_TEST_BROWSER names it; by default `chromium`.
 * Run by `infra/test --all`. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { started, temporaryFolder } from './chromium.mjs';

const profile = temporaryFolder();

const TYPES = { html: 'text/html', js: 'text/javascript', mjs: 'text/javascript' };

/** Serves the package and the page, and hands over what that says. */
async function served(t) {
  let say;
  const server = createServer((request, response) => {
    if (request.url === '/said') {
      let text = '';
      request.on('data', (bytes) => { text += bytes; });
      request.on('end', () => { response.end(); say(text); });
      return;
    }
    const path = request.url.startsWith('/connect/')
      ? `../../../Sources/ConnectJS/${request.url.slice('/connect/'.length)}` : `.${request.url}`;
    try {
      const bytes = readFileSync(new URL(path, import.meta.url));
      response.setHeader('Content-Type', TYPES[path.split('.').at(-1)]);
      response.end(bytes);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  });
  await new Promise((resume) => { server.listen(0, '127.0.0.1', resume); });
  t.after(() => { server.closeAllConnections(); server.close(); });
  return {
    url: `http://127.0.0.1:${server.address().port}/stores.html`,
    next: () => new Promise((resolve) => { say = resolve; }),
  };
}

/** Opens the page, and waits for what it says. */
async function opened(page) {
  const said = page.next();
  const child = started(profile, page.url);
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const tooLate = new Promise((_, reject) => {
    setTimeout(() => reject(new Error('the page said nothing within 60 s')), 60_000).unref();
  });
  try {
    return await Promise.race([said, tooLate, ended.then((code) => {
      throw new Error(`the browser ended with ${code}`);
    })]);
  } finally {
    child.kill('SIGTERM');
    await ended.catch(() => {});
  }
}

test('a browser keeps what is not sent, across reloads and its own end', async (t) => {
  const page = await served(t);
  for (const entries of [1, 2]) {
    const text = await opened(page);
    assert.doesNotMatch(text, /WRONG/, text);
    assert.match(text, new RegExp(`entries ${entries}$`), text);
  }
});
