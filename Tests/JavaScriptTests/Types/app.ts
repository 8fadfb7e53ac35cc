/** What an app writes, for the compiler to check against the types of the package. It never runs. */
import {
  ConnectClient, ConnectError, Conversation, ConversationList, Entry, FrameClient, IndexedDBStore,
  MemoryStore, Outgoing, Store, compareOffsets, isUserName,
} from 'connect-client';
import { FileStore } from 'connect-client/file-store';

class OwnStore implements Store {
  #values = new Map<string, unknown>();
  async open(_owner: string) {}
  async load(): Promise<[string, unknown][]> { return [...this.#values]; }
  async write(changes: [string, unknown][]) {
    for (const [key, value] of changes) this.#values.set(key, value);
  }
  async clear() { this.#values.clear(); }
  async close() {}
}

const stores: Store[] = [
  new MemoryStore(), new IndexedDBStore({ name: 'chats' }), new FileStore('./chats'), new OwnStore(),
];
const client = new ConnectClient({
  url: 'wss://chat.example.com/v1/connect',
  user: 'alice',
  token: async () => (await fetch('/my/chat-token')).text(),
  store: stores[0],
  WebSocket,
});

const leave: () => void = client.on('state', (state) => {
  if (state.phase === 'online') console.log(state.live, state.welcome.limits.frameBytes);
  if (state.phase === 'waiting') console.log(state.until, state.message);
  if (state.phase === 'stopped' && state.reason === 'replaced') console.log(state.message);
  // @ts-expect-error: only a connection that is online has a welcome.
  console.log(state.welcome);
});
client.on('error', ({ code, message }) => console.warn(code, message));
client.on('signal', ({ from, name, body }) => console.log(from, name, body));
// @ts-expect-error: there is no such event.
client.on('message', () => {});

function row({ peer, last, unread, unreadIsMore }: Conversation): string {
  const seen = peer.lastSeen === undefined ? '' : new Date(peer.lastSeen).toISOString();
  const count = `${unread}${unreadIsMore ? '+' : ''}`;
  return `${peer.user} ${peer.isOnline ?? 'unknown'} ${seen} ${last?.body} ${count}`;
}

function tick({ state, failure }: Entry): string {
  switch (state) {
    case 'waiting': case 'accepted': case 'delivered': case 'read': case 'received': return state;
    case 'failed': return failure?.message ?? '';
  }
}

async function main(): Promise<void> {
  await client.connect();
  const list: ConversationList = client.conversations;
  list.on('change', ({ items }) => console.log(items.map(row)));
  if (list.hasMore) await list.loadMore();
  const bob = client.conversation('bob');
  const outgoing: Outgoing = bob.send({ text: 'hello' }, { quiet: false });
  outgoing.on('change', ({ entry }) => console.log(tick(entry)));
  try {
    const entry: Entry = await outgoing.accepted;
    bob.markRead(entry, { private: true });
  } catch (error) {
    if (error instanceof ConnectError && error.code !== 'closed') outgoing.retry();
  }
  const earlier: readonly Entry[] = await bob.loadEarlier(20);
  console.log(earlier.map(({ at }) => at), bob.hasEarlier, bob.isTrimmed);
  bob.typing();
  bob.discard(outgoing.id);
  client.signal('bob', 'call.ring', { room: 7, tags: ['a', null] });
  for await (const { entries } of bob.changes()) {
    console.log(entries.map(tick));
    // @ts-expect-error: entries do not change.
    entries.push(entries[0]);
  }
  leave();
  await client.close();
}

const frames = new FrameClient({
  url: 'wss://chat.example.com/v1/connect',
  token: () => 'a token',
  storage: sessionStorage,
  on: { message: ({ offset, body }) => console.log(compareOffsets(offset, '0-0'), body) },
});
const id: string = frames.send('bob', { text: 'hello' }, { receipt: true });
if (isUserName(id)) main().catch(console.error);
