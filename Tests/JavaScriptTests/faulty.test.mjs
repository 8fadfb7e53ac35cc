/** Conversations against a gateway that fails in every way, by a seed: each message once and in order.
 * CONNECT_TEST_SEEDS says how many seeds, CONNECT_TEST_SEED which is the first.
 * Run by EndToEndTests/ClientTests.swift. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectClient } from '../../Sources/ConnectJS/index.js';
import { FaultyServer, SlowStore, VirtualTime, isAfter, randomOf } from './faulty.mjs';
import { tokenOf } from './support.mjs';

const FAULTS = {
  refused: 0.15, mute: 0.05, muteLater: 0.003, cut: 0.01, late: 0.02, rejected: 0.05, twice: 0.02,
  failed: 0.02,
};
const SENDS = 40;

/** A device, which can be killed and started again. */
class Device {
  told = new Set();
  problems = [];

  constructor(server, user, name) {
    Object.assign(this, { server, user, name, store: new SlowStore(server.time, server.random) });
    this.start();
  }

  start() {
    const { server, user, name: device, store } = this;
    const clock = this.clock = server.time.clock();
    const sockets = this.sockets = [];
    const { WebSocket } = server;
    this.client = new ConnectClient({
      url: 'ws://faulty.example/v1/connect', user, device, store: store.ofProcess, clock,
      token: () => tokenOf(user),
      WebSocket: class {
        constructor(...all) {
          // A process that is gone opens nothing, though its promises go on here.
          if (clock.isStopped) return { close() {}, send() {} };
          sockets.push(new WebSocket(...all));
          return sockets.at(-1);
        }
      },
    });
    this.client.on('error', (problem) => this.problems.push(problem));
    this.client.connect();
  }

  kill() {
    this.clock.isStopped = true;
    for (const socket of this.sockets) socket.kill();
    this.store.kill();
  }

  /** What is in the store, or else in the conversation. */
  has(entry) {
    const isMine = entry.type === 'sent' || entry.from === this.user;
    const peer = entry.from === undefined ? entry.to : entry.from;
    if (this.store.values.has(`entry/${peer}/${isMine ? 'm' : 't'}/${entry.id}`)) return true;
    if (!this.store.hasBeenFull) return false;
    return this.client.conversation(peer).entries.some(({ id }) => id === entry.id);
  }

  get isQuiet() {
    const { state, conversations } = this.client;
    return state.phase === 'online' && state.live && conversations.items.every(
      ({ entries }) => entries.every((entry) => entry.state !== 'waiting'));
  }
}

async function play(seed) {
  const random = randomOf(seed);
  const [own, time] = [Math.random, new VirtualTime()];
  Math.random = random;
  try {
    const server = new FaultyServer(time, random, { ...FAULTS });
    const devices = [['alice', 'a1'], ['alice', 'a2'], ['bob', 'b1']]
      .map(([user, name]) => new Device(server, user, name));
    const holes = [];
    server.onHandled = (user, name, offset) => {
      const device = devices.find((device) => device.name === name);
      for (const entry of server.user(user).mailbox) {
        if (entry.type === 'failed' || isAfter(entry.offset, offset)) continue;
        if (!device.has(entry)) holes.push(`${name} handled ${offset} without ${entry.offset}`);
      }
    };
    const isFullAtTimes = seed % 5 === 0;
    const ledger = [];
    for (let number = 0; number < SENDS; number += 1) {
      const device = devices[Math.floor(random() * devices.length)];
      const peer = device.user === 'alice' ? 'bob' : 'alice';
      const conversation = device.client.conversation(peer);
      const { id } = conversation.send({ number }, { quiet: random() < 0.1 });
      ledger.push({ id, number, device, from: device.user, isKept: false });
      if (random() < 0.2) conversation.markRead();
      await time.pass(random() * 1_500);
      const other = devices[Math.floor(random() * devices.length)];
      if (isFullAtTimes) {
        other.store.isFull = random() < 0.3;
        other.store.hasBeenFull ||= other.store.isFull;
      }
      if (!isFullAtTimes && random() < 0.08) {
        other.kill();
        for (const item of ledger.filter(({ device }) => device === other)) {
          item.isKept ||= [...other.store.values.keys()].some((key) => key.endsWith(`/m/${item.id}`));
          item.isLost ||= !item.isKept;
        }
        other.start();
      }
    }
    server.faults = {};
    for (const { store } of devices) store.isFull = false;
    const failed = () => devices.flatMap(({ client }) => client.conversations.items)
      .flatMap((conversation) => conversation.entries.filter(({ state }) => state === 'failed')
        .map(({ id, failure }) => ({ conversation, id, code: failure.code })));
    assert.ok(
      await time.until(() => devices.every((it) => it.isQuiet), 600_000), 'all is answered');
    await time.pass(10_000);
    const isKnown = failed().every(({ code }) => code !== 'lost');
    assert.ok(isKnown || isFullAtTimes, 'what waits is in the outbox');
    for (const { conversation, id } of failed()) {
      if (conversation.entries.find((entry) => entry.id === id)?.state === 'failed') {
        conversation.retry(id);
      }
      await time.pass(5_000);
    }
    const isEven = () => devices.every((it) => it.isQuiet) && failed().length === 0;
    assert.ok(await time.until(isEven, 600_000), 'what failed was sent again');
    await time.pass(60_000);
    check(server, devices, ledger, holes);
    await Promise.all(devices.map(async ({ client }) => {
      const isClosed = client.close();
      await time.pass(1_000);
      await isClosed;
    }));
  } finally {
    Math.random = own;
  }
}

