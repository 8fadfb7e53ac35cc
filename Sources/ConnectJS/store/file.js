// @ts-check
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { lockFile } from './lockfile.js';

/** @typedef {import('./keeper.js').Store} Store */

const FORMAT = 1;
/** Of what was replaced, before the file is written again, or that is tried again. */
const GARBAGE_BYTES = 1_000_000;

/** Keeps what it is given in a file of a folder, one for each owner: a line of JSON for each write,
 * so that one that was cut off by a crash counts as not done. Of one owner's, one process at a time has
 * it open, by a lock beside it. For Node.
 * @implements {Store} */
export class FileStore {
  #folder;
  #path = '';
  /** @type {import('node:fs/promises').FileHandle | null} */ #file = null;
  /** @type {Map<string, string>} each value as JSON */ #values = new Map();
  #bytes = 0; // Of the file.
  #liveBytes = 0; // Of the values.
  #failedBytes = 0; // Of the file when it could not be written again.
  #owner = '';
  /** What it held when it was opened. @type {string | undefined} */ #text;
  /** The next may have it. */ #unlock = async () => {};

  /** @param {string} folder made where it is missing, for the user of this process alone */
  constructor(folder) {
    if (typeof folder !== 'string' || !folder) throw new TypeError('The folder is not a path.');
    this.#folder = resolve(folder);
  }

  /** @param {string} owner @throws {Error} when the file cannot be read, which says nothing of what is
   *   in it; or another client has it */
  async open(owner) {
    await this.close();
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const name = createHash('sha256').update(owner).digest('hex').slice(0, 32);
    const path = join(this.#folder, `${name}.jsonl`);
    const unlock = await lockFile(`${path}.lock`);
    try {
      this.#text = await readFile(path, 'utf8').catch((error) => {
        if (error.code === 'ENOENT') return '';
        throw error;
      });
    } catch (error) {
      await unlock();
      throw error;
    }
    this.#owner = owner;
    this.#path = path;
    this.#unlock = unlock;
  }

  /** @returns {Promise<[string, any][]>} @throws {Error} when the file is damaged */
  async load() {
    if (this.#text !== undefined) await this.#begin(this.#text);
    this.#text = undefined;
    return [...this.#values].map(([key, json]) => [key, JSON.parse(json)]);
  }

  /** @param {string} text of the file @throws {Error} when it is damaged */
  async #begin(text) {
    // What has no line end was not written whole.
    const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n').slice(0, -1);
    const [header, ...writes] = lines.map((line, index) => this.#parsed(line, index + 1));
    if (lines.length && (header?.connect !== FORMAT || header.owner !== this.#owner)) {
      throw new Error(`${this.#path} is not a file of this store`);
    }
    this.#values = new Map();
    this.#liveBytes = 0;
    for (const [index, changes] of writes.entries()) {
      if (!Array.isArray(changes) || !changes.every((change) => Array.isArray(change)
        && typeof change[0] === 'string')) throw this.#damage(index + 2);
      for (const [key, value] of changes) {
        this.#set(key, value === undefined ? undefined : JSON.stringify(value));
      }
    }
    // Begins with whole lines. Where there is no room for that, the file stays until a write has it.
    await this.#rewrite().catch(() => {});
  }

  /** @param {[string, any][]} changes */
  async write(changes) {
    if (!this.#path) throw new Error('The store is not open.');
    const file = this.#file ?? await this.#rewrite();
    const line = `${JSON.stringify(
      changes.map(([key, value]) => (value === undefined ? [key] : [key, value])))}\n`;
    const bytes = Buffer.from(line);
    // At a place of its own, so that a line that was written in part is overwritten by the next.
    for (let written = 0; written < bytes.length;) {
      const { bytesWritten } = await file.write(
        bytes, written, bytes.length - written, this.#bytes + written);
      written += bytesWritten;
    }
    this.#bytes += bytes.length;
    for (const [key, value] of changes) {
      this.#set(key, value === undefined ? undefined : JSON.stringify(value));
    }
    const least = Math.max(2 * this.#liveBytes, this.#failedBytes);
    if (this.#bytes <= least + GARBAGE_BYTES) return;
    // These changes are in the file: where there is no room for another one, it grows on.
    await this.#rewrite().catch(() => { this.#failedBytes = this.#bytes; });
  }

  async clear() {
    this.#text = undefined;
    this.#values = new Map();
    this.#liveBytes = 0;
    await this.#file?.close();
    this.#file = null;
    await rm(this.#path, { force: true });
    await this.#rewrite();
  }

  async close() {
    const file = this.#file;
    const unlock = this.#unlock;
    this.#file = null;
    this.#path = '';
    this.#unlock = async () => {};
    try {
      await file?.close();
    } finally {
      await unlock();
    }
  }

  /** @param {string} key @param {string | undefined} json */
  #set(key, json) {
    this.#liveBytes -= this.#values.get(key)?.length ?? 0;
    this.#values.delete(key);
    if (json === undefined) return;
    this.#values.set(key, json);
    this.#liveBytes += json.length;
  }

  /** Writes a new file beside the old one, which it then replaces. */
  async #rewrite() {
    const parts = [`${JSON.stringify({ connect: FORMAT, owner: this.#owner })}\n`];
    for (const [key, json] of this.#values) parts.push(`[[${JSON.stringify(key)},${json}]]\n`);
    const text = parts.join('');
    const next = await open(`${this.#path}.next`, 'w', 0o600);
    try {
      await next.writeFile(text);
      await next.sync();
      await rename(`${this.#path}.next`, this.#path);
    } catch (error) {
      await next.close();
      await rm(`${this.#path}.next`, { force: true });
      throw error;
    }
    const before = this.#file;
    this.#file = next;
    this.#bytes = Buffer.byteLength(text);
    this.#failedBytes = 0;
    await before?.close();
    return next;
  }

  /** @param {string} line @param {number} number */
  #parsed(line, number) {
    try {
      return JSON.parse(line);
    } catch {
      throw this.#damage(number);
    }
  }

  /** @param {number} line */
  #damage(line) { return new Error(`line ${line} of ${this.#path} is not what was written`); }
}
