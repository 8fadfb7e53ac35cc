// @ts-check
import { readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { BOUNDS } from '../conversation/bounds.js';
import { newId } from '../core/values.js';

/** The paths that this module has locked: a lock of this process that is none of them was left behind by
 * an earlier process with the same number. */
const own = new Set();

/** Locks a path for one client at a time, by a symbolic link that names the process: it is made whole
 * or not at all, and on a disk that is full, too. One of a process that is gone is taken over. It guards
 * processes that see each other: those of one machine, or of one container.
 * @param {string} path of the lock @returns {Promise<() => Promise<void>>} which unlocks it
 * @throws {Error} when a process has it that does not let go of it in time */
export async function lockFile(path) {
  const holder = [process.pid, await startOf(process.pid)].filter(Boolean).join('-');
  for (const end = performance.now() + BOUNDS.lockMs;;) {
    if (await isMade(path, holder)) {
      own.add(path);
      return async () => {
        own.delete(path);
        await rm(path, { force: true });
      };
    }
    const found = await holderOf(path);
    if (found === null) continue; // It was unlocked between the two.
    const { pid, isThere } = await processOf(found, path);
    const isLate = performance.now() >= end;
    // A file, where there are no links, is empty for a moment before it names the process.
    if (!isThere && (found || isLate)) {
      await remove(path, found);
    } else if (!isLate) {
      await new Promise((resume) => { setTimeout(resume, BOUNDS.lockPollMs); });
    } else {
      throw new Error(`process ${pid} has ${path}: close the client there first, or use another folder`);
    }
  }
}

/** @param {string} path @param {string} holder @returns {Promise<boolean>} false where there is a lock */
async function isMade(path, holder) {
  try {
    await symlink(holder, path);
  } catch (/** @type {any} */ error) {
    if (error.code === 'EEXIST') return false;
    // Windows lets not everybody make one, and some file systems have none.
    if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'].includes(error.code)) throw error;
    try {
      await writeFile(path, holder, { flag: 'wx', mode: 0o600 });
    } catch (/** @type {any} */ failure) {
      if (failure.code === 'EEXIST') return false;
      throw failure;
    }
  }
  return true;
}

/** @param {string} path @returns {Promise<string | null>} null where there is no lock */
async function holderOf(path) {
  try {
    return await readlink(path).catch((error) => {
      if (error.code === 'EINVAL' || error.code === 'UNKNOWN') return readFile(path, 'utf8');
      throw error;
    });
  } catch (/** @type {any} */ error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

/** @param {string} holder as a lock names it @param {string} path of the lock */
async function processOf(holder, path) {
  const [, number, start] = /^(\d{1,10})(?:-(.+))?$/.exec(holder) ?? [];
  const pid = Number(number ?? 0);
  if (!pid) return { pid, isThere: false };
  try {
    process.kill(pid, 0); // Asks only whether it is there.
  } catch (/** @type {any} */ error) {
    // That of another user is.
    if (error.code !== 'EPERM') return { pid, isThere: false };
  }
  const known = await startOf(pid);
  if (start && known) return { pid, isThere: start === known };
  return { pid, isThere: pid !== process.pid || own.has(path) };
}

/** When a process began, in ticks of the system since it was booted, where that can be told (on Linux):
 * numbers of processes are given again. @param {number} pid */
async function startOf(pid) {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'), readFile('/proc/sys/kernel/random/boot_id', 'utf8')]);
    // Behind the name of its program, which may have blanks: the third field, and the twenty-second.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? 'ended' : `${boot.slice(0, 8)}-${fields[19]}`;
  } catch {
    return undefined;
  }
}

/** Removes a lock that was left behind, unless another process has taken it over meanwhile.
 * @param {string} path @param {string} holder */
async function remove(path, holder) {
  const aside = `${path}.${newId()}`;
  try {
    await rename(path, aside);
  } catch (/** @type {any} */ error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  const found = await holderOf(aside);
  if (found !== null && found !== holder) await isMade(path, found);
  await rm(aside, { force: true });
}
