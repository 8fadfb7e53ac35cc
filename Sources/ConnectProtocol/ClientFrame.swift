/// A frame that a client sends.
public enum ClientFrame: Hashable, Sendable {
  /// A message for another user; answered by `accepted` or `rejected`.
  case send(Send)
  /// All up to and including this offset are handled.
  case ack(Offset)
  /// The user has read a conversation up to an offset; answered by `position`.
  case read(Read)
  /// Answered by `conversations`.
  case conversations(Conversations)
  /// Answered by `history`.
  case history(History)
  /// Told to the devices of a user that are connected now; answered only by a refusal.
  case signal(Signal)
  /// Answered by `presence`.
  case presence(Presence)
  /// Answered by `pong` with the same id.
  case ping(id: String?)

  /// How many bytes the id of a ping may have between its quotes, escapes counted as they stand.
  public static let maximumPingIDLength = 64

  /// A message on its way in.
  public struct Send: Hashable, Sendable {
    /// The sender's id for the message.
    public var id: MessageID
    /// The recipient.
    public var to: UserName
    /// Where the payload that was scanned holds the body: one JSON value, byte for byte, without
    /// the white space around it.
    public var body: Range<Int>
    /// Whether the sender is told by `position` how far the recipient's devices have got.
    public var receipt: Bool
    /// Whether the sender's devices get the message as `sent`.
    public var copy: Bool
    /// Whether the message counts as unread nowhere, such as an edit of another one.
    public var quiet: Bool
    /// Whether this id may have been sent before.
    public var retry: Retry

    /// A message with everything chosen.
    public init(
      id: MessageID, to: UserName, body: Range<Int>, receipt: Bool = false, copy: Bool = false,
      quiet: Bool = false, retry: Retry = .no
    ) {
      self.id = id
      self.to = to
      self.body = body
      self.receipt = receipt
      self.copy = copy
      self.quiet = quiet
      self.retry = retry
    }
  }

  /// Whether a message may have been sent before.
  public enum Retry: Hashable, Sendable {
    /// This is the first time.
    case no
    /// It may have been, at any time.
    case yes
    /// It may have been, first at this time: milliseconds since 1970 by the server's clock, as
    /// ``ServerFrame/Welcome/now`` tells it.
    case firstSent(UInt64)
  }

  /// How far a user has read a conversation.
  public struct Read: Hashable, Sendable {
    /// The other side of the conversation.
    public var peer: UserName
    /// All of the peer's messages up to this offset of the reader's mailbox are read.
    public var offset: Offset
    /// Whether the peer is not told.
    public var isPrivate: Bool
    /// What the client calls the request; the answer or refusal names it.
    public var id: MessageID?

    /// A position with everything chosen.
    public init(peer: UserName, offset: Offset, isPrivate: Bool = false, id: MessageID? = nil) {
      self.peer = peer
      self.offset = offset
      self.isPrivate = isPrivate
      self.id = id
    }
  }
}
