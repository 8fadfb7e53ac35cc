/// A frame that a server sends, as a client sees it.
public enum ServerFrame: Hashable, Sendable {
  /// First of all: who the server takes the client for, and where replay starts.
  case welcome(Welcome)
  /// The replay has caught up with this offset.
  case live(Offset)
  /// A message for this user.
  case message(Message)
  /// A message that this user sent with `copy`.
  case sent(Sent)
  /// How far a conversation is delivered and read.
  case position(Position)
  /// A part of the list of conversations.
  case conversations(Conversations)
  /// A part of the mailbox.
  case history(History)
  /// Somebody passes something on, such as that they are typing.
  case signal(Signal)
  /// Who is online.
  case presence(Presence)
  /// The message is durable; the offset is the one its recipient will see.
  case accepted(id: MessageID, offset: Offset)
  /// The message was not taken.
  case rejected(Rejected)
  /// The answer to a ping.
  case pong(id: String?)
  /// A planned close follows; see `CloseCode`.
  case goodbye(code: UInt16, reconnectAfterMilliseconds: Int)
  /// A frame made no sense to the server; see `RejectionCode`.
  case error(code: String, message: String)
  /// A message that was accepted could not be stored.
  case failed(Failed)
  /// A frame of a newer server: to be ignored. With an offset it is an entry of the mailbox, and
  /// acked like any other.
  case unknown(type: String, offset: Offset?)
}

extension ServerFrame {
  /// The first frame of a connection.
  public struct Welcome: Hashable, Sendable {
    /// The user that the token names.
    public var user: UserName
    /// The device that was asked for.
    public var device: DeviceName
    /// The connection's name in the server's logs.
    public var connection: String
    /// The gateway's name.
    public var gateway: String
    /// Replay starts after this offset.
    public var offset: Offset
    /// Whether retention has removed messages that this device never acked.
    public var gap: Bool
    /// Limits for the client.
    public var limits: Limits
    /// How often the server pings, in seconds; silence of two periods closes the connection.
    public var pingSeconds: Int
    /// The highest stamp of the user's positions: valid for the client from `live` on.
    public var positions: UInt64
    /// All of a conversation whose position has no `mine` is read up to this offset; nil for none.
    public var floor: Offset?
    /// The server's clock, in milliseconds since 1970.
    public var now: UInt64
    /// How long messages are kept, in seconds: one that is not delivered by then never will be.
    public var retentionSeconds: Int

    /// A welcome with everything chosen.
    public init(
      user: UserName, device: DeviceName, connection: String, gateway: String, offset: Offset,
      gap: Bool, limits: Limits, pingSeconds: Int, positions: UInt64, floor: Offset? = nil,
      now: UInt64, retentionSeconds: Int
    ) {
      self.user = user
      self.device = device
      self.connection = connection
      self.gateway = gateway
      self.offset = offset
      self.gap = gap
      self.limits = limits
      self.pingSeconds = pingSeconds
      self.positions = positions
      self.floor = floor
      self.now = now
      self.retentionSeconds = retentionSeconds
    }
  }

  /// Limits that the server holds a client to.
  public struct Limits: Hashable, Sendable {
    /// The largest frame, in bytes.
    public var frameBytes: Int
    /// How many messages the server pushes ahead of the client's acks.
    public var unacked: Int
    /// How many `send` frames a second it takes.
    public var sendsPerSecond: Int
    /// How many `conversations`, `history` and `presence` frames a second it takes.
    public var requestsPerSecond: Int
    /// How many `signal` frames a second it takes.
    public var signalsPerSecond: Int

    /// Limits with everything chosen.
    public init(
      frameBytes: Int, unacked: Int, sendsPerSecond: Int, requestsPerSecond: Int,
      signalsPerSecond: Int
    ) {
      self.frameBytes = frameBytes
      self.unacked = unacked
      self.sendsPerSecond = sendsPerSecond
      self.requestsPerSecond = requestsPerSecond
      self.signalsPerSecond = signalsPerSecond
    }
  }