function check(server, devices, ledger, holes) {
  assert.deepEqual(holes, [], 'nothing is acknowledged that is not kept');
  for (const { client, user, name } of devices) {
    const peer = user === 'alice' ? 'bob' : 'alice';
    const { entries, unread } = client.conversation(peer);
    const { mailbox, positions } = server.user(user);
    const ids = entries.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, `${name} shows each once`);
    const stored = new Set(mailbox.filter(({ type }) => type !== 'failed').map(({ id }) => id));
    assert.deepEqual(new Set(ids), stored, `${name} shows all that was stored`);
    for (const { id, isLost } of ledger) {
      if (!isLost) assert.ok(stored.has(id), `${name}: ${id} was not lost`);
    }
    const numbers = (from, device) => entries.filter((entry) => entry.from === from)
      .map(({ id }) => ledger.find((item) => item.id === id))
      .filter((item) => item.device === device && !server.failures.has(item.id))
      .map(({ number }) => number);
    for (const device of devices) {
      const order = numbers(device.user, device);
      const written = [...order].sort((a, b) => a - b);
      assert.deepEqual(order, written, `${name} shows ${device.name} in order`);
    }
    const { mine = '0-0' } = positions.get(peer) ?? {};
    // Where the list's number counts, an entry that is in the mailbox twice counts twice.
    const listed = mailbox.filter(({ from, quiet, offset }) => (
      from === peer && !quiet && isAfter(offset, mine))).length;
    const held = entries.filter((entry) => (
      !entry.isMine && !entry.isQuiet && isAfter(entry.offset, mine))).length;
    assert.ok(held <= unread && unread <= listed, `${name} counts ${unread}, not ${held}`);
    for (const entry of entries) {
      const states = entry.isMine ? ['delivered', 'read'] : ['received', 'read'];
      assert.ok(states.includes(entry.state), `${name}: ${entry.id} is ${entry.state}`);
    }
  }
  const [here, there] = devices.map(({ client }) => client.conversation('bob'));
  assert.deepEqual(
    here.entries.map(({ id }) => id), there.entries.map(({ id }) => id), 'one order on all devices');
}

const seeds = Number(process.env.CONNECT_TEST_SEEDS ?? 50);
const first = Number(process.env.CONNECT_TEST_SEED ?? 1);
test(`each message comes once and in order, by ${seeds} seeds`, async () => {
  const failures = [];
  for (let seed = first; seed < first + seeds; seed += 1) {
    try {
      await play(seed);
    } catch (error) {
      failures.push(`seed ${seed}: ${error.message}`);
    }
  }
  assert.deepEqual(failures, []);
});
