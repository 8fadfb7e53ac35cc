// @ts-check
/** Signing in by link: `#user=alice&token=…&peer=bob`. A fragment is never part of a request; even so
 * the token leaves the address bar at once, for the storage of this tab. */
import { isUserName } from './connect/index.js';
import { $ } from './dom.js';

/** `device` is empty unless the link names one.
 * @typedef {{ user: string, token: string, peer: string, device: string }} Session */

const KEY = 'connect/session';

/** @param {string} token @returns {any} its claims, unverified: that is the server's business */
export function claimsOf(token) {
  try {
    return JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
  } catch {
    return {};
  }
}

/** @param {string} text a link, its fragment, or only a token @returns {Session | null} */
export function parseLink(text) {
  const fragment = text.trim().replace(/^[^#]*#/, '');
  const bare = /^[\w-]+\.[\w-]+\.[\w-]+$/.test(fragment);
  // A `+` is part of a user's name here, not a blank.
  const fields = new URLSearchParams(bare ? { token: fragment } : fragment.replaceAll('+', '%2B'));
  const [token, name] = [fields.get('token') ?? '', fields.get('peer') ?? ''];
  const user = claimsOf(token).sub ?? fields.get('user');
  if (!isUserName(user) || !/^[\w.-]+$/.test(token)) return null;
  // Nobody can be reached by any other name.
  const peer = isUserName(name) ? name : '';
  return { user, token, peer, device: fields.get('device') ?? '' };
}

/** Of the link, or what this tab has stored, which somebody may have damaged.
 * @returns {Session | null} */
export function findSession() {
  const linked = parseLink(location.hash);
  if (linked) return linked;
  try {
    const session = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
    const isSound = isUserName(session?.user) && session.token
      && (session.peer === '' || isUserName(session.peer));
    return isSound ? session : null;
  } catch (error) {
    console.warn('What this tab has stored of the session cannot be read.', error);
    return null;
  }
}

/** @param {Session} session */
export function keepSession(session) {
  const { user, peer } = session;
  try {
    sessionStorage.setItem(KEY, JSON.stringify(session));
  } catch (error) {
    console.warn('The storage of this tab is full: a reload asks for the link again.', error);
  }
  history.replaceState(null, '', `#${new URLSearchParams(peer ? { user, peer } : { user })}`);
}

export function forgetSession() { sessionStorage.removeItem(KEY); }

/** @param {string} [title] @param {string} [text] */
export function showSignIn(title, text) {
  if (title) $('sign-in-title').textContent = title;
  if (text) $('sign-in-text').textContent = text;
  $('app').hidden = true;
  $('sign-in').hidden = false;
  $('link').focus();
}
