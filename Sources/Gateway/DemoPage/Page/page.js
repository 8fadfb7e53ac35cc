// @ts-check
/** The demo page: the conversations of one user on one device, and how they look. */
import {
  ConnectClient, FrameClient, IndexedDBStore, MemoryStore,
} from './connect/index.js';
import { $, clock, dayOf, drawAvatar, moment, stamp, textOf } from './dom.js';
import { Messages } from './messages.js';
import {
  claimsOf, findSession, forgetSession, keepSession, parseLink, showSignIn,
} from './session.js';

/** @typedef {import('../../../ConnectJS/index.js').Conversation} Conversation */
/** @typedef {import('../../../ConnectJS/index.js').State} State */
/** @typedef {import('./session.js').Session} Session */

const PREVIEW_CHARACTERS = 80; // Of the last message, in the list.
/** As the client sends every message: for the ticks, and for the user's other devices. */
const OPTIONS = { receipt: true, copy: true };

/** @param {Session} session */
function start(session) {
  const { user } = session;
  /** @type {Conversation | null} */ let current = null;
  /** @type {WeakMap<Conversation, any>} */ const elements = new WeakMap();
  /** What is written and not sent. @type {Map<string, string>} */ const drafts = new Map();
  let frameBytes = Number.MAX_VALUE; // Until a server tells its limit.
  let { device } = session; // Where the link names none, `welcome` does.
  let countdown = 0;

  const client = new ConnectClient({
    url: `${location.origin.replace('http', 'ws')}/v1/connect`,
    user,
    ...(device && { device }),
    token: () => session.token,
    store: globalThis.indexedDB ? new IndexedDBStore() : new MemoryStore(),
  });
  const isOnline = () => client.state.phase === 'online' && client.state.live;
  const messages = new Messages(isOnline);
  client.on('state', drawState);
  client.on('error', ({ code, message }) => {
    console.warn('Connect:', code, message);
    if (code === 'storage_unavailable') $('unkept').hidden = false;
  });
  client.conversations.on('change', () => {
    drawConversations();
    drawStatus();
  });

  // Conversations

  /** @param {string} peer or empty, which on a phone shows the list alone */
  function open(peer) {
    if (current) drafts.set(current.peer.user, $('text').value);
    current = peer ? client.conversation(peer) : null;
    session.peer = peer;
    keepSession(session);
    $('app').dataset.view = peer ? 'chat' : 'list';
    $('peer-name').textContent = peer;
    drawAvatar($('peer-avatar'), peer);
    $('empty').firstElementChild.textContent =
      peer ? `Say hello to ${peer}` : 'Who do you want to talk with?';
    $('empty').children[1].textContent = !peer ? 'Type the name of a user on the left.'
      : `Open ${peer}’s link in another tab or window, and watch the ticks:`;
    $('empty').lastElementChild.hidden = !peer;
    $('text').placeholder = `Message ${peer}`;
    $('text').value = drafts.get(peer) ?? '';
    messages.open(current);
    drawConversations();
    drawComposer();
    drawStatus();
    // On a touch screen the focus would raise the keyboard over the conversation.
    if (current && matchMedia('(pointer: fine)').matches) $('text').focus();
  }

  function drawConversations() {
    const { items, unread, hasMore } = client.conversations;
    const all = !current || items.includes(current) ? items : [current, ...items];
    const entries = all.map(drawConversation);
    // Left alone while the order is the same, so that the focus stays where it is.
    if (entries.some((entry, index) => $('conversations').children[index] !== entry)) {
      $('conversations').replaceChildren(...entries);
    }
    $('more').hidden = !hasMore || !items.length || !isOnline();
    $('unread').hidden = !unread;
    $('unread').textContent = unread;
    document.title = `${unread ? `(${unread}) ` : ''}${user} · Connect`;
  }

  /** @param {Conversation} conversation */
  function drawConversation(conversation) {
    const { peer, last, unread, unreadIsMore } = conversation;
    const entry = elements.get(conversation) ?? stamp('conversation');
    const button = entry.firstElementChild;
    if (!elements.has(conversation)) {
      elements.set(conversation, entry);
      button.addEventListener('click', () => open(peer.user));
      entry.querySelector('b').firstChild.textContent = peer.user;
      drawAvatar(button.firstElementChild, peer.user);
    }
    const text = last ? textOf(last.body) ?? JSON.stringify(last.body) : 'No messages yet';
    const line = entry.querySelector('small');
    line.textContent = peer.isTyping ? 'typing…'
      : (last?.isMine ? 'You: ' : '') + text.slice(0, PREVIEW_CHARACTERS);
    line.classList.toggle('typing', peer.isTyping);
    const isHere = peer.isOnline === true;
    button.firstElementChild.classList.toggle('online', isHere);
    entry.querySelector('.names .unseen').textContent = isHere ? ' (online)' : '';
    entry.querySelector('.badge').hidden = !unread;
    entry.querySelector('.badge').textContent = `${unread}${unreadIsMore ? '+' : ''}`;
    entry.querySelector('.badge').title = `${unread}${unreadIsMore ? ' or more' : ''} unread`;
    button.ariaCurrent = String(conversation === current);
    return entry;
  }

  /** What is known of the peer now. */
  function statusText() {
    if (!current || current.peer.user === user) return '';
    const { isTyping, isOnline: isHere, lastSeen } = current.peer;
    if (isTyping) return 'typing…';
    if (isHere === undefined) return '';
    if (isHere) return 'online';
    if (!lastSeen) return 'offline';
    const isToday = dayOf(lastSeen) === 'Today';
    return `last seen ${isToday ? 'at ' : ''}${(isToday ? clock : moment).format(lastSeen)}`;
  }

  function drawStatus() {
    const text = statusText();
    $('peer-status').textContent = text;
    $('peer-status').classList.toggle('typing', text === 'typing…');
  }

  async function loadMore() {
    try {
      await client.conversations.loadMore();
    } catch (error) {
      console.warn('Connect: the list of conversations did not come.', error);
    }
  }

  // The composer

  function drawComposer() {
    const field = $('text');
    $('composer').hidden = !current || client.state.phase === 'stopped';
    field.style.height = 'auto';
    field.style.height = `${field.scrollHeight + 2}px`;
    const body = { text: field.value.trim() };
    const size = FrameClient.frameBytes(current?.peer.user ?? '', body, OPTIONS);
    const left = frameBytes - size;
    $('room').textContent = left > frameBytes / 5 ? ''
      : left < 0 ? `${-left} bytes too long to send` : `${left} bytes left`;
    $('room').classList.toggle('error', left < 0);
    $('send').disabled = !body.text || left < 0;
  }

  function send() {
    try {
      current?.send({ text: $('text').value.trim() });
      $('text').value = '';
      drawComposer();
    } catch (error) {
      $('room').textContent = /** @type {Error} */ (error).message;
    }
  }

  $('text').addEventListener('input', () => {
    drawComposer();
    if ($('text').value.trim()) current?.typing();
  });
  $('text').addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    // While a word is being composed (in Japanese, say), Enter only chooses it.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    $('composer').requestSubmit($('send'));
  });
  $('composer').addEventListener('submit', (/** @type {Event} */ event) => {
    event.preventDefault();
    $('text').focus();
    if (!$('send').disabled) send();
  });

  // The connection

  /** @param {State} state */
  function drawState(state) {
    const secondsLeft = () => (state.phase === 'waiting'
      ? Math.ceil((state.until - performance.now()) / 1000) : 0);
    const draw = () => {
      $('connection').lastElementChild.textContent =
        state.phase === 'online' ? (state.live ? 'Online' : 'Catching up…')
        : state.phase === 'stopped' ? 'Not connected'
        : state.phase === 'connecting' && !state.failures ? 'Connecting…'
        : secondsLeft() > 0 ? `Reconnecting in ${secondsLeft()} s` : 'Reconnecting…';
    };
    clearInterval(countdown);
    if (state.phase === 'waiting') countdown = setInterval(draw, 500);
    draw();
    $('connection').dataset.phase = state.phase;
    $('gateway').textContent = state.phase === 'online' ? ` on ${state.welcome.gateway}` : '';
    $('stopped').hidden = state.phase !== 'stopped';
    if (state.phase === 'stopped') drawStopped(state);
    if (state.phase === 'waiting' && (state.failures || state.asked)) drawBanner(state);
    if (state.phase === 'online') {
      $('banner').hidden = true;
      frameBytes = state.welcome.limits.frameBytes;
      device = state.welcome.device;
      $('own-device').textContent = `device ${device}`;
      if (state.welcome.gap && !state.live) $('gap').hidden = false;
      if (state.live) messages.fill();
    }
    drawConversations();
    drawComposer();
  }

  /** @param {State & { phase: 'waiting' }} state */
  async function drawBanner(state) {
    let text = state.code === 1012 ? 'The gateway restarts.'
      : state.code === 1008 ? 'The gateway asked for a pause.' : 'The connection was lost.';
    let [label, action] = ['Try now', () => client.connect()];
    if (!state.opened) {
      // A browser doesn't tell why it could not connect, so find out in another way.
      if (claimsOf(session.token).exp * 1000 < Date.now()) return expire();
      const probe = fetch('/healthz', { signal: AbortSignal.timeout(3000) });
      const up = await probe.then(({ ok }) => ok, () => false);
      text = up ? `The gateway is up, but does not let ${user} in. Restarted, it prints new links.`
        : 'The gateway cannot be reached.';
      if (up) [label, action] = ['Use a new link', () => { client.close(); showSignIn(); }];
    }
    if (client.state.phase === 'online' || client.state.phase === 'stopped') return;
    const [line, button] = $('banner').children;
    // A gateway that restarts spreads the return of its clients, so this one comes when told.
    button.hidden = state.asked;
    text += $('unkept').hidden ? ' What you write is kept and sent later.'
      : ' What you write is sent later, while this tab stays open.';
    // Unchanged it is left alone, or a screen reader would read it out at each attempt.
    if (line.textContent !== text) line.textContent = text;
    button.textContent = label;
    button.onclick = action;
    $('banner').hidden = false;
  }

  /** @param {State & { phase: 'stopped' }} state */
  function drawStopped({ reason, code, message }) {
    if (reason === 'expired') return expire();
    const [title, text, button] = $('stopped').children;
    const replaced = reason === 'replaced';
    title.textContent = replaced ? 'Opened elsewhere' : 'Disconnected';
    text.textContent = replaced
      ? `Another tab or window is now connected as ${user} on the device “${device}”.`
      : `The server ended the connection: ${message || 'it gave no reason'} (${code}).`;
    button.textContent = replaced ? 'Use it here' : 'Connect again';
    $('banner').hidden = true;
  }

  function expire() {
    client.close();
    const kept = $('unkept').hidden
      ? ': the conversations of this device are kept, and what is unsent is sent then.' : '.';
    showSignIn('Your session has expired',
      `The token of ${user} is no longer valid. Use a fresh link here${kept}`);
  }

  // The page

  $('stopped').lastElementChild.addEventListener('click', () => client.connect());
  $('more').addEventListener('click', loadMore);
  $('back').addEventListener('click', () => open(''));
  $('peer-form').addEventListener('submit', (/** @type {Event} */ event) => {
    event.preventDefault();
    open($('peer').value);
    $('peer').value = '';
  });
  $('sign-out').addEventListener('click', async () => {
    await client.close({ forget: true });
    forgetSession();
    location.replace(location.pathname);
  });

  for (const id of ['user', 'own-name']) $(id).textContent = user;
  $('own-device').textContent = device && `device ${device}`;
  drawAvatar($('own-avatar'), user);
  $('app').hidden = false;
  client.connect().then(() => open(session.peer));
}

$('link-form').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  const session = parseLink($('link').value);
  $('link-error').textContent = session ? '' : 'There is no token in this. Paste the whole link.';
  if (!session) return;
  keepSession(session);
  location.reload();
});
// A link that is pasted into the address bar of this tab changes only the fragment.
window.addEventListener('hashchange', () => { if (parseLink(location.hash)) location.reload(); });

// Pages have it that are served by TLS or from this machine. It need not be waited for.
const workers = globalThis.navigator?.serviceWorker;
workers?.register('/worker.js', { updateViaCache: 'none' }).catch((/** @type {any} */ error) => {
  console.warn('A reload without the gateway will show nothing.', error);
});

const session = findSession();
if (session) start(session);
else showSignIn();
