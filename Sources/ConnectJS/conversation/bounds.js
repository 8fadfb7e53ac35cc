// @ts-check
/** Every wait and bound of conversations and of what is stored, in one place. */
export const BOUNDS = Object.freeze({
  pageEntries: 50, // Of history, unless `loadEarlier` says more or less; a server takes 1 to 100.
  emptyPages: 5, // In a row, before `loadEarlier` gives up for now.
  listItems: 20, // Of the list of conversations at a time.
  heldEntries: 5_000, // Of one conversation in memory; history has the older ones.
  storedEntries: 200, // Of one conversation, the newest, beside what is not sent.
  storedConversations: 200, // The newest; the list has the others.
  failures: 100, // Of messages that history has not brought yet, of one conversation.
  outgoing: 256, // Messages whose fate is told by their `Outgoing`, of one conversation.
  earlySends: 256, // Before the store is open.
  relistMs: 2_000, // The list is asked for again at most this often.
  relistParts: 10, // Of it, as far down as a count is of before.
  relistRetryMs: 30_000, // After it did not come.
  lockMs: 1_000, // For another client to let go of the store, as a page that is reloaded does.
  lockPollMs: 50, // Between two looks at a lock file.
  storeMs: 10_000, // Opening a store, and each write.
  storeRetryMs: 5_000, // After a write failed.
  watched: 100, // Users whose presence is watched; a server takes no more.
});
