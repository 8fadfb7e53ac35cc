// What an app shows of a conversation: its messages, with the edits, reactions and deletions that
// other messages make to them, and with what they reply to.

/** Reads the body of a message, which may be anything: whatever is not as agreed is left out. */
function read(body) {
  const { text, edit, delete: isDelete, reaction, about, reply, attachments } = Object(body);
  const isText = (value) => typeof value === 'string';
  const keyOf = (it) => (isText(it?.from) && isText(it.id) ? `${it.from} ${it.id}` : undefined);
  return {
    text: isText(text) ? text : '',
    attachments: Array.isArray(attachments) ? attachments.filter((it) => isText(it?.file)) : [],
    reply: keyOf(reply)
      && { key: keyOf(reply), excerpt: isText(reply.excerpt) ? reply.excerpt : '' },
    about: keyOf(about),
    author: about?.from,
    edit: isText(edit) ? edit : undefined,
    isDelete: isDelete === true,
    reaction: isText(reaction) ? reaction : undefined,
  };
}

/** What the entries of a conversation change, by the message that they are about. */
function changesOf(entries) {
  const changes = new Map();
  for (const entry of entries) {
    const { about, author, edit, isDelete, reaction } = read(entry.body);
    if (!about || entry.state === 'failed') continue;
    const change = changes.get(about)
      ?? { isDeleted: false, edit: undefined, reactions: new Map() };
    changes.set(about, change);
    // Only its author edits or deletes a message. The last edit counts; nothing undoes a deletion.
    if (edit !== undefined && entry.from === author) change.edit = edit;
    if (isDelete && entry.from === author) change.isDeleted = true;
    // One for each user: the last, and none if that is empty.
    if (reaction) change.reactions.set(entry.from, reaction);
    else if (reaction === '') change.reactions.delete(entry.from);
  }
  return changes;
}

/** The rows to draw, oldest first: `entry`, `text`, `attachments`, `isEdited`, `isDeleted`,
 * `reactions` (`[user, reaction]`), and `quote` (`text`, `isDeleted`, `isClaim`) of a reply. */
export function fold(entries) {
  const changes = changesOf(entries);
  const held = new Map(entries.map((entry) => [`${entry.from} ${entry.id}`, entry]));

  function quoteOf({ key, excerpt }) {
    const { edit, isDeleted = false } = changes.get(key) ?? {};
    if (isDeleted) return { text: '', isDeleted, isClaim: false };
    const entry = held.get(key);
    if (!entry && edit === undefined) return { text: excerpt, isDeleted, isClaim: true };
    return { text: edit ?? read(entry.body).text, isDeleted, isClaim: false };
  }

  return entries.flatMap((entry) => {
    const { text, attachments, reply, about } = read(entry.body);
    // A change, or something quiet of which this version knows nothing.
    if (about || (entry.isQuiet && !text && !attachments.length)) return [];
    const change = changes.get(`${entry.from} ${entry.id}`) ?? {};
    const { edit, isDeleted = false, reactions = [] } = change;
    return [{
      entry,
      text: isDeleted ? '' : edit ?? text,
      attachments: isDeleted ? [] : attachments,
      quote: isDeleted || !reply ? undefined : quoteOf(reply),
      isEdited: edit !== undefined && !isDeleted,
      isDeleted,
      reactions: isDeleted ? [] : [...reactions],
    }];
  });
}
