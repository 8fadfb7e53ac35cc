// @ts-check
/** The name of a client's device while another tab has the store: the same until the tab is closed, so
 * that a reload makes no new device, which would displace another one. Elsewhere than in a tab it is new
 * each time. */

/** @param {string} owner */
const keyOf = (owner) => `connect/device/${owner}`;

/** @param {string} owner @param {() => string} make @param {(name: any) => boolean} isName
 * @returns {string} */
export function nameOfTab(owner, make, isName) {
  try {
    const kept = sessionStorage.getItem(keyOf(owner));
    if (isName(kept)) return /** @type {string} */ (kept);
    const made = make();
    sessionStorage.setItem(keyOf(owner), made);
    return made;
  } catch {
    return make(); // A worker has no such storage, and others may forbid it.
  }
}

/** @param {string} owner */
export function forgetNameOfTab(owner) {
  try {
    sessionStorage.removeItem(keyOf(owner));
  } catch { /* Then there is none. */ }
}
