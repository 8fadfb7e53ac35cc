// @ts-check
import { webLock } from './weblock.js';

/** The name of a client's device while another tab has the store: the same until the tab is closed, so
 * that a reload makes no new device, which would displace another one. Elsewhere than in a tab it is new
 * each time. */

/** @param {string} owner */
const keyOf = (owner) => `connect/device/${owner}`;

/** @param {string} owner @param {() => string} make @param {(name: any) => boolean} isName
 * @param {LockManager | undefined} [locks]
 * @returns {Promise<{ name: string, leave: () => void }>} `leave`: another may have the name */
export async function nameOfTab(owner, make, isName, locks = globalThis.navigator?.locks) {
  const locked = async (/** @type {string} */ name) => (
    { name, leave: await webLock(`${keyOf(owner)}/${name}`, locks) });
  try {
    const kept = sessionStorage.getItem(keyOf(owner));
    // A tab that was duplicated begins with all that the other has, which may be open still.
    const same = isName(kept) && await locked(/** @type {string} */ (kept)).catch(() => null);
    if (same) return same;
    const made = make();
    sessionStorage.setItem(keyOf(owner), made);
    return await locked(made);
  } catch {
    // A worker has no such storage, and others may forbid it.
    return { name: make(), leave: () => {} };
  }
}

/** @param {string} owner */
export function forgetNameOfTab(owner) {
  try {
    sessionStorage.removeItem(keyOf(owner));
  } catch { /* Then there is none. */ }
}
