/** A name of 1 to 128 of A-Z a-z 0-9 . _ - @ + : */
export type UserName = string;

/** A JSON value. */
export type Json =
  | null | boolean | number | string | readonly Json[]
  | { readonly [name: string]: Json | undefined };

// The app's objects

export interface ClientOptions {
  /** Of the gateways: `wss://…/v1/connect`. */
  url: string;
  /** Whom the tokens are of. Another user gets another client, and sees nothing of this one's. */
  user: UserName;
  /** A name that is kept, 1 to 64 of A-Z a-z 0-9 . _ -. Without one, one is made up and kept in the
   * store; without a store it is `default`. */
  device?: string;
  /** Asked for each connection. */
  token: () => string | Promise<string>;
  /** Where it keeps what outlives the client: in memory, unless it is given. */
  store?: Store;
  /** Where there is none, as in Node before 22. */
  WebSocket?: unknown;
  clock?: Clock;
}

/** The chats of one user on one device. */
export class ConnectClient {
  /** @throws {TypeError} */
  constructor(options: ClientOptions);
  readonly user: UserName;
  /** The state of the connection. */
  readonly state: State;
  readonly conversations: ConversationList;
  /** Fulfilled once what the store holds is in the conversations. Never rejected. */
  readonly opened: Promise<void>;
  /** The conversation with a user: always the same object. @throws {TypeError} */
  conversation(user: UserName): Conversation;
  /** Connects now: at first, after `stopped`, or instead of waiting longer. While it is online, asks
   * whether the line is still alive: as an app comes to the foreground. Fulfilled as `opened`.
   * @throws {ConnectError} when it was closed */
  connect(): Promise<void>;
  /** Ends everything. What was not sent is in the store, and is sent at the next start. `forget`: what
   * the store holds of this user is removed, as when they sign out; `error` tells where it cannot be. */
  close(options?: { forget?: boolean }): Promise<void>;
  /** Passes something on to the devices of a user that are connected now, or drops it.
   * @throws {TypeError | RangeError} */
  signal(to: UserName, name: string, body?: Json): void;
  /** Each returns what removes the listener again. */
  on(name: 'state', listener: (state: State) => void): () => void;
  on(name: 'error', listener: (problem: Problem) => void): () => void;
  on(name: 'signal', listener: (signal: Signal) => void): () => void;
  on(name: 'change', listener: (client: ConnectClient) => void): () => void;
  off(name: 'state' | 'error' | 'signal' | 'change', listener: (value: any) => void): void;
  changes(): AsyncIterableIterator<ConnectClient>;
}

/** The conversations, those with the newest message first. */
export class ConversationList {
  private constructor();
  /** The same array until something changes. */
  readonly items: readonly Conversation[];
  /** How many messages are unread in all that is listed. */
  readonly unread: number;
  /** Whether `loadMore` may bring more. */
  readonly hasMore: boolean;
  /** Rejected with a `ConnectError`. */
  loadMore(): Promise<void>;
  on(name: 'change', listener: (list: ConversationList) => void): () => void;
  off(name: 'change', listener: (list: ConversationList) => void): void;
  changes(): AsyncIterableIterator<ConversationList>;
}

/** The conversation with one user. */
export class Conversation {
  private constructor();
  readonly peer: Peer;
  /** All that is held, oldest first. The same array until something changes. */
  readonly entries: readonly Entry[];
  /** The newest entry that is not quiet. */
  readonly last: Entry | undefined;
  readonly unread: number;
  /** There may be more unread than `unread` says. */
  readonly unreadIsMore: boolean;
  /** Whether `loadEarlier` may bring more. */
  readonly hasEarlier: boolean;
  /** There was more before the first entry, which the server no longer keeps. */
  readonly isTrimmed: boolean;
  /** Asks for earlier messages, 1 to 100 at a time; they are then among `entries`. Fulfilled with
   * what is new, rejected with a `ConnectError`. */
  loadEarlier(limit?: number): Promise<readonly Entry[]>;
  /** Sends any JSON value: now, or once there is a connection. `quiet`: it counts as unread nowhere.
   * @throws {TypeError | RangeError | ConnectError} */
  send(body: unknown, options?: { quiet?: boolean }): Outgoing;
  /** Sends a message that has failed again, as the newest. @throws {RangeError} */
  retry(id: string): Outgoing;
  /** Forgets a message that has failed. @throws {RangeError} */
  discard(id: string): void;
  /** The user has read what is held, or up to an entry, such as `last`. `private`: the peer is not
   * told. */
  markRead(upTo?: Entry, options?: { private?: boolean }): void;
  /** The user is typing: to be called at each key. */
  typing(): void;
  on(name: 'change', listener: (conversation: Conversation) => void): () => void;
  off(name: 'change', listener: (conversation: Conversation) => void): void;
  /** This object, now and after each change. It ends with the client. */
  changes(): AsyncIterableIterator<Conversation>;
}

