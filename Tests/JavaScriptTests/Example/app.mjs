// A chat in a terminal: node app.mjs alice ws://localhost:8080/v1/connect, the token in CHAT_TOKEN.
// Lines: `/open bob` opens a conversation, `/earlier` loads more of it, all else is sent to its peer.
import { createInterface } from 'node:readline';
import { ConnectClient } from 'connect-client';
import { FileStore } from 'connect-client/file-store';

const { WebSocket } = globalThis.WebSocket ? globalThis : await import('ws'); // Node before 22.
const [user, url] = process.argv.slice(2);
const client = new ConnectClient({
  url,
  user,
  token: async () => process.env.CHAT_TOKEN, // Yours asks your backend.
  store: new FileStore(process.env.CHAT_FOLDER ?? './chats'),
  WebSocket,
});
let open; // The conversation in view.
let leave = () => {};

const ticks = { waiting: '…', accepted: '✓', delivered: '✓✓', read: '✓✓ read', failed: '✗' };
const textOf = (entry) => entry?.body?.text ?? ''; // A body is any JSON value.

function drawList() {
  const lines = client.conversations.items.map(({ peer, last, unread, unreadIsMore }) => (
    `${peer.isOnline ? '●' : ' '} ${peer.user} (${unread}${unreadIsMore ? '+' : ''}) ${textOf(last)}`));
  console.log(['-- chats --', ...lines].join('\n'));
}

function drawConversation() {
  const lines = open.entries.slice(-10).map((entry) => (entry.isMine
    ? `me: ${textOf(entry)} ${ticks[entry.state]} ${entry.failure?.message ?? ''}`
    : `${entry.from}: ${textOf(entry)}`));
  const { user: peer, isTyping } = open.peer;
  console.log([`-- ${peer} ${isTyping ? 'is typing' : ''} --`, ...lines].join('\n'));
  open.markRead(); // All that is held is in view.
}

function openWith(name) {
  leave();
  open = client.conversation(name);
  leave = open.on('change', drawConversation);
  drawConversation();
}

client.conversations.on('change', drawList);
client.on('state', ({ phase, message = '' }) => console.log(`-- ${phase} ${message} --`));
client.on('error', ({ code, message }) => console.error(code, message));

await client.connect(); // What was stored is there now, online or not.
drawList();
for await (const line of createInterface({ input: process.stdin })) {
  try {
    if (line.startsWith('/open ')) openWith(line.slice(6));
    else if (line === '/earlier') await open.loadEarlier();
    else if (line) open.send({ text: line });
  } catch (error) {
    console.error(error.message);
  }
}
await client.close();
