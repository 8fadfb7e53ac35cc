// @ts-check
import { EXPIRED, LIMITS, LOST, STOPS } from './limits.js';
import { asked, backoffMs, userOf } from './values.js';
import { watchPage } from './wake.js';

/** @typedef {import('./types.js').Options} Options */
/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').Welcome} Welcome */
/** What a connection needs of its client. `isOf`: whether it is of the user of a token, or was of nobody
 * yet; `query`: what the address of a new connection asks for; `welcomed` lets it be `online`; `receive`
 * is given all other frames but `pong`; `leave`: the page goes.
 * @typedef {{ isOf: (user: string) => boolean, query: () => string,
 *   welcomed: (welcome: Welcome) => void, receive: (frame: any) => void, disconnected: () => void,
 *   entered: (state: State) => void, leave: () => void }} Context */

/** The connection to the server: opened with a token, probed when it is silent, and replaced when it is
 * lost, until that would be wrong. */
export class Connection {
  #options;
  #clock;
  #context;
  /** @type {typeof WebSocket} */ #WebSocket;
  /** @type {State} */ #state = { phase: 'stopped', reason: 'closed', code: 1000, message: '' };
  /** Names the attempt that counts; what an earlier one still reports is ignored. */
  #epoch = 0;
  /** @type {string | null} */ #token = null;
  /** The one that the server no longer took. @type {string | null} */ #expired = null;
  #failures = 0;
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {Welcome | null} */ #welcome = null;
  #welcomedAt = 0;
  /** @type {{ reconnectAfterMs?: number } | null} */ #goodbye = null;
  #probing = false;
  /** @type {AbortController | null} */ #pageEvents = null;
  /** @type {{ [name in 'silence' | 'reconnect']?: any }} */
  #timers = {};

  /** @param {Options} options @param {import('./clock.js').Clock} clock @param {Context} context
   * @throws {TypeError} where there is no WebSocket */
  constructor(options, clock, context) {
    this.#options = options;
    this.#clock = clock;
    this.#context = context;
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (!this.#WebSocket) {
      throw new TypeError('There is no WebSocket here: give one as the option `WebSocket`. Node has '
        + 'its own from 22 on; before, that of the package `ws` will do.');
    }
  }

