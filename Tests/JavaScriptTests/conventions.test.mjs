/** Edits, reactions, deletions, replies and attachments, as Conventions.md has them: its examples
 * are what is tested here. Run by EndToEndTests/ClientTests.swift. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, test } from 'node:test';
import { fold } from './Example/fold.mjs';
import {
  TestWebSocket, chatOf, closeAll, pageOf, scriptedChat, until, url,
} from './support.mjs';

afterEach(closeAll);

const page = pageOf('Conventions.md');

/** A message between alice and bob, as a client of alice's shows it. */
function entryOf(from, id, body, news = {}) {
  const isMine = from === 'alice';
  return {
    id, from, to: isMine ? 'bob' : 'alice', isMine, body, at: 0, isQuiet: body.about !== undefined,
    state: isMine ? 'accepted' : 'received', ...news,
  };
}
const about = (from, id) => ({ about: { from, id } });
const first = entryOf('alice', 'm-1', { text: 'Helo' });

test('the page shows the code that is tested', () => {
  const source = readFileSync(new URL('Example/fold.mjs', import.meta.url), 'utf8');
  assert.ok(page.includes(source));
});

test('the last edit of its author counts, that of somebody else does not', () => {
  const [row, ...more] = fold([
    first,
    entryOf('alice', 'm-2', { edit: 'Hello', ...about('alice', 'm-1') }),
    entryOf('alice', 'm-3', { edit: 'Hello!', ...about('alice', 'm-1') }),
    entryOf('bob', 'm-4', { edit: 'I owe you', ...about('alice', 'm-1') }),
    entryOf('bob', 'm-5', { delete: true, ...about('alice', 'm-1') }),
  ]);
  assert.deepEqual([row.text, row.isEdited, row.isDeleted, more], ['Hello!', true, false, []]);
});

test('ids are of one sender: an edit does not touch a message of the other with the same id', () => {
  const rows = fold([
    first, entryOf('bob', 'm-1', { text: 'Hi' }),
    entryOf('bob', 'm-2', { edit: 'Hi!', ...about('bob', 'm-1') }),
  ]);
  assert.deepEqual(rows.map(({ text }) => text), ['Helo', 'Hi!']);
});

test('nothing undoes a deletion, neither an edit behind it nor a reaction', () => {
  const [row] = fold([
    entryOf('alice', 'm-1', { text: 'Look', attachments: [{ file: 'f-1' }] }),
    entryOf('bob', 'm-1', { reaction: '👍', ...about('alice', 'm-1') }),
    entryOf('alice', 'm-2', { delete: true, ...about('alice', 'm-1') }),
    entryOf('alice', 'm-3', { edit: 'Hello', ...about('alice', 'm-1') }),
  ]);
  assert.deepEqual(
    [row.text, row.attachments, row.isDeleted, row.isEdited, row.reactions],
    ['', [], true, false, []]);
});

test('each user has one reaction to a message: the last, and none if that is empty', () => {
  const reactions = [
    entryOf('alice', 'm-2', { reaction: '👍', ...about('alice', 'm-1') }),
    entryOf('bob', 'm-2', { reaction: '👍', ...about('alice', 'm-1') }),
    entryOf('bob', 'm-3', { reaction: '🎉', ...about('alice', 'm-1') }),
  ];
  assert.deepEqual(fold([first, ...reactions])[0].reactions, [['alice', '👍'], ['bob', '🎉']]);
  const back = entryOf('alice', 'm-4', { reaction: '', ...about('alice', 'm-1') });
  assert.deepEqual(fold([first, ...reactions, back])[0].reactions, [['bob', '🎉']]);
});

test('what is about a message may come before it, and is applied when that is shown', () => {
  const edit = entryOf('alice', 'm-2', { edit: 'Hello', ...about('alice', 'm-1') });
  assert.deepEqual(fold([edit]), []);
  assert.equal(fold([edit, { ...first, state: 'waiting' }])[0].text, 'Hello');
});

test('an edit that has failed changes nothing', () => {
  const body = { edit: 'Hello', ...about('alice', 'm-1') };
  const [row, ...more] = fold([first, entryOf('alice', 'm-2', body, { state: 'failed' })]);
  assert.deepEqual([row.text, row.isEdited, more], ['Helo', false, []]);
});

