extension ClientFrame {
  /// A part of the list of conversations.
  public struct Conversations: Hashable, Sendable {
    /// The most conversations that one answer has.
    public static let maximumLimit = 50

    /// How many it has if the request does not say.
    public static let defaultLimit = 20

    /// What the client calls the request; the answer or refusal names it.
    public var id: MessageID?
    /// How many conversations at most.
    public var limit: Int
    /// Where an earlier answer ended; nil for the newest.
    public var before: ConversationCursor?

    /// A request with everything chosen.
    public init(
      id: MessageID? = nil, limit: Int = Self.defaultLimit, before: ConversationCursor? = nil
    ) {
      self.id = id
      self.limit = limit
      self.before = before
    }
  }

  /// A part of the mailbox, newest first, whatever is handled.
  public struct History: Hashable, Sendable {
    /// The most entries that one answer has.
    public static let maximumLimit = 100

    /// How many it has if the request does not say.
    public static let defaultLimit = 50

    /// What the client calls the request; the answer or refusal names it.
    public var id: MessageID?
    /// Only what was written to this user and by this user; nil for everything.
    public var peer: UserName?
    /// Only what lies below this offset; nil for the newest.
    public var before: Offset?
    /// How many entries at most.
    public var limit: Int

    /// A request with everything chosen.
    public init(
      id: MessageID? = nil, peer: UserName? = nil, before: Offset? = nil,
      limit: Int = Self.defaultLimit
    ) {
      self.id = id
      self.peer = peer
      self.before = before
      self.limit = limit
    }
  }

  /// Something for the devices of a user that are connected now, such as that somebody is typing.
  public struct Signal: Hashable, Sendable {
    /// The largest body, in bytes.
    public static let maximumBodyBytes = 2_048

    /// The recipient.
    public var to: UserName
    /// What it says, such as `typing`.
    public var name: MessageID
    /// Where the payload that was scanned holds the body: one JSON value, byte for byte; nil for none.
    public var body: Range<Int>?
    /// What the client calls the request; a refusal names it.
    public var id: MessageID?

    /// A signal with everything chosen.
    public init(
      to: UserName, name: MessageID, body: Range<Int>? = nil, id: MessageID? = nil
    ) {
      self.to = to
      self.name = name
      self.body = body
      self.id = id
    }
  }

  /// Who of some users is online.
  public struct Presence: Hashable, Sendable {
    /// The most users that one request names.
    public static let maximumUsers = 100

    /// What the client calls the request; the answer or refusal names it.
    public var id: MessageID?
    /// The users, each once.
    public var users: [UserName]
    /// Whether changes are told, too, until the next request of the connection.
    public var watch: Bool

    /// A request with everything chosen.
    public init(id: MessageID? = nil, users: [UserName], watch: Bool = false) {
      self.id = id
      self.users = users
      self.watch = watch
    }
  }
}

/// The end of a part of the list of conversations, from which the next part goes on.
public enum ConversationCursor: Hashable, Sendable {
  /// Conversations whose newest message lies below this offset of the mailbox.
  case log(below: Offset)
  /// Conversations without messages whose positions have a lower stamp.
  case positions(below: UInt64)

  private static let positionsPrefix = "positions:"
}

extension ConversationCursor: LosslessStringConvertible {
  /// Reads what ``description`` writes.
  public init?(_ text: String) {
    if let offset = Offset(text) {
      self = .log(below: offset)
    } else if text.hasPrefix(Self.positionsPrefix),
      let stamp = UInt64(text.dropFirst(Self.positionsPrefix.count)),
      text == "\(Self.positions(below: stamp))"
    {
      self = .positions(below: stamp)
    } else {
      return nil
    }
  }

  /// The text in `before` and `next`.
  public var description: String {
    switch self {
    case .log(let offset): "\(offset)"
    case .positions(let stamp): "\(Self.positionsPrefix)\(stamp)"
    }
  }
}
