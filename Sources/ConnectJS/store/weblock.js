// @ts-check
import { BOUNDS } from '../conversation/bounds.js';

/** Locks a name for one client of all tabs and workers of a site. The browser unlocks it when the page
 * goes: one that is reloaded gets it from itself. Where there are no Web Locks, nothing is locked.
 * @param {string} name @param {LockManager | undefined} locks
 * @returns {Promise<() => void>} which unlocks it
 * @throws {Error} when another has it, and does not let go of it in time */
export function webLock(name, locks) {
  if (!locks) return Promise.resolve(() => {});
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), BOUNDS.lockMs);
  return new Promise((resolve, reject) => {
    const had = () => {
      clearTimeout(timer);
      return new Promise((unlock) => { resolve(() => unlock(undefined)); });
    };
    locks.request(name, { signal: late.signal }, had).catch((error) => {
      clearTimeout(timer);
      reject(!late.signal.aborted ? error
        : new Error('another tab or worker has what is stored of this user'));
    });
  });
}
