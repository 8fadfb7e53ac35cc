import ConnectProtocol

/// What a client asks the server for.
public enum ConnectRequest: Hashable, Sendable {
  /// A part of the list of conversations.
  case conversations(limit: Int, before: ConversationCursor?)
  /// A part of the mailbox, newest first; of one conversation, or of all.
  case history(with: UserName?, before: Offset?, limit: Int)
  /// Who of these users is online.
  case presence([UserName])
}

/// What the server answers to a ``ConnectRequest``.
public enum ConnectAnswer: Hashable, Sendable {
  /// Of the request of this name.
  case conversations(ConversationPage)
  /// Of the request of this name.
  case history(HistoryPage)
  /// Of the request of this name.
  case presence([UserName: ServerFrame.Presence.Status])
}

/// A part of the list of conversations, those with the newest message first.
public struct ConversationPage: Hashable, Sendable {
  /// The conversations. One that an earlier part has named is to be ignored: a message has moved it.
  public var conversations: [ConversationSummary]
  /// Where the next part begins; nil at the end of the list.
  public var next: ConversationCursor?

  /// A part with everything chosen.
  public init(conversations: [ConversationSummary], next: ConversationCursor? = nil) {
    self.conversations = conversations
    self.next = next
  }
}

/// A conversation in the list.
public struct ConversationSummary: Hashable, Sendable {
  /// The other side.
  public var peer: UserName
  /// The newest message that is not quiet; nil where it is no longer kept.
  public var last: MailboxEntry?
  /// The peer's messages that are neither quiet nor read.
  public var unread: Int
  /// Whether there may be more of them.
  public var unreadIsMore: Bool
  /// As in `ServerFrame.Position`.
  public var delivered: Offset?
  /// As in `ServerFrame.Position`.
  public var read: Offset?
  /// As in `ServerFrame.Position`.
  public var mine: Offset?

  /// A conversation with everything chosen.
  public init(
    peer: UserName, last: MailboxEntry? = nil, unread: Int = 0, unreadIsMore: Bool = false,
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

/// A part of the mailbox.
public struct HistoryPage: Hashable, Sendable {
  /// The entries, newest first. There may be none although ``next`` says that more follow.
  public var entries: [MailboxEntry]
  /// The `before` of the next request; nil at the end of what is kept.
  public var next: Offset?
  /// Whether there was more that is no longer kept. Only at the end.
  public var isTrimmed: Bool

  /// A part with everything chosen.
  public init(entries: [MailboxEntry], next: Offset? = nil, isTrimmed: Bool = false) {
    self.entries = entries
    self.next = next
    self.isTrimmed = isTrimmed
  }
}

/// An entry of the mailbox in an answer. It is told apart from what ``ConnectEvent``s bring: whatever
/// came so may come as an event as well.
public enum MailboxEntry: Hashable, Sendable {
  /// A message for this user.
  case message(IncomingMessage)
  /// A message that this user has sent with `copy`.
  case sent(SentMessage)
  /// A message of this user that could not be stored.
  case failed(ServerFrame.Failed)

  /// Its place in the mailbox.
  public var offset: Offset {
    switch self {
    case .message(let message): message.offset
    case .sent(let sent): sent.offset
    case .failed(let failed): failed.offset
    }
  }
}

/// Something that a user passes on to those who are connected.
public struct IncomingSignal: Hashable, Sendable {
  /// The sender.
  public var from: UserName
  /// What it says.
  public var name: MessageID
  /// What else it says, if anything.
  public var body: MessageBody?
  /// When the server took it, in milliseconds since 1970.
  public var at: UInt64

  /// A signal with everything chosen.
  public init(from: UserName, name: MessageID, body: MessageBody? = nil, at: UInt64) {
    self.from = from
    self.name = name
    self.body = body
    self.at = at
  }
}

/// Something to pass on to a user's devices that are connected now.
public struct OutgoingSignal: Hashable, Sendable {
  /// The recipient.
  public var to: UserName
  /// What it says, such as `typing`.
  public var name: MessageID
  /// One JSON value in UTF-8 of at most `ClientFrame.Signal.maximumBodyBytes`; empty for none.
  public var body: [UInt8]

  /// A signal with everything chosen.
  public init(to: UserName, name: MessageID, body: [UInt8] = []) {
    self.to = to
    self.name = name
    self.body = body
  }
}

extension MessageID {
  /// The name of the signal that says that its sender is typing.
  public static let typing: MessageID = {
    guard let name = MessageID("typing") else { preconditionFailure("it is a message id") }
    return name
  }()
}
