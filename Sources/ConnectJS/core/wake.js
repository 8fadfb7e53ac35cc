// @ts-check
/** Tells when the network or the page has changed, or the page goes.
 * @param {() => void} wake @param {() => void} leave @returns {AbortController} which ends it */
export function watchPage(wake, leave) {
  const events = new AbortController();
  const { signal } = events;
  // A worker has no document, and other places have no such events at all.
  const { document } = globalThis;
  const woken = (/** @type {Event} */ { type }) => {
    if (type !== 'visibilitychange' || !document.hidden) wake();
  };
  document?.addEventListener?.('visibilitychange', woken, { signal });
  for (const name of ['online', 'offline']) {
    globalThis.addEventListener?.(name, woken, { signal });
  }
  globalThis.addEventListener?.('pagehide', leave, { signal });
  return events;
}
