// @ts-check
import { LIMITS } from './limits.js';

/** @typedef {import('./clock.js').Clock} Clock */

/** Who is typing: when one's own typing is to be told, and which peers are typing still. */
export class Typing {
  /** @type {Map<string, number>} when each peer was last told */ #told = new Map();
  /** @type {Map<string, { until: number, at: number }>} until when each peer counts as typing, and
   * the server's time of its last signal */
  #typing = new Map();
  /** The server's time of each peer's last message, of the latest: a signal may come behind the
   * message that was being typed. @type {Map<string, number>} */
  #messages = new Map();
  /** @type {any} */ #timer;
  #tell;
  #clock;

  /** @param {(news: { from: string, isTyping: boolean }) => void} tell @param {Clock} clock */
  constructor(tell, clock) {
    this.#tell = tell;
    this.#clock = clock;
  }

  /** @param {string} to @returns {boolean} whether to tell them now */
  typed(to) {
    const now = this.#clock.now();
    for (const [peer, at] of this.#told) {
      if (at + LIMITS.typingRepeatMs <= now) this.#told.delete(peer);
    }
    if (this.#told.has(to) || this.#told.size >= LIMITS.typingPeers) return false;
    this.#told.set(to, now);
    return true;
  }

  /** A message ends it at the peer's: the next key tells of it again. @param {string} to */
  sent(to) { this.#told.delete(to); }

  connected() { this.#told.clear(); }

  /** @param {{ from: string, at: number }} signal */
  received({ from, at }) {
    if (at <= (this.#messages.get(from) ?? -1)) return;
    const before = this.#typing.get(from);
    if (!before && this.#typing.size >= LIMITS.typingPeers) return;
    this.#typing.delete(from); // The first is the one that stops first.
    const until = this.#clock.now() + LIMITS.typingMs;
    this.#typing.set(from, { until, at: Math.max(at, before?.at ?? 0) });
    if (!before) this.#tell({ from, isTyping: true });
    this.#expire();
  }

  /** One from before the typing, as a replay brings it, does not end it.
   * @param {{ from: string, at: number }} message */
  message({ from, at }) {
    const last = Math.max(at, this.#messages.get(from) ?? 0);
    this.#messages.delete(from); // The first is the one of whom nothing came for the longest time.
    this.#messages.set(from, last);
    const [oldest] = this.#messages.keys();
    if (this.#messages.size > LIMITS.typingPeers) this.#messages.delete(oldest);
    const typing = this.#typing.get(from);
    if (!typing || typing.at > at) return;
    this.#typing.delete(from);
    this.#tell({ from, isTyping: false });
  }

  /** Nobody is there to hear of it. */
  end() {
    this.#clock.clearTimeout(this.#timer);
    for (const from of this.#typing.keys()) {
      this.#typing.delete(from);
      this.#tell({ from, isTyping: false });
    }
  }

  #expire() {
    this.#clock.clearTimeout(this.#timer);
    const now = this.#clock.now();
    for (const [from, { until }] of this.#typing) {
      if (until > now) {
        this.#timer = this.#clock.setTimeout(() => this.#expire(), Math.ceil(until - now));
        return;
      }
      this.#typing.delete(from);
      this.#tell({ from, isTyping: false });
    }
  }
}