export interface Peer {
  readonly user: UserName;
  readonly isTyping: boolean;
  /** Undefined while it is not known: without a connection, or while nobody observes them. */
  readonly isOnline: boolean | undefined;
  /** In milliseconds since 1970. */
  readonly lastSeen: number | undefined;
}

/** `waiting`, `accepted`, `delivered`, `read` and `failed` are of the user's own; `received` and `read`
 * of the peer's. */
export type EntryState = 'waiting' | 'accepted' | 'delivered' | 'read' | 'failed' | 'received';

export interface Entry {
  readonly id: string;
  readonly from: UserName;
  readonly to: UserName;
  readonly isMine: boolean;
  readonly body: any;
  /** In milliseconds since 1970: the server's, or this device's while it waits. */
  readonly at: number;
  /** Its place in the user's mailbox, once it is there. */
  readonly offset?: string;
  readonly isQuiet: boolean;
  readonly state: EntryState;
  /** Why it failed: the server's code, `too_large`, or `lost`. */
  readonly failure?: { readonly code: string; readonly message: string };
}

/** A message of the user's own, and what becomes of it. */
export class Outgoing {
  private constructor();
  readonly id: string;
  /** As it is now. */
  readonly entry: Entry;
  /** Fulfilled when the message is durable; rejected with a `ConnectError` when it is refused, or the
   * client is closed before. It need not be waited for. */
  readonly accepted: Promise<Entry>;
  /** Sends it again, after it has failed. @throws {RangeError} */
  retry(): Outgoing;
  on(name: 'change', listener: (outgoing: Outgoing) => void): () => void;
  off(name: 'change', listener: (outgoing: Outgoing) => void): void;
  changes(): AsyncIterableIterator<Outgoing>;
}

export type State =
  | { readonly phase: 'connecting'; readonly failures: number }
  | { readonly phase: 'online'; readonly live: boolean; readonly welcome: Welcome }
  | {
      readonly phase: 'waiting'; readonly until: number; readonly asked: boolean;
      readonly failures: number; readonly opened: boolean; readonly code: number;
      readonly message: string;
    }
  | {
      readonly phase: 'stopped'; readonly reason: StopReason; readonly code: number;
      readonly message: string;
    };

/** `closed`: by `close`, or not yet connected; `expired`: `token` gave the token again that had
 * expired; `user`: it gave one of another user; `replaced`: the device is connected elsewhere;
 * `devices`: the user has too many; `fault`: the server did not understand this client. */
export type StopReason = 'closed' | 'expired' | 'user' | 'replaced' | 'devices' | 'fault';

export interface Welcome {
  user: UserName; device: string; connection: string; gateway: string; offset: string;
  gap: boolean; pingSeconds: number; positions: number; floor?: string; now: number;
  retentionSeconds: number;
  limits: {
    frameBytes: number; unacked: number; sendsPerSecond: number; requestsPerSecond: number;
    signalsPerSecond: number;
  };
}

/** `code` is the server's, or `storage_full`, `storage_damaged`, `storage_unavailable`. */
export interface Problem { code: string; message: string }

export interface Signal { from: UserName; name: string; at: number; body?: any }

/** Why something was not done. `code` is the server's, or `unavailable`, `full` or `closed`. */
export class ConnectError extends Error {
  constructor(code: string, message: string, retryAfterMs?: number);
  readonly code: string;
  readonly retryAfterMs?: number;
}

// Stores

/** Where a client keeps what outlives it. It is opened for one owner, whose values no other owner
 * sees, and fails to open while another client has them; then loaded; then written to, one call at a
 * time. A write is done whole or not at all, and a value of undefined removes its key. Values are what
 * JSON holds. `close` may follow an `open` that failed. */
