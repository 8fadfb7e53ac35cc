/** What the tests of the client for JavaScript share: tokens, a WebSocket for any Node, and a storage. */
import { createHmac, randomBytes, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import {
  ConnectClient, ConnectError, FrameClient, MemoryStore, compareOffsets,
} from '../../Sources/ConnectJS/index.js';

export { ConnectClient, ConnectError, FrameClient, MemoryStore, compareOffsets };

/** Of the gateway that the test which started this has; there is none without. */
export const url = process.env.CONNECT_TEST_URL;

/** What its tokens are signed with. */
export const secret = process.env.CONNECT_TEST_SECRET ?? 'of scripts';

export function tokenOf(user, seconds = 600) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + seconds;
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, exp })}`;
  const code = createHmac('sha256', secret).update(signed);
  return `${signed}.${code.digest('base64url')}`;
}

/** The text of a page of the documentation. @param {string} name such as `Protocol.md` */
export const pageOf = (name) => readFileSync(
  new URL(`../../Sources/ConnectCommand/Documentation.docc/${name}`, import.meta.url), 'utf8');

/** How long a condition is waited for, in milliseconds: only a test that fails takes so long. */
const untilMs = 120_000;

/** Waits for a condition, and says which one in vain. */
export async function until(what, condition) {
  for (const end = Date.now() + untilMs; Date.now() < end;) {
    const value = await condition();
    if (value) return value;
    await new Promise((resume) => { setTimeout(resume, 5); });
  }
  throw new Error(`in vain: ${what}`);
}

/** Below those that a system gives to connections, one of which could have a port before its server does,
 * and below those that tests take for their Redis (`LocalRedisLimits.ports`). */
const ports = Object.freeze({ first: 9_200, end: 10_000 });

/** @param {number} port @returns {Promise<boolean>} whether nothing listens there */
const isFree = (port) => new Promise((resolve) => {
  const server = createServer().on('error', () => resolve(false));
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
});

/** @param {number} count @returns {Promise<number>} the first of so many free ports in a row */
export async function freePort(count = 1) {
  for (;;) {
    const port = randomInt(ports.first, ports.end - count);
    const all = Array.from({ length: count }, (_, index) => port + index);
    if ((await Promise.all(all.map(isFree))).every(Boolean)) return port;
  }
}

/** As a page's, and full or forbidden at will. */
export class TestStorage {
  items = new Map();
  fault = null;
  getItem(key) {
    if (this.fault === 'forbidden') throw new Error('SecurityError');
    return this.items.get(key) ?? null;
  }
  setItem(key, value) {
    if (this.fault) throw new Error('QuotaExceededError');
    this.items.set(key, String(value));
  }
  removeItem(key) { this.items.delete(key); }
}

/** As much of a WebSocket as the client uses: Node has one of its own only from 22 on. */
export class TestWebSocket {
  /** All, in the order in which they were made. */
  static all = [];
  readyState = 0;
  sent = [];
  #socket = null;
  #input = Buffer.alloc(0);

  constructor(address, protocols = []) {
    this.url = String(address);
    if (!protocols.every((protocol) => /^[!#$%&'*+.^_`|~\w-]+$/.test(protocol))) {
      throw new SyntaxError('a subprotocol is invalid');
    }
    const [, claims] = protocols[1]?.replace('connect.bearer.', '').split('.') ?? [];
    this.user = claims && JSON.parse(Buffer.from(claims, 'base64url')).sub;
    TestWebSocket.all.push(this);
    const upgrade = request(this.url.replace('ws', 'http'), {
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': 13,
        'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
        ...(protocols.length && { 'Sec-WebSocket-Protocol': protocols.join(', ') }),
      },
    });
    upgrade.on('upgrade', (_, socket, head) => {
      this.#socket = socket;
      this.readyState = 1;
      socket.on('data', (bytes) => this.#read(bytes));
      for (const name of ['close', 'end', 'error']) socket.on(name, () => this.#end(1006, ''));
      this.onopen?.({});
      this.#read(head);
    });
    upgrade.on('response', (response) => { response.resume(); this.#end(1006, ''); });
    upgrade.on('error', () => this.#end(1006, ''));
    upgrade.end();
  }

  send(text) {
    this.sent.push(text);
    this.#write(1, Buffer.from(text));
  }

  close(code = 1000) {
    if (this.readyState === 1) this.#write(8, Buffer.from([code >> 8, code & 255]));
    setImmediate(() => this.#end(code, ''));
  }

  /** The line breaks. */
  cut() { this.#end(1006, ''); }

  #end(code, reason) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.#socket?.end();
    this.onclose?.({ code, reason });
  }

  #write(opcode, payload) {
    const length = payload.length < 126 ? Buffer.from([0x80 | payload.length])
      : payload.length < 65_536 ? Buffer.from([0xfe, payload.length >> 8, payload.length & 255])
      : Buffer.concat([Buffer.from([0xff, 0, 0, 0, 0]), Buffer.alloc(4)]);
    if (payload.length >= 65_536) length.writeUInt32BE(payload.length, 5);
    // A mask of zeros leaves it as it is.
    this.#socket.write(
      Buffer.concat([Buffer.from([0x80 | opcode]), length, Buffer.alloc(4), payload]));
  }

  #read(bytes) {
    this.#input = Buffer.concat([this.#input, bytes]);
    while (this.#input.length >= 2 && this.readyState === 1) {
      const [first, second] = this.#input;
      const start = second < 126 ? 2 : second === 126 ? 4 : 10;
      if (this.#input.length < start) return;
      const length = second < 126 ? second
        : second === 126 ? this.#input.readUInt16BE(2) : this.#input.readUInt32BE(6);
      if (this.#input.length < start + length) return;
      const payload = this.#input.subarray(start, start + length);
      this.#input = this.#input.subarray(start + length);
      const opcode = first & 15;
      if (opcode === 1) this.onmessage?.({ data: payload.toString() });
      if (opcode === 8) {
        this.#end(length ? payload.readUInt16BE(0) : 1005, payload.subarray(2).toString());
      }
      if (opcode === 9) this.#write(10, payload);
    }
  }
}

/** Never gets a connection. */
export class NoWebSocket {
  constructor() { setTimeout(() => this.onclose({ code: 1006, reason: '' })); }
  close() {}
}

/** A server whose frames the test says itself. */
export class ScriptedWebSocket {
  /** All, in the order in which they were made. */
  static all = [];
  readyState = 1;
  sent = [];
  constructor(address) { this.url = String(address); ScriptedWebSocket.all.push(this); }
  send(text) { this.sent.push(JSON.parse(text)); }
  say(frame) { this.onmessage({ data: JSON.stringify(frame) }); }
  close() { this.readyState = 3; }
  cut() { this.readyState = 3; this.onclose({ code: 1006, reason: '' }); }
  /** What was sent of one type. */
  of(type) { return this.sent.filter((frame) => frame.type === type); }
}

const clients = [];
/** Closes all that were made since the last time. */
export function closeAll() { for (const client of clients.splice(0)) client.close(); }

/** A client that notes what it is told. */
export function clientOf(user, options = {}) {
  const told = {};
  const on = {};
  for (const name of
    ['state', 'message', 'sent', 'position', 'accepted', 'rejected', 'failed', 'typing', 'signal',
      'presence', 'error']) {
    told[name] = [];
    on[name] = (value) => { told[name].push(value); options.on?.[name]?.(value); };
  }
  const client = new FrameClient({
    url, device: 'js', token: () => tokenOf(user), WebSocket: TestWebSocket, ...options, on,
  });
  clients.push(client);
  return { client, told };
}

export const isLive = ({ client }) => client.state.phase === 'online' && client.state.live;

/** Connects, and waits until it is live. */
export async function online(user, options) {
  const it = clientOf(user, options);
  it.client.connect();
  await until(`${user} is live`, () => isLive(it));
  return it;
}

/** A client of conversations that notes what it is told.
 * @param {string} user @param {object} options */
export function chatOf(user, options = {}) {
  const client = new ConnectClient({
    url: url ?? 'ws://scripted.example/v1/connect', user, token: () => tokenOf(user),
    WebSocket: ScriptedWebSocket, ...options,
  });
  const problems = [];
  client.on('error', (problem) => problems.push(problem));
  clients.push(client);
  return { client, problems };
}

export const WELCOME = Object.freeze({
  type: 'welcome', offset: '0-0', gap: false, pingSeconds: 25, positions: 0, now: 1_000_000,
  limits: Object.freeze({
    frameBytes: 65_536, unacked: 256, sendsPerSecond: 0, requestsPerSecond: 0, signalsPerSecond: 0,
  }),
});

/** Connects to a script, which welcomes it and is live.
 * @param {object} [news] of the welcome */
export async function scriptedChat(user, options, news) {
  const chat = chatOf(user, options);
  const socket = await welcomedChat(chat.client, news);
  return { ...chat, socket };
}

/** Connects again. @param {object} [news] of the welcome */
export async function welcomedChat(client, news) {
  const count = ScriptedWebSocket.all.length;
  client.connect();
  const socket = await until('it connects', () => ScriptedWebSocket.all[count]);
  socket.say({ ...WELCOME, ...news });
  socket.say({ type: 'live', offset: '0-0' });
  await until('it is live', () => client.state.live);
  return socket;
}

/** Every promise is kept that waits for neither time nor I/O, as those of a store in memory: for what
 * must not happen, since that has no condition to wait for. */
export const microtasks = () => new Promise((resume) => { setImmediate(resume); });

/** A clock that goes on when it is told to. */
export class ManualClock {
  #now = 0;
  #timers = new Set();
  now = () => this.#now;
  setTimeout = (run, ms) => {
    const timer = { run, at: this.#now + ms };
    this.#timers.add(timer);
    return timer;
  };
  clearTimeout = (timer) => { this.#timers.delete(timer); };
  /** @param {number} ms */
  async pass(ms) {
    this.#now += ms;
    for (const timer of [...this.#timers]) {
      if (timer.at <= this.#now && this.#timers.delete(timer)) timer.run();
    }
    await microtasks();
  }
}

/** Waits until a script was sent so many frames of a type, and answers the last.
 * @returns {Promise<object>} that frame */
export async function asked(socket, type, count = 1) {
  await until(`it sends ${count} ${type}`, () => socket.of(type).length >= count);
  return socket.of(type)[count - 1];
}
