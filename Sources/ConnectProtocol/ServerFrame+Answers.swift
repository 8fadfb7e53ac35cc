extension ServerFrame {
  /// A part of the list of conversations, those with the newest message first.
  public struct Conversations: Hashable, Sendable {
    /// The request that this answers.
    public var id: MessageID?
    /// The conversations. One that an earlier part has named is to be ignored.
    public var items: [Conversation]
    /// Where the next part begins; nil at the end of the list.
    public var next: ConversationCursor?

    /// A part with everything chosen.
    public init(id: MessageID?, items: [Conversation], next: ConversationCursor? = nil) {
      self.id = id
      self.items = items
      self.next = next
    }
  }

  /// A conversation in the list.
  public struct Conversation: Hashable, Sendable {
    /// The other side.
    public var peer: UserName
    /// The newest message that is not quiet; nil where it is no longer kept.
    public var last: Entry?
    /// The peer's messages that are not quiet and not read.
    public var unread: Int
    /// Whether there may be more of them.
    public var unreadIsMore: Bool
    /// As in ``Position/delivered``.
    public var delivered: Offset?
    /// As in ``Position/read``.
    public var read: Offset?
    /// As in ``Position/mine``.
    public var mine: Offset?

    /// A conversation with everything chosen.
    public init(
      peer: UserName, last: Entry? = nil, unread: Int = 0, unreadIsMore: Bool = false,
      delivered: Offset? = nil, read: Offset? = nil, mine: Offset? = nil
    ) {
      self.peer = peer
      self.last = last
      self.unread = unread
      self.unreadIsMore = unreadIsMore
      self.delivered = delivered
      self.read = read
      self.mine = mine
    }
  }

  /// An entry of the mailbox within an answer. Ranges are in the payload of the answer.
  public enum Entry: Hashable, Sendable {
    /// A message for this user.
    case message(Message)
    /// A message that this user sent with `copy`.
    case sent(Sent)
    /// A message of this user that could not be stored.
    case failed(Failed)

    /// Its place in the mailbox.
    public var offset: Offset {
      switch self {
      case .message(let message): message.offset
      case .sent(let sent): sent.offset
      case .failed(let failed): failed.offset
      }
    }
  }

  /// A part of the mailbox.
  public struct History: Hashable, Sendable {
    /// The request that this answers.
    public var id: MessageID?
    /// The entries, newest first. There may be none although ``next`` says that more follow.
    public var entries: [Entry]
    /// The `before` of the next request; nil at the end of what is kept.
    public var next: Offset?
    /// Whether there was more that is no longer kept. Only at the end.
    public var trimmed: Bool

    /// A part with everything chosen.
    public init(id: MessageID?, entries: [Entry], next: Offset? = nil, trimmed: Bool = false) {
      self.id = id
      self.entries = entries
      self.next = next
      self.trimmed = trimmed
    }
  }

  /// Something that a user passes on to those who are connected.
  public struct Signal: Hashable, Sendable {
    /// The sender.
    public var from: UserName
    /// What it says, such as `typing`.
    public var name: MessageID
    /// Where the payload that was scanned holds the body; nil for none.
    public var body: Range<Int>?
    /// When the server took it, in milliseconds since 1970.
    public var at: UInt64

    /// A signal with everything chosen.
    public init(from: UserName, name: MessageID, body: Range<Int>? = nil, at: UInt64) {
      self.from = from
      self.name = name
      self.body = body
      self.at = at
    }
  }

  /// Who of some users is online.
  public struct Presence: Hashable, Sendable {
    /// The request that this answers; nil when a watched user comes or goes.
    public var id: MessageID?
    /// The users.
    public var users: [UserName: Status]

    /// What is known of a user.
    public struct Status: Hashable, Sendable {
      /// Whether a device is connected.
      public var online: Bool
      /// When a device was last seen, in milliseconds since 1970; nil if that is not known, or the user is
      /// online.
      public var lastSeen: UInt64?

      /// A status with everything chosen.
      public init(online: Bool, lastSeen: UInt64? = nil) {
        self.online = online
        self.lastSeen = lastSeen
      }
    }

    /// An answer with everything chosen.
    public init(id: MessageID? = nil, users: [UserName: Status]) {
      self.id = id
      self.users = users
    }
  }
}
