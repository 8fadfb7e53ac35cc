/** A gateway that fails in every way that a client must survive, in a time of its own, by a seed. */

/** mulberry32. @param {number} seed @returns {() => number} from 0 up to 1 */
export function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Time that passes only when somebody lets it, and then at once. */
export class VirtualTime {
  now = 1_000;
  #events = [];
  #count = 0;

  /** A clock for one client, which can be stopped as a process that is killed. */
  clock() {
    const clock = {
      isStopped: false,
      now: () => this.now,
      setTimeout: (run, ms) => this.at(ms, () => { if (!clock.isStopped) run(); }),
      clearTimeout: (event) => { if (event) event.run = null; },
    };
    return clock;
  }

  at(ms, run) {
    this.#count += 1;
    const event = { at: this.now + Math.max(0, ms ?? 0), order: this.#count, run };
    let index = this.#events.length;
    while (index && this.#events[index - 1].at > event.at) index -= 1;
    this.#events.splice(index, 0, event);
    return event;
  }

  /** Lets time pass until a condition holds. @returns {Promise<boolean>} whether it ever did */
  async until(condition, ms) {
    for (const end = this.now + ms; ;) {
      // Promises first, those of promises too.
      await new Promise((resume) => { setImmediate(resume); });
      if (condition()) return true;
      const event = this.#events.shift();
      if (!event || event.at > end) {
        if (event) this.#events.unshift(event);
        this.now = end;
        return false;
      }
      this.now = event.at;
      event.run?.();
    }
  }

  pass(ms) { return this.until(() => false, ms); }
}

const numbers = (offset) => offset.split('-').map(Number);
export const isAfter = (a, b) => {
  const [[aMs, aNumber], [bMs, bNumber]] = [numbers(a), numbers(b)];
  return aMs > bMs || (aMs === bMs && aNumber > bNumber);
};

const UNACKED = 64;
const HOLD_MS = 5_000; // For what was put off to be sent again.
const EPOCH = 1_700_000_000_000;

/** Mailboxes, positions and connections of a few users. */
export class FaultyServer {
  users = new Map();
  /** The ids of messages that failed at first. */
  failures = new Set();
  /** Called with what a device says that it has handled. */
  onHandled = () => {};
  faults;
  #offsets = 0;
  #stamp = 0;
  #connections = new Set();

  /** @param {VirtualTime} time @param {() => number} random @param {object} faults probabilities */
  constructor(time, random, faults) {
    Object.assign(this, { time, random, faults });
  }

  get now() { return EPOCH + this.time.now; }
  chance(name) { return this.random() < (this.faults[name] ?? 0); }

  user(name) {
    if (!this.users.has(name)) {
      this.users.set(name, { name, mailbox: [], cursors: new Map(), positions: new Map() });
    }
    return this.users.get(name);
  }

  /** A class of sockets to this server. */
  get WebSocket() {
    const server = this;
    return class {
      constructor(address, protocols) { return new Socket(server, address, protocols); }
    };
  }

  #offset() { this.#offsets += 1; return `${Math.floor(this.now)}-${this.#offsets}`; }

  store(name, frame) {
    const user = this.user(name);
    const offset = this.#offset();
    user.mailbox.push({ ...frame, offset });
    for (const connection of this.#connections) if (connection.user === user) connection.push();
    return offset;
  }

  /** @returns {string | null} the offset; null if it is put off */
  take(from, { id, to, body, copy, quiet, retry }) {
    const at = Math.floor(this.now);
    const known = this.user(to).mailbox.find((entry) => entry.id === id && entry.from === from);
    if (known && retry) return this.#offset();
    const isCopied = copy && to !== from;
    if (!known && this.chance('failed')) {
      this.failures.add(id);
      const offset = this.#offset();
      if (isCopied) {
        this.store(from, { type: 'sent', peerOffset: offset, to, id, at, body, quiet });
      }
      this.store(from, { type: 'failed', to, id, code: 'mailbox_full', message: 'it is full' });
      return offset;
    }
    const offset = this.store(to, { type: 'message', from, id, at, body, quiet });
    if (this.chance('twice')) this.store(to, { type: 'message', from, id, at, body, quiet });
    if (isCopied) this.store(from, { type: 'sent', peerOffset: offset, to, id, at, body, quiet });
    return offset;
  }

  /** @param {string} name @param {string} peer @param {object} news */
  move(name, peer, news) {
    const user = this.user(name);
    const row = user.positions.get(peer) ?? { peer };
    let hasMoved = false;
    for (const [field, offset] of Object.entries(news)) {
      if (row[field] && !isAfter(offset, row[field])) continue;
      row[field] = offset;
      hasMoved = true;
    }
    if (!hasMoved) return;
    this.#stamp += 1;
    row.stamp = this.#stamp;
    user.positions.set(peer, row);
    for (const connection of this.#connections) {
      if (connection.user === user && connection.isWelcome) {
        connection.say({ type: 'position', ...row });
        if (this.chance('twice')) connection.say({ type: 'position', ...row });
      }
    }
  }

  get stamp() { return this.#stamp; }

  opened(connection) {
    for (const other of [...this.#connections]) {
      if (other.user !== connection.user || other.device !== connection.device) continue;
      other.end(4002, 'replaced');
    }
    this.#connections.add(connection);
  }

  closed(connection) { this.#connections.delete(connection); }

  /** All of a device's lines are lost. */
  cut(name, device) {
    for (const connection of [...this.#connections]) {
      if (connection.user.name === name && connection.device === device) connection.break();
    }
  }
}

/** One connection, and the socket of its client. */
class Socket {
  readyState = 0;
  isWelcome = false;
  #server;
  #toServerAt = 0;
  #toClientAt = 0;
  #isMute = false; // Half-open: nothing passes in either direction.
  #isGone = false; // For the client.
  #isClosed = false; // For the server.
  #pushed; // The last offset that was sent.
  #acked;
  #isLive = false;
  /** The sends that were put off and not sent again, in their order. */ #putOff = [];
  #putOffUntil = 0;
  /** Whose copies went to the client, which sends them no more. */ #copies = new Set();

  constructor(server, address, protocols) {
    this.#server = server;
    this.url = String(address);
    const token = protocols[1].replace('connect.bearer.', '');
    const { sub } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
    this.user = server.user(sub);
    const query = new URL(this.url).searchParams;
    this.device = query.get('device');
    const delayMs = 1 + server.random() * 50;
    if (server.chance('refused')) { // 401 and 503 look the same in a browser.
      server.time.at(delayMs, () => this.#gone(1006, ''));
      return;
    }
    server.time.at(delayMs, () => {
      if (this.#isGone) return;
      this.readyState = 1;
      this.onopen?.({});
      this.#isMute = server.chance('mute');
      server.opened(this);
      this.#begin(query.get('since'), Number(query.get('positions') ?? 0));
    });
  }

  // For the client.

  send(text) {
    const frame = JSON.parse(text);
    const { random, time } = this.#server;
    if (this.#server.chance('cut')) return this.break();
    if (this.#server.chance('muteLater')) this.#isMute = true;
    this.#toServerAt = Math.max(this.#toServerAt, time.now + 1 + random() * 60);
    // What is on its way may come long after the client has another connection.
    const lateMs = this.#server.chance('late') ? random() * 2_000 : 0;
    this.#toServerAt += lateMs;
    time.at(this.#toServerAt - time.now, () => {
      if (!this.#isMute && !this.#isClosed) this.#take(frame);
    });
  }

  close() {
    this.#isGone = true;
    this.readyState = 3;
    const { time, random } = this.#server;
    time.at(random() * 3_000, () => this.#close());
  }

  /** The line is lost; the server may read what it has received. */
  break() {
    this.#server.time.at(this.#server.random() * 3_000, () => this.#close());
    this.#gone(1006, '');
  }

  /** The process of the client is gone, with all that it has not written. */
  kill() {
    this.#isGone = true;
    this.#close();
  }

  // For the server.

  say(frame) {
    if (this.#isClosed) return;
    const { random, time } = this.#server;
    this.#toClientAt = Math.max(this.#toClientAt, time.now + 1 + random() * 60);
    time.at(this.#toClientAt - time.now, () => {
      if (this.#isMute || this.#isGone) return;
      if (this.#server.chance('cut')) return this.break();
      this.onmessage?.({ data: JSON.stringify(frame) });
    });
  }

  end(code, reason) {
    this.#close();
    const { time } = this.#server;
    time.at(Math.max(0, this.#toClientAt - time.now) + 1, () => this.#gone(code, reason));
  }

  push() {
    if (!this.isWelcome || this.#isClosed) return;
    const { mailbox } = this.user;
    for (const entry of mailbox) {
      if (!isAfter(entry.offset, this.#pushed)) continue;
      const unacked = mailbox.filter(({ offset }) => (
        isAfter(offset, this.#acked) && !isAfter(offset, this.#pushed))).length;
      if (unacked >= UNACKED) return;
      this.#pushed = entry.offset;
      if (entry.type === 'sent') {
        this.#copies.add(entry.id);
        this.#putOff = this.#putOff.filter(({ id }) => id !== entry.id);
      }
      this.say(entry);
    }
    if (this.#isLive) return;
    this.#isLive = true;
    this.say({ type: 'live', offset: this.#pushed });
  }

  #begin(since, stamp) {
    const server = this.#server;
    const cursor = this.user.cursors.get(this.device) ?? '0-0';
    if (since) this.#handled(since);
    this.#pushed = this.#acked = since ?? cursor;
    this.say({
      type: 'welcome', user: this.user.name, device: this.device, offset: this.#pushed, gap: false,
      pingSeconds: 25, positions: server.stamp, now: server.now, retentionSeconds: 2_592_000,
      limits: { frameBytes: 65_536, unacked: UNACKED, sendsPerSecond: 0, requestsPerSecond: 0,
        signalsPerSecond: 0 },
    });
    for (const row of [...this.user.positions.values()].sort((a, b) => a.stamp - b.stamp)) {
      if (row.stamp > stamp) this.say({ type: 'position', ...row });
    }
    this.isWelcome = true;
    this.push();
  }

  #gone(code, reason) {
    if (this.#isGone) return;
    this.#isGone = true;
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  #close() {
    this.#isClosed = true;
    this.#server.closed(this);
  }

  #handled(offset) {
    this.#server.onHandled(this.user.name, this.device, offset);
    const { cursors, mailbox, name } = this.user;
    const cursor = cursors.get(this.device) ?? '0-0';
    if (isAfter(offset, cursor)) cursors.set(this.device, offset);
    for (const { type, offset: place, from } of mailbox) {
      if (type !== 'message' || isAfter(place, offset) || !isAfter(place, cursor)) continue;
      this.#server.move(from, name, { delivered: place });
    }
  }

  #take(frame) {
    const { mailbox, name } = this.user;
    switch (frame.type) {
      case 'ping': return this.say({ type: 'pong' });
      case 'ack':
        this.#acked = frame.offset;
        this.#handled(frame.offset);
        return this.push();
      case 'send': return this.#send(frame);
      case 'read':
        this.#server.move(name, frame.peer, { mine: frame.offset });
        if (!frame.private) this.#server.move(frame.peer, name, { read: frame.offset });
        return this.say({ stamp: 0, ...this.user.positions.get(frame.peer), type: 'position',
          peer: frame.peer, id: frame.id });
      case 'history': {
        const all = mailbox.filter(({ from, to }) => [from, to].includes(frame.with))
          .filter(({ offset }) => !frame.before || isAfter(frame.before, offset)).reverse();
        const entries = all.slice(0, frame.limit);
        const next = all.length > frame.limit ? entries.at(-1).offset : undefined;
        return this.say({ type: 'history', id: frame.id, entries, next });
      }
      case 'conversations':
        return this.say({ type: 'conversations', id: frame.id, items: this.#list() });
      default:
    }
  }

  #list() {
    const { mailbox, positions } = this.user;
    const peers = new Set([...mailbox].reverse().map(({ from, to }) => from ?? to));
    return [...peers].map((peer) => {
      const { mine, delivered, read } = positions.get(peer) ?? {};
      const last = mailbox.findLast((entry) => (
        entry.type !== 'failed' && !entry.quiet && (entry.from ?? entry.to) === peer));
      const unread = mailbox.filter(({ from, quiet, offset }) => (
        from === peer && !quiet && isAfter(offset, mine ?? '0-0'))).length;
      return { peer, last, unread, mine, delivered, read };
    });
  }

  /** What is put off holds back what follows it to the same user, until it is sent again: see
   * SendOrder.swift. */
  #send(frame) {
    const { id, to } = frame;
    const { now } = this.#server.time;
    if (now >= this.#putOffUntil) this.#putOff = [];
    const first = this.#putOff.find((other) => other.to === to);
    const reject = (code, retryAfterMs) => {
      const isKnown = this.#copies.has(id) || this.#putOff.some((other) => other.id === id);
      if (!isKnown) this.#putOff.push({ id, to });
      this.say({ type: 'rejected', id, code, message: 'later', retryable: true, retryAfterMs });
    };
    const retryAfterMs = Math.floor(this.#server.random() * 300);
    if (first && first.id !== id && !this.#copies.has(id)) return reject('overloaded', retryAfterMs);
    if (this.#server.chance('rejected')) {
      const codes = ['rate_limited', 'overloaded', 'unavailable'];
      const code = codes[Math.floor(this.#server.random() * codes.length)];
      // It may have been stored, and only the answer was lost.
      const isStored = code === 'unavailable' && this.#server.random() < 0.5;
      if (isStored) this.#server.take(this.user.name, frame);
      this.#putOffUntil = now + HOLD_MS + retryAfterMs;
      return reject(code, retryAfterMs);
    }
    if (first?.id === id) {
      this.#putOff.splice(this.#putOff.indexOf(first), 1);
      this.#putOffUntil = now + HOLD_MS;
    }
    this.say({ type: 'accepted', id, offset: this.#server.take(this.user.name, frame) });
  }
}

/** A store that is slow, and full at will. What is written when the process is killed is not there. */
export class SlowStore {
  values = new Map();
  isFull = false;
  #time;
  #random;
  #run = { isKilled: false };

  constructor(time, random) { this.#time = time; this.#random = random; }

  async open() {}
  async load() { await this.#later(); return structuredClone([...this.values]); }
  async write(changes) {
    const copy = structuredClone(changes);
    const run = this.#run;
    await this.#later();
    if (run.isKilled) return new Promise(() => {});
    if (this.isFull) throw new Error('QuotaExceededError');
    for (const [key, value] of copy) {
      if (value === undefined) this.values.delete(key);
      else this.values.set(key, value);
    }
  }
  async clear() { this.values.clear(); }
  async close() {}
  kill() { this.#run.isKilled = true; this.#run = { isKilled: false }; }
  /** Of one process: another one has an object of its own. */
  get ofProcess() {
    return {
      open: () => this.open(), load: () => this.load(), write: (changes) => this.write(changes),
      clear: () => this.clear(), close: () => this.close(),
    };
  }
  #later() { return new Promise((resume) => { this.#time.at(this.#random() * 40, resume); }); }
}