export interface Store {
  open(owner: string): Promise<void>;
  load(): Promise<[string, any][]>;
  write(changes: [string, any][]): Promise<void>;
  /** Forgets the owner's values. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** Keeps what it is given as long as the process lives. */
export class MemoryStore implements Store {
  open(owner: string): Promise<void>;
  load(): Promise<[string, any][]>;
  write(changes: [string, any][]): Promise<void>;
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** Keeps what it is given in the browser's IndexedDB. Of one owner's, one tab or worker at a time has it
 * open: `open` of another one fails after 1 s. That needs Web Locks, which pages have that come by TLS. */
export class IndexedDBStore implements Store {
  /** @throws {TypeError} where there is no IndexedDB */
  constructor(options?: { name?: string; indexedDB?: unknown; locks?: unknown });
  open(owner: string): Promise<void>;
  load(): Promise<[string, any][]>;
  write(changes: [string, any][]): Promise<void>;
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** `now` is in milliseconds, and never steps back. */
export interface Clock {
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: any): void;
}

// Frames

export interface SendOptions { receipt?: boolean; copy?: boolean; quiet?: boolean; id?: string }

export interface FrameMessage {
  offset: string; from: UserName; id: string; at: number; body: any; quiet?: boolean;
}
export interface FrameCopy {
  offset: string; peerOffset: string; to: UserName; id: string; at: number; body: any;
  quiet?: boolean;
}
export interface Position {
  peer: UserName; delivered?: string; read?: string; mine?: string; floor?: string; stamp: number;
  id?: string;
}
export interface MailboxEntry {
  type: 'message' | 'sent' | 'failed'; offset: string; id: string; from?: UserName; to?: UserName;
  peerOffset?: string; at?: number; body?: any; quiet?: boolean; code?: string; message?: string;
}
export interface ConversationPage {
  items: {
    peer: UserName; last?: MailboxEntry; unread: number; unreadIsMore?: boolean; delivered?: string;
    read?: string; mine?: string;
  }[];
  next?: string;
}
export interface HistoryPage { entries: MailboxEntry[]; next?: string; trimmed?: boolean }
export interface Users { [user: string]: { online: boolean; lastSeen?: number } }

export interface FrameHandlers {
  state?(state: State): void;
  restart?(welcome: Welcome): void;
  message?(frame: FrameMessage): void;
  sent?(frame: FrameCopy): void;
  position?(frame: Position): void;
  accepted?(frame: { id: string; offset: string }): void;
  rejected?(frame: {
    id: string; code: string; message: string; retryable: boolean; retryAfterMs?: number;
  }): void;
  failed?(frame: { to: UserName; id: string; code: string; message: string }): void;
  typing?(news: { from: UserName; isTyping: boolean }): void;
  signal?(frame: Signal): void;
  presence?(users: Users): void;
  error?(problem: Problem): void;
}

/** The frames themselves, for who builds other objects than conversations on them: its outbox,
 * acknowledgements and reconnecting are those of `ConnectClient`. See `core/frames.js`. */
export class FrameClient {
  constructor(options: {
    url: string; device?: string; token: () => string | Promise<string>; user?: UserName;
    on?: FrameHandlers;
    storage?: { getItem(key: string): string | null; setItem(key: string, value: string): void };
    storageKey?: string; WebSocket?: unknown; clock?: Clock; holdsAcks?: boolean;
  });
  static frameBytes(to: UserName, body: unknown, options?: SendOptions): number;
  readonly state: State;
  readonly unanswered: string[];
  readonly outbox: ({ id: string; to: UserName; body: any } & SendOptions)[];
  connect(): void;
  close(): void;
  send(to: UserName, body: unknown, options?: SendOptions): string;
  sendAgain(id: string, to: UserName, body: unknown, options?: SendOptions): void;
  read(peer: UserName, offset: string, options?: { private?: boolean }): void;
  acknowledge(offset: string): void;
  conversations(options?: { limit?: number; before?: string }): Promise<ConversationPage>;
  history(options?: { with?: UserName; before?: string; limit?: number }): Promise<HistoryPage>;
  presence(users: UserName[]): Promise<Users>;
  watchPresence(users: UserName[]): void;
  typing(to: UserName): void;
  signal(to: UserName, name: string, body?: Json): void;
}

/** Negative, zero or positive, as offset `a` is before, at or after `b`. */
export function compareOffsets(a: string, b: string): number;
export function isUserName(name: unknown): name is UserName;
