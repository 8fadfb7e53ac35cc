// @ts-check
/** The small questions: names, offsets, sizes, tokens. */
import { LIMITS } from './limits.js';

/** @typedef {import('./types.js').Send} Send */

/** Negative, zero or positive, as offset `a` is before, at or after `b` ("9-10" is after "9-9").
 * @param {string} a @param {string} b */
export function compareOffsets(a, b) {
  const [aMs, aSequence] = a.split('-').map(BigInt);
  const [bMs, bSequence] = b.split('-').map(BigInt);
  const [x, y] = aMs === bMs ? [aSequence ?? 0n, bSequence ?? 0n] : [aMs, bMs];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Full jitter: clients that lost one server must not come back in step.
 * @param {number} failures */
export function backoffMs(failures) {
  return Math.random() * Math.min(LIMITS.backoffCapMs, LIMITS.backoffBaseMs * 2 ** failures);
}

/** A wait that the server asked for, within reason; absent if it asked for none.
 * @param {number | null | undefined} ms */
export const asked = (ms) => (ms == null ? undefined : Math.min(Math.max(ms, 0), LIMITS.askedMs));

/** `crypto.randomUUID` would do, but is missing from pages that are served without TLS. */
export function newId() {
  const bytes = new Uint8Array(16);
  // Not a secret, only unique: enough where there is no `crypto` at all.
  if (globalThis.crypto?.getRandomValues) crypto.getRandomValues(bytes);
  else bytes.forEach((_, index) => { bytes[index] = Math.random() * 256; });
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param {Send} send
 * @param {boolean | number} retry whether the id may have been taken before, or since when */
export const encode = (send, retry) => JSON.stringify({ type: 'send', ...send, ...(retry && { retry }) });
/** @param {Send} send its size in UTF-8, with the longest `retry` */
export const bytesOf = (send) => utf8Length(encode(send, Number.MAX_SAFE_INTEGER));

/** @param {string} text */
export function utf8Length(text) {
  let bytes = text.length;
  // A character beyond the first 65,536 has two units here and four bytes there.
  for (const character of text) {
    if (character > '\x7f') bytes += character > '\u07ff' ? 2 : 1;
  }
  return bytes;
}

/** Whether JSON text has no half of a character: neither as such nor, as `JSON.stringify` writes it,
 * as an escape.
 * @param {string} text */
function isWellFormed(text) {
  return !/[\ud800-\udfff]/u.test(text) && !/\\ud[89a-f]/i.test(text.replace(/\\\\/g, ''));
}

/** How deep the objects and arrays of JSON text nest.
 * @param {string} text */
function nestingOf(text) {
  let [depth, deepest] = [0, 0];
  for (const [bracket] of text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"/g, '').matchAll(/[[\]{}]/g)) {
    depth += bracket === '[' || bracket === '{' ? 1 : -1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

/** @param {number} bytes @param {number} limit */
export const tooLarge = (bytes, limit) => `It takes ${bytes} bytes of at most ${limit}.`;

/** @param {any} name */
export const isUserName = (name) => typeof name === 'string' && /^[\w.@+:-]{1,128}$/.test(name);
/** @param {any} id */
export const isMessageID = (id) => typeof id === 'string' && /^[\w.:-]{1,64}$/.test(id);
/** @param {any} offset */
export const isOffset = (offset) => typeof offset === 'string' && /^\d{1,20}-\d{1,20}$/.test(offset);
/** @param {any} number */
export const isCount = (number) => Number.isSafeInteger(number) && number >= 0;

/** Makes sure that no server refuses a message for what it is; sent, it would come back `rejected`.
 * @param {string} to @param {any} body @returns {any} the body as it is now
 * @throws {TypeError | RangeError} */
export function checked(to, body) {
  if (!isUserName(to)) {
    throw new TypeError('The recipient is not a user name: 1 to 128 of A-Z a-z 0-9 . _ - @ + :');
  }
  const text = JSON.stringify(body);
  if (text === undefined) throw new TypeError('The body is not a JSON value.');
  if (!isWellFormed(text)) {
    throw new TypeError('The body has half of a character, as slice() leaves of an emoji.');
  }
  if (nestingOf(text) > LIMITS.bodyNesting) {
    throw new RangeError(`The body nests more than ${LIMITS.bodyNesting} levels deep.`);
  }
  return JSON.parse(text);
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The user of a token, unverified: that is the server's business. But a browser does not show why a
 * server refuses one, so what no server takes is told here.
 * @param {string} token @throws {TypeError} when there is none */
export function userOf(token) {
  let [bits, count, json] = [0, 0, ''];
  for (const digit of /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(token)?.[1] ?? '') {
    bits = (bits << 6 | BASE64URL.indexOf(digit)) & 0xffff;
    count += 6;
    if (count >= 8) json += String.fromCharCode(bits >> (count -= 8) & 0xff);
  }
  let claims = null;
  try { claims = JSON.parse(json); } catch { /* Then it is not a token. */ }
  const fault = (what) => new TypeError(`what token() gave is not a JWT${what}`);
  if (claims === null || typeof claims !== 'object') throw fault('');
  if (typeof claims.sub !== 'string' || !claims.sub) throw fault(' with a user as its `sub`');
  if (typeof claims.exp !== 'number') throw fault(' with a number of seconds as its `exp`');
  return claims.sub;
}

/** @param {any} error of the app's own code; it must not end the client */
export function report(error) {
  if (globalThis.reportError) reportError(error);
  else console.error(error);
}

/** @param {string[]} users @returns {string[]} each once */
export function checkedUsers(users) {
  const names = [...new Set(users)];
  if (!names.every(isUserName)) throw new TypeError('One of the users is not a user name.');
  if (names.length > LIMITS.presenceUsers) {
    throw new RangeError(`At most ${LIMITS.presenceUsers} users can be asked for.`);
  }
  return names;
}