  get state() { return this.#state; }
  /** That of this connection, once it has come. */
  get welcome() { return this.#welcome; }
  /** The server's clock, in whole milliseconds since 1970, counted on by one that does not step. */
  get serverNow() {
    return Math.floor((this.#welcome?.now ?? 0) + this.#clock.now() - this.#welcomedAt);
  }

  /** Connects now. While it is online, asks whether the line is still alive. */
  connect() {
    if (this.#state.phase === 'online') return this.#probe();
    if (this.#state.phase === 'connecting') return;
    this.#watchPage();
    this.#expired = null;
    this.#open();
  }

  close() {
    this.#pageEvents?.abort();
    this.#pageEvents = null;
    this.#reset();
    this.enter({ phase: 'stopped', reason: 'closed', code: 1000, message: '' });
  }

  /** It is of no use any more, and is replaced. @param {string} message */
  lost(message) { this.#lost(LOST, message); }

  /** @param {State} state */
  enter(state) {
    this.#state = state;
    this.#context.entered(state);
  }

  /** @param {string} text of a frame */
  send(text) { this.#socket?.send(text); }

  /** Sends a frame, if the connection is open. @param {object} frame */
  transmit(frame) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(frame));
  }

  async #open() {
    const epoch = this.#reset();
    this.enter({ phase: 'connecting', failures: this.#failures });
    let opened = false;
    const noToken = () => this.#lost(LOST, 'the app gave no token in time', opened);
    this.#timers.silence = this.#clock.setTimeout(noToken, LIMITS.tokenMs);
    try {
      // As a text that is fetched may end with a line end.
      const token = String(await this.#options.token()).trim();
      if (epoch !== this.#epoch) return;
      this.#clock.clearTimeout(this.#timers.silence);
      const user = userOf(token);
      if (!this.#context.isOf(user)) {
        // What this object holds was written by another, and is not to be sent in this one's name.
        const message = `the token is of another user than before: '${user}'`;
        return this.enter({ phase: 'stopped', reason: 'user', code: EXPIRED, message });
      }
      if (token === this.#expired) {
        const message = 'the token has expired, and there is no other';
        return this.enter({ phase: 'stopped', reason: 'expired', code: EXPIRED, message });
      }
      this.#token = token;
      // A page can set no headers, and URLs get logged: the token is offered as a subprotocol.
      const protocols = ['connect.v1.json', `connect.bearer.${token}`];
      const socket = new this.#WebSocket(this.#address(), protocols);
      socket.onerror = () => {}; // `onclose` follows.
      socket.onopen = () => { opened = true; };
      socket.onmessage = ({ data }) => { if (epoch === this.#epoch) this.#receive(data); };
      socket.onclose = ({ code, reason }) => {
        if (epoch === this.#epoch) this.#lost(code, reason, opened);
      };
      this.#socket = socket;
      const late = () => this.#lost(LOST, 'no welcome in time', opened);
      this.#timers.silence = this.#clock.setTimeout(late, LIMITS.welcomeMs);
    } catch (error) {
      if (epoch === this.#epoch) this.#lost(LOST, String(error), opened);
    }
  }

  /** By hand, since not every place without a page has all of `URL`. */
  #address() {
    const [address] = this.#options.url.split('#');
    return `${address}${address.includes('?') ? '&' : '?'}${this.#context.query()}`;
  }

  /** Forgets the connection; all that it left unanswered is due again. */
  #reset() {
    Object.values(this.#timers).forEach((timer) => this.#clock.clearTimeout(timer));
    this.#timers = {};
    this.#socket?.close(1000);
    this.#socket = null;
    this.#welcome = null;
    this.#goodbye = null;
    this.#probing = false;
    this.#context.disconnected();
    return ++this.#epoch;
  }

  /** @param {number} code @param {string} message @param {boolean} opened */
  #lost(code, message, opened = true) {
    const goodbye = this.#goodbye;
    const stable = this.#welcome && this.#clock.now() - this.#welcomedAt >= LIMITS.stableMs;
    const failures = this.#failures = stable ? 0 : this.#failures + 1;
    this.#reset();
    const reason = STOPS.get(code);
    if (reason) return this.enter({ phase: 'stopped', reason, code, message });
    if (code === EXPIRED) this.#expired = this.#token;
    const pauseMs = code === 1008 ? LIMITS.pauseMs + backoffMs(failures) : undefined;
    const askedMs = asked(goodbye?.reconnectAfterMs) ?? pauseMs;
    const delayMs = askedMs ?? backoffMs(failures);
    this.#timers.reconnect = this.#clock.setTimeout(() => this.#open(), delayMs);
    const until = this.#clock.now() + delayMs;
    const isAsked = askedMs !== undefined;
    this.enter({ phase: 'waiting', until, asked: isAsked, failures, opened, code, message });
  }

  /** The network or the page changed: try or probe at once, but keep a pause that was asked for. */
  #watchPage() {
    this.#pageEvents ??= watchPage(() => {
      if (this.#state.phase === 'online') this.#probe();
      if (this.#state.phase === 'waiting' && !this.#state.asked) this.#open();
    }, () => this.#context.leave());
  }

  /** Something came, so the line is alive: the next probe is a whole silence away. */
  #heard() {
    if (!this.#socket) return; // A handler has closed the client.
    this.#probing = false;
    this.#clock.clearTimeout(this.#timers.silence);
    const silenceMs = (this.#welcome?.pingSeconds ?? 25) * 1000;
    this.#timers.silence = this.#clock.setTimeout(() => this.#probe(), silenceMs);
  }

  /** The server's own pings never reach a page, so a silent line is tested with one of ours. */
  #probe() {
    if (this.#probing) return;
    this.#probing = true;
    this.transmit({ type: 'ping' });
    this.#clock.clearTimeout(this.#timers.silence);
    const late = () => this.#lost(LOST, 'no pong in time');
    this.#timers.silence = this.#clock.setTimeout(late, LIMITS.pongMs);
  }

  /** @param {string} text */
  #receive(text) {
    const frame = JSON.parse(text);
    if (frame.type === 'welcome') {
      this.#welcome = frame;
      this.#welcomedAt = this.#clock.now();
      this.#context.welcomed(frame);
    }
    this.#heard();
    if (frame.type === 'welcome' || frame.type === 'pong') return;
    if (frame.type === 'goodbye') this.#goodbye = frame;
    this.#context.receive(frame);
  }
}