test('a reply quotes what is held, as it reads now, and else what its sender claims', () => {
  const reply = entryOf('bob', 'm-9', {
    text: 'Hi!', reply: { from: 'alice', id: 'm-1', excerpt: 'I owe you' },
  });
  const edit = entryOf('alice', 'm-2', { edit: 'Hello', ...about('alice', 'm-1') });
  const deletion = entryOf('alice', 'm-3', { delete: true, ...about('alice', 'm-1') });
  const quoteOf = (entries) => fold(entries).at(-1).quote;
  const quote = (text, isClaim = false, isDeleted = false) => ({ text, isDeleted, isClaim });
  assert.deepEqual(quoteOf([first, reply]), quote('Helo'));
  assert.deepEqual(quoteOf([first, edit, reply]), quote('Hello'));
  // It is trimmed, and what came after it is not.
  assert.deepEqual(quoteOf([reply]), quote('I owe you', true));
  assert.deepEqual(quoteOf([edit, reply]), quote('Hello'));
  assert.deepEqual(quoteOf([deletion, reply]), quote('', false, true));
});

test('a body that is not as agreed breaks nothing', () => {
  const odd = [
    null, 7, 'text', [], { text: 7 }, { edit: 'x', about: null }, { about: { from: 'bob' } }, { attachments: 'all' }, { attachments: [null, { file: 7 }] }, { reply: 'm-1' },
  ];
  const rows = fold(odd.map((body, index) => ({ ...entryOf('bob', `m-${index}`, {}), body })));
  assert.deepEqual(rows.map(({ text, attachments, quote }) => [text, attachments, quote]),
    odd.map(() => ['', [], undefined]));
  const { text } = fold([{ ...entryOf('bob', 'm-1', { vote: 1 }), isQuiet: true }])[0] ?? {};
  assert.equal(text, undefined, 'what is quiet and unknown is not shown');
});

/** The examples of the page: JSON by which a body is described, in its order. */
const bodies = [...page.matchAll(/^```json\n(.*?)^```/gms)].map(([, text]) => JSON.parse(text));

test('the bodies of the page are those that the fold reads', async () => {
  assert.equal(bodies.length, 6);
  const { client, socket } = await scriptedChat('alice');
  const conversation = client.conversation('bob');
  for (const [index, body] of bodies.entries()) {
    socket.say({
      type: 'message', offset: `${index + 1}-0`, from: 'bob', id: `m-${index + 1}`, at: 1, body,
      ...(body.about && { quiet: true }),
    });
  }
  const [message, reply, attached, ...more] = fold(conversation.entries);
  assert.deepEqual(more, []);
  assert.deepEqual([message.isDeleted, message.text], [true, '']);
  assert.deepEqual(reply.quote, { text: '', isDeleted: true, isClaim: false });
  assert.equal(attached.attachments[0].type, 'image/jpeg');
  assert.equal(conversation.unread, 3, 'changes are not unread');
});

test('an edit and a reaction reach the peer and the own devices', { skip: !url }, async () => {
  const run = Math.random().toString(36).slice(2);
  const [alice, laptop, bob] = [['alice', 'phone'], ['alice', 'laptop'], ['bob', 'phone']]
    .map(([user, device]) => chatOf(`${user}.${run}`, { device, WebSocket: TestWebSocket }).client);
  for (const client of [alice, laptop, bob]) client.connect();
  const [here, there, his] = [
    alice.conversation(bob.user), laptop.conversation(bob.user), bob.conversation(alice.user)];
  const message = await here.send({ text: 'Helo' }).accepted;
  const change = { about: { from: message.from, id: message.id } };
  await here.send({ edit: 'Hello', ...change }, { quiet: true }).accepted;
  await his.send({ reaction: '👍', ...change }, { quiet: true }).accepted;
  for (const conversation of [here, there, his]) {
    // The reaction may be there before the edit, where it was sent.
    await until('it is changed', () => {
      const [message] = fold(conversation.entries);
      return message?.text === 'Hello' && message.reactions.length === 1;
    });
    const [{ reactions }, ...more] = fold(conversation.entries);
    assert.deepEqual([reactions, more], [[[bob.user, '👍']], []]);
    assert.equal(conversation.last.body.text, 'Helo', 'changes are not the last message');
  }
  assert.equal(his.unread, 1);
});
