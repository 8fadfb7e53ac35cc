// @ts-check
/**
 * @typedef {{ user: string, device: string, connection: string, gateway: string, offset: string,
 *   gap: boolean, pingSeconds: number, positions: number, floor?: string, now: number,
 *   retentionSeconds: number,
 *   limits: { frameBytes: number, unacked: number, sendsPerSecond: number,
 *     requestsPerSecond: number, signalsPerSecond: number } }} Welcome
 *
 * `failures` counts the failed attempts in a row; `until` is in the time of the clock
 * (`performance.now()`); `asked`: the server chose it; `opened` is false if the server was out of
 * reach, or refused, or if there was no token; `message` says what is known of the reason.
 * @typedef {{ phase: 'connecting', failures: number }
 *   | { phase: 'online', live: boolean, welcome: Welcome }
 *   | { phase: 'waiting', until: number, asked: boolean, failures: number, opened: boolean,
 *       code: number, message: string }
 *   | { phase: 'stopped', reason: string, code: number, message: string }} State
 *
 * `rejected` with `retryable` is only news: the client keeps the message and sends it again. Else the
 * message is gone from the outbox.
 * `failed` is about a message that was `accepted`, and can come more than once for one message.
 * `position` has what is known; `floor` stands for `mine` wherever a conversation has none.
 * `restart`: this is another Redis than that of before, or its clock was set back; what comes stands
 * below what was handled, and is new nevertheless.
 * `error` is about no message: a frame that the server did not understand, a `read` or a `signal` or
 * the watch of a presence that it refuses, or the storage.
 * @typedef {{
 *   state?: (state: State) => void,
 *   restart?: (welcome: Welcome) => void,
 *   message?: (frame: { offset: string, from: string, id: string, at: number, body: any,
 *     quiet?: boolean }) => void,
 *   sent?: (frame: { offset: string, peerOffset: string, to: string, id: string, at: number,
 *     body: any, quiet?: boolean }) => void,
 *   position?: (frame: Position) => void,
 *   accepted?: (frame: { id: string, offset: string }) => void,
 *   rejected?: (frame: Rejected) => void,
 *   failed?: (frame: { to: string, id: string, code: string, message: string }) => void,
 *   typing?: (news: { from: string, isTyping: boolean }) => void,
 *   signal?: (frame: { from: string, name: string, at: number, body?: any }) => void,
 *   presence?: (users: Users) => void,
 *   error?: (frame: { code: string, message: string }) => void }} Handlers
 * @typedef {{ id: string, code: string, message: string, retryable: boolean,
 *   retryAfterMs?: number }} Rejected
 * @typedef {{ peer: string, delivered?: string, read?: string, mine?: string, floor?: string,
 *   stamp: number, id?: string }} Position
 *
 * `lastSeen` is in milliseconds since 1970, and absent of who is online or was never seen.
 * @typedef {{ [user: string]: { online: boolean, lastSeen?: number } }} Users
 * An entry of the mailbox in an answer: what the handler of its `type` would be given.
 * @typedef {{ type: 'message' | 'sent' | 'failed', offset: string, id: string, from?: string,
 *   to?: string, peerOffset?: string, at?: number, body?: any, quiet?: boolean, code?: string,
 *   message?: string }} MailboxEntry
 * `last` is absent where it is no longer kept. `next` is the `before` of the next part.
 * @typedef {{ items: { peer: string, last?: MailboxEntry, unread: number, unreadIsMore?: boolean,
 *   delivered?: string, read?: string, mine?: string }[], next?: string }} ConversationPage
 * `entries` may be empty although there is a `next`. `trimmed`: there was more that is no longer kept.
 * @typedef {{ entries: MailboxEntry[], next?: string, trimmed?: boolean }} HistoryPage
 * @typedef {{ frame: any, until: number, isAsked: boolean, refusal?: Rejected,
 *   resolve: (answer: any) => void, reject: (error: ConnectError) => void }} Request
 *
 * `token` is called for each attempt. `user` is who the token will be of, if that is known before.
 * `holdsAcks`: what is told is acknowledged once `acknowledge` says that it is handled.
 * `storage` answers at once, as a page's do. `storageKey` begins the names of all that is stored.
 * @typedef {{ url: string, device?: string, token: () => string | Promise<string>, user?: string,
 *   on?: Handlers, storage?: Pick<Storage, 'getItem' | 'setItem'>, storageKey?: string,
 *   WebSocket?: typeof WebSocket, clock?: import('./clock.js').Clock, holdsAcks?: boolean }} Options
 *
 * `receipt`: `position` is to tell how far the recipient has it. `copy`: the sender's devices get
 * it as `sent`. `quiet`: it does not count as unread, such as an edit of another message.
 * `id`: a name of the caller's own, which no other message of this user has.
 * @typedef {{ receipt?: boolean, copy?: boolean, quiet?: boolean, id?: string }} SendOptions
 * @typedef {{ id: string, to: string, body: any, receipt?: boolean, copy?: boolean,
 *   quiet?: boolean }} Send
 * `sent` and `rejected` are about the present connection: the answer is awaited, or was “later”.
 * `mayBeTaken`: an earlier attempt may have been taken, so the next one must say `retry`.
 * `firstSent`: the time of the first attempt by the server's clock, where that is known.
 * @typedef {{ send: Send, bytes: number, sent: boolean, rejected: boolean, mayBeTaken: boolean,
 *   firstSent?: number }} Entry
 * @typedef {{ peer: string, offset: string, private: boolean, id: string }} Read
 */
export {};
