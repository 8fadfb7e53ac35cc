/** The service worker of the page: where the gateway cannot be reached, what the page is made of comes
 * from a cache, so that a reload shows its conversations. Else all of it comes from the gateway.
 *
 * The gateway puts two lines in front of this: FILES, the paths of the page and its modules, and VERSION,
 * a hash of what is there, which each of these files names in a header. So another version of the page is
 * another worker, with a cache of its own. Where gateways of two versions are behind one address, a worker
 * is not installed before all that it is given is of its own. */
const VERSION_HEADER = 'connect-page';
const ANSWER_MS = 5_000; // Without an answer so long, the gateway counts as out of reach.
const UNREACHABLE = [502, 503, 504]; // As a proxy says of it.
const cacheName = `connect ${VERSION}`;

/** The pages that came from the cache, whose files come from there as well: without a wait for each, and
 * without those of another version, should the gateway come back in between. */
const offlinePages = new Set();
/** The pages of another version, or of another server: nothing of the cache belongs to them. */
const otherPages = new Set();

/** @param {FetchEvent} event @param {string} path @returns {Promise<Response>} */
async function answer({ request, clientId, resultingClientId }, path) {
  // A reload names the page that was there before.
  const isPage = request.mode === 'navigate';
  if (!isPage && otherPages.has(clientId)) return fetch(request, { cache: 'no-cache' });
  const response = !isPage && offlinePages.has(clientId) ? null : await reached(request);
  if (response) {
    if (isPage) await came(response, resultingClientId);
    return response;
  }
  const kept = await cached(path);
  if (kept && resultingClientId) offlinePages.add(resultingClientId);
  return kept ?? Response.error();
}

/** A page came. Where it is none of any gateway, something else has its address now, and this worker
 * leaves: the next page that has one registers it.
 * @param {Response} response @param {string} client */
async function came(response, client) {
  const version = response.headers.get(VERSION_HEADER);
  if (version !== VERSION) otherPages.add(client);
  if (version !== null || !(response.ok || response.status === 404)) return;
  await caches.delete(cacheName);
  await self.registration.unregister();
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
  const files = await Promise.all(FILES.map(async (path) => {
    const response = await fetch(path, { cache: 'no-cache' });
    const isOwn = response.ok && response.headers.get(VERSION_HEADER) === VERSION;
    if (!isOwn) throw new Error(`${path} is not of the version ${VERSION}`);
    return { path, response };
  }));
  const cache = await caches.open(cacheName);
  await Promise.all(files.map(({ path, response }) => cache.put(path, response)));
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
