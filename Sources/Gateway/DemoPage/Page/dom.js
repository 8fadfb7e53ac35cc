// @ts-check
/** What all parts of the page draw with. */

/** @typedef {import('../../../ConnectJS/index.js').Entry} Entry */

export const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
export const moment = new Intl.DateTimeFormat(
  undefined, { dateStyle: 'medium', timeStyle: 'short' });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });

/** @param {string} id @returns {any} */
export const $ = (id) => document.getElementById(id);
/** @param {string} id @returns {any} a new element from a template */
export const stamp = (id) => $(id).content.firstElementChild.cloneNode(true);

/** @param {any} body @returns {string | undefined} the text of a body of the demo's shape */
export const textOf = (body) => (typeof body?.text === 'string' ? body.text : undefined);

/** @param {number} at */
export function dayOf(at) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  if (at >= midnight) return 'Today';
  return at >= midnight - 86_400_000 ? 'Yesterday' : calendar.format(at);
}

/** @param {any} element @param {string} name */
export function drawAvatar(element, name) {
  const hue = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 997, 0) % 6;
  element.textContent = name[0] ?? '';
  element.dataset.hue = hue;
}
