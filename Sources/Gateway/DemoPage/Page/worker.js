/** The service worker of the page: where the gateway cannot be reached, what the page is made of comes
 * from a cache, so that a reload shows its conversations. Else all of it comes from the gateway.
 *
 * The gateway puts two lines in front of this: FILES, the paths of the page and its modules, and VERSION,
 * a hash of what is there. So another version of the page is another worker, with a cache of its own, and
 * no cache has files of two versions. */
const ANSWER_MS = 5_000; // Without an answer so long, the gateway counts as out of reach.
const UNREACHABLE = [502, 503, 504]; // As a proxy says of it.
const cacheName = `connect ${VERSION}`;

/** The pages that came from the cache, whose files come from there as well: without a wait for each, and
 * without those of another version, should the gateway come back in between. */
const offlinePages = new Set();

/** @param {FetchEvent} event @param {string} path @returns {Promise<Response>} */
async function answer({ request, clientId, resultingClientId }, path) {
  // A reload names the page that was there before.
  const isOffline = request.mode !== 'navigate' && offlinePages.has(clientId);
  const response = isOffline ? null : await reached(request);
  if (response) return response;
  const kept = await cached(path);
  if (kept && resultingClientId) offlinePages.add(resultingClientId);
  return kept ?? Response.error();
}

/** @param {Request} request @returns {Promise<Response | null>} null where the gateway is out of reach */
async function reached(request) {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), ANSWER_MS);
  try {
    const response = await fetch(request, { cache: 'no-cache', signal: late.signal });
    return UNREACHABLE.includes(response.status) ? null : response;
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}

/** @param {string} path */
async function cached(path) {
  return (await caches.open(cacheName)).match(path);
}

async function fill() {
  const cache = await caches.open(cacheName);
  await cache.addAll(FILES.map((path) => new Request(path, { cache: 'no-cache' })));
  await self.skipWaiting();
}

async function clear() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith('connect ') && name !== cacheName);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
}

self.addEventListener('install', (event) => event.waitUntil(fill()));
self.addEventListener('activate', (event) => event.waitUntil(clear()));
self.addEventListener('fetch', (event) => {
  const { method, url } = event.request;
  const { origin, pathname } = new URL(url);
  // What is cached goes by the path alone: a link has a token. All else is left to the browser.
  if (method !== 'GET' || origin !== location.origin || !FILES.includes(pathname)) return;
  event.respondWith(answer(event, pathname));
});
