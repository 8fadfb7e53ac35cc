/// Every limit, wait and default of the client, each with its unit. What the server limits comes
/// with its `welcome`.
public enum ConnectClientLimits {
  /// How long an attempt may take from TCP's connect to the server's `welcome`, in milliseconds.
  public static let openMilliseconds: Int64 = 15_000

  /// How long the server may take to answer a close, in milliseconds.
  public static let closeMilliseconds: Int64 = 2_000

  /// The longest message to take from the server, in bytes. A server that follows the protocol stays
  /// far below: its own limit for a body, and the frame around it.
  public static let frameBytes = 1 << 20

  /// Ping periods of the server without any frame after which a connection counts as dead.
  public static let silentPeriods = 2

  /// The ping periods to believe in, in seconds: a server that says 0 would make the client spin.
  static let pingSeconds = 1...600

  /// The bound of the first wait before connecting again, in milliseconds. The wait itself is drawn
  /// uniformly from zero to the bound, which doubles with each failure.
  public static let backoffBaseMilliseconds: Int64 = 500
  /// The highest bound of that wait, in milliseconds.
  public static let backoffCapMilliseconds: Int64 = 15_000

  /// How long to stay away after a close with 1008, in milliseconds, before the back-off.
  public static let policyPauseMilliseconds: Int64 = 30_000

  /// The longest wait that a server can ask for, with `goodbye`, `Retry-After` or `retryAfterMs`,
  /// in milliseconds.
  public static let askedWaitMilliseconds: Int64 = 600_000

  /// A connection that lived this long ends a series of failures, in milliseconds.
  public static let stableMilliseconds: Int64 = 5_000

  /// How many new tokens in a row may be refused before the client gives up.
  public static let refusedTokens = 2

  /// Messages that are taken from the app and not yet answered by the server. `send` waits beyond.
  /// All of them may have to be sent again, and the server recognises a limited number of repeats.
  public static let unansweredSends = 256

  /// The share of a second's sends that may go at once, in milliseconds. The server allows more: the
  /// rest is for what the network bunches up.
  public static let sendBurstMilliseconds: UInt64 = 500

  /// The shortest wait for the pace, in milliseconds: at a high pace, several messages go together.
  public static let sendTickMilliseconds: UInt64 = 5

  /// How long a request may take, with waits for a connection and repeats, in milliseconds.
  public static let requestMilliseconds: UInt64 = 15_000
  /// Requests that are taken from the app and not yet answered. A further one fails.
  public static let unansweredRequests = 64
  /// Requests that the server works on at one time; the others wait.
  public static let requestsUnderWay = 4
  /// The time of which all requests may go at once, in milliseconds: half of what a server allows, since
  /// the bound is one for all devices of a user.
  public static let requestBurstMilliseconds: UInt64 = 5_000

  /// The wait before a refused watch is asked for again, in milliseconds: it begins with what the server
  /// asks for, and doubles with each refusal up to this.
  public static let watchWaitMilliseconds: UInt64 = 60_000

  /// The time of which all signals may go at once, in milliseconds.
  public static let signalBurstMilliseconds: UInt64 = 2_000
  /// Signals that wait for the pace; beyond, the oldest is dropped.
  public static let waitingSignals = 16
  /// How long a signal may wait for the pace before it is dropped, in milliseconds.
  public static let signalMilliseconds: UInt64 = 6_000

  /// How often `typing` is sent while the user types, in milliseconds.
  public static let typingRepeatMilliseconds: UInt64 = 4_000
  /// How long a peer counts as typing without a repeat, in milliseconds.
  public static let typingMilliseconds: UInt64 = 6_000
  /// Peers that are followed as typing at one time, that are told so, and of whom it is remembered when
  /// their last message came.
  public static let typingPeers = 64

  /// How long acks are gathered, in milliseconds.
  public static let ackMilliseconds: UInt64 = 20
  /// Acks go at once when one of this many parts of the server's window waits for them.
  public static let ackWindowParts = 4

  /// Messages of which sender and id are remembered, to recognise one that comes under a second
  /// offset; 16 bytes each. At least half as many are, which is as far back as a server looks for what
  /// was sent again.
  public static let rememberedMessages = 4_096

  /// Events that wait for a slow consumer before the socket is no longer read.
  public static let bufferedEventsHigh = 256
  /// Events that are left, at most, when the socket is read again.
  public static let bufferedEventsLow = 64

  /// Events that are stored at once, at most.
  static let eventsAtOnce = 64

  /// Messages of conversations that wait for the server's answer, with or without a connection. A further one fails.
  public static let outboxMessages = 1_000
  /// Entries of a conversation that are held; beyond, the oldest are dropped, and can be loaded again.
  public static let heldEntries = 2_000
  /// Entries that are dropped then, at once: counting what is unread among them costs a look at all.
  static let droppedEntries = 250
  /// The newest entries of a conversation that a store keeps.
  public static let storedEntries = 200
  /// Conversations of which a store keeps more than the last message and what was not sent: those with the newest messages.
  public static let storedConversations = 500
  /// Bytes of the bodies of these entries together, at most: those of the conversations with the oldest messages go first.
  public static let storedBodyBytes = 33_554_432
  /// Bytes that are appended to a store, at most, before what is out of date in it goes.
  public static let compactBytes = 67_108_864
  /// Records in a store from which on it is looked whether most are out of date.
  public static let compactRecords = 4_000
  /// The largest file of a ``FileStore`` that is read, in bytes.
  public static let storeBytes = 268_435_456
  /// What is read of it at once, in bytes.
  static let storeReadBytes = 65_536
  /// The wait before the list is asked for where as many requests of the app's wait as may, in milliseconds.
  public static let listRetryMilliseconds: Int64 = 1_000
  /// How long after another device has read a part of what is unread the list is asked for again, in milliseconds.
  public static let relistMilliseconds: Int64 = 2_000
  /// Parts of the list that are asked for then, at most.
  public static let relistParts = 10
  /// How long after it did not come, in milliseconds.
  public static let relistRetryMilliseconds: Int64 = 30_000
  /// Parts of the mailbox without an entry of the conversation after which loading earlier ones returns without.
  public static let emptyPages = 10
  /// Arrivals that wait for their consumer before no further events are taken.
  public static let waitingArrivals = 64
  /// States of the connection that are kept for an observer that is slow.
  public static let observedStates = 16
  /// Problems that are kept for an observer that is slow.
  public static let observedProblems = 16
  /// Signals that are kept for an observer that is slow.
  public static let observedSignals = 64

  /// Bytes that may wait for the socket before sends are held back.
  static let writeBufferHighBytes = 64 * 1024
  static let writeBufferLowBytes = 32 * 1024

  /// The receive buffer of a connection, in bytes: small while it is idle.
  static let receiveBufferMinimumBytes = 64
  static let receiveBufferInitialBytes = 512
  static let receiveBufferMaximumBytes = 16_384

  /// The most that is read of a refusal's body, and of the headers before it, in bytes.
  static let refusalBodyBytes = 4_096
  static let httpHeaderBytes = 16 * 1024
  static let httpHeaderFields = 100
}