  /// A message on its way out.
  public struct Message: Hashable, Sendable {
    /// Its place in the mailbox, and its identity.
    public var offset: Offset
    /// The sender.
    public var from: UserName
    /// The sender's id for it.
    public var id: MessageID
    /// When the server took it, in milliseconds since 1970.
    public var at: UInt64
    /// Where the payload that was scanned holds the body: one JSON value, byte for byte.
    public var body: Range<Int>
    /// Whether it counts as unread nowhere.
    public var quiet: Bool

    /// A message with everything chosen.
    public init(
      offset: Offset, from: UserName, id: MessageID, at: UInt64, body: Range<Int>,
      quiet: Bool = false
    ) {
      self.offset = offset
      self.from = from
      self.id = id
      self.at = at
      self.body = body
      self.quiet = quiet
    }
  }

  /// A message that this user sent, as all devices of the user get it.
  public struct Sent: Hashable, Sendable {
    /// Its place in the sender's mailbox.
    public var offset: Offset
    /// Its place in the recipient's mailbox, in which ``Position`` is told.
    public var peerOffset: Offset
    /// The recipient.
    public var to: UserName
    /// What the sender calls it.
    public var id: MessageID
    /// When the server took it, in milliseconds since 1970.
    public var at: UInt64
    /// Where the payload that was scanned holds the body: one JSON value, byte for byte.
    public var body: Range<Int>
    /// Whether it counts as unread nowhere.
    public var quiet: Bool

    /// A copy with everything chosen.
    public init(
      offset: Offset, peerOffset: Offset, to: UserName, id: MessageID, at: UInt64,
      body: Range<Int>, quiet: Bool = false
    ) {
      self.offset = offset
      self.peerOffset = peerOffset
      self.to = to
      self.id = id
      self.at = at
      self.body = body
      self.quiet = quiet
    }
  }

  /// How far a conversation is delivered and read. Each field only ever rises.
  public struct Position: Hashable, Sendable {
    /// The other side of the conversation.
    public var peer: UserName
    /// Messages to the peer are delivered up to this offset of the peer's mailbox.
    public var delivered: Offset?
    /// The peer has read them up to this offset of the peer's mailbox.
    public var read: Offset?
    /// This user has read the peer's messages up to this offset of the user's own mailbox.
    public var mine: Offset?
    /// All of a conversation whose position has no ``mine`` is read up to this offset.
    public var floor: Offset?
    /// The version of the user's positions with this one.
    public var stamp: UInt64
    /// The request that this answers.
    public var id: MessageID?

    /// A position with everything chosen.
    public init(
      peer: UserName, delivered: Offset? = nil, read: Offset? = nil, mine: Offset? = nil,
      floor: Offset? = nil, stamp: UInt64, id: MessageID? = nil
    ) {
      self.peer = peer
      self.delivered = delivered
      self.read = read
      self.mine = mine
      self.floor = floor
      self.stamp = stamp
      self.id = id
    }
  }

  /// An accepted message that did not reach its recipient.
  public struct Failed: Hashable, Sendable {
    /// Its place in the sender's mailbox.
    public var offset: Offset
    /// The recipient.
    public var to: UserName
    /// The message.
    public var id: MessageID
    /// A `FailureCode`, or what a newer server says.
    public var code: String
    /// Its meaning, for a developer to read.
    public var message: String

    /// A failure with everything chosen.
    public init(offset: Offset, to: UserName, id: MessageID, code: String, message: String) {
      self.offset = offset
      self.to = to
      self.id = id
      self.code = code
      self.message = message
    }
  }

  /// A refusal of one message.
  public struct Rejected: Hashable, Sendable {
    /// The message; a `send` without a readable id is answered by `error` instead.
    public var id: MessageID
    /// A `RejectionCode`, or what a newer server says.
    public var code: String
    /// The reason, for a developer to read.
    public var message: String
    /// Whether the same message, sent again with `retry`, may be taken.
    public var retryable: Bool
    /// How long to wait before that, if the server knows.
    public var retryAfterMilliseconds: Int?

    /// A refusal with everything chosen.
    public init(
      id: MessageID, code: String, message: String, retryable: Bool, retryAfterMilliseconds: Int?
    ) {
      self.id = id
      self.code = code
      self.message = message
      self.retryable = retryable
      self.retryAfterMilliseconds = retryAfterMilliseconds
    }
  }
}
