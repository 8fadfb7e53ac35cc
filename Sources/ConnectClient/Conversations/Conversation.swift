import ConnectProtocol

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A conversation with one peer: its messages in one order with their state, and what an app does in it.
///
/// A value that names the conversation; what it shows is the client's, and the same for all who hold one. All
/// properties can be read at any time and from any task, before the first connection, too. Any number of views observe
/// it by ``updates``.
public struct Conversation: Sendable {
  /// The client whose conversation it is.
  public let client: ConnectClient
  /// The other side.
  public let name: UserName

  private var keeper: ConversationKeeper { self.client.conversationKeeper }

  // MARK: What it shows

  /// What it shows now.
  public var snapshot: Snapshot { self.keeper.withState { $0.shown(self.name) } }

  /// Its messages, oldest first: those in the mailbox in its order, and behind them the user's own that are not there
  /// yet.
  public var entries: [Entry] { self.snapshot.entries }

  /// The other side: whether it is typing or online.
  public var peer: Peer { self.snapshot.peer }

  /// The number of the peer's messages that are neither quiet nor read.
  public var unread: Int { self.snapshot.unread }

  /// Whether there may be more of them.
  public var unreadIsMore: Bool { self.snapshot.unreadIsMore }

  /// Whether there are earlier messages than ``entries``; see ``loadEarlier(limit:)``.
  public var hasEarlier: Bool { self.snapshot.hasEarlier }

  /// Whether the server no longer keeps what came before ``entries``.
  public var isTrimmed: Bool { self.snapshot.isTrimmed }

  /// What it shows, now and whenever that changes, until the client ends. Each call is another observer, which
  /// gets the newest state, and may miss some between. While somebody observes it, the presence of the peer is
  /// watched.
  public var updates: AsyncStream<Snapshot> {
    self.keeper.observe(buffering: .bufferingNewest(1)) { state, observer in
      observer.yield(state.shown(self.name))
      return state.observers.add(observer, of: self.name)
    }
  }

  /// What a conversation shows at one time.
  public struct Snapshot: Hashable, Sendable {
    /// As ``Conversation/peer``.
    public let peer: Peer
    /// As ``Conversation/entries``.
    public let entries: [Entry]
    /// As ``Conversation/unread``.
    public let unread: Int
    /// As ``Conversation/unreadIsMore``.
    public let unreadIsMore: Bool
    /// As ``Conversation/hasEarlier``.
    public let hasEarlier: Bool
    /// As ``Conversation/isTrimmed``.
    public let isTrimmed: Bool
  }

  /// The other side of a conversation.
  public struct Peer: Hashable, Sendable {
    /// Its name.
    public let name: UserName
    /// Whether it is typing.
    public let isTyping: Bool
    /// Whether one of its devices is connected; nil while that is not known, as when nobody observes.
    public let isOnline: Bool?
    /// When it was last connected, in milliseconds since 1970, if it is not and the server knows.
    public let lastSeen: UInt64?
  }

  // MARK: Sending

  /// Sends a message. It is shown at once, as `waiting`; stored; and sent when there is a connection, after a
  /// restart of the app, too. Receipt and copy are always on.
  ///
  /// - Parameter quiet: whether it counts as unread nowhere, such as an edit of another message.
  /// - Throws: ``ConnectSendError/full`` if ``ConnectClientLimits/outboxMessages`` wait, and
  ///   ``ConnectSendError/ended(_:)`` when the client has ended.
  @discardableResult
  public func send(_ body: MessageBody, quiet: Bool = false) throws(ConnectSendError) -> Outgoing {
    let id = MessageID.unique()
    let now = Self.now
    try self.keeper.change { state throws(ConnectSendError) in
      try state.send(id, to: self.name, body: body, isQuiet: quiet, now: now)
    }
    return Outgoing(id: id, conversation: self)
  }

  /// Sends a value that is written as JSON: an `Encodable` of the app, or a `String`, which becomes a JSON string.
  @discardableResult
  public func send(
    _ value: some Encodable, quiet: Bool = false
  ) throws(ConnectSendError) -> Outgoing {
    try self.send(MessageBody(encoding: value), quiet: quiet)
  }

  /// Bytes would be written as numbers, or as Base64, which is hardly meant.
  @available(*, unavailable, message: "bytes that are JSON already: MessageBody(json: bytes)")
  @discardableResult
  public func send(
    _ bytes: some Encodable & Sequence<UInt8>, quiet: Bool = false
  ) throws(ConnectSendError) -> Outgoing {
    throw .malformedBody("bytes that are JSON already: MessageBody(json: bytes)")
  }

  /// Sends a message of this user's that has failed again: it waits behind all that waits already. The server stores
  /// it once, whatever became of the first one.
  ///
  /// - Returns: whether there was one; false also when the client has ended.
  @discardableResult
  public func retry(_ id: MessageID) -> Bool {
    self.keeper.change { $0.retry(id, to: self.name) }
  }

  /// Forgets a message of this user's that has failed.
  public func discard(_ id: MessageID) { self.keeper.change { $0.discard(id, to: self.name) } }

  // MARK: Reading and typing

  /// The user has read the peer's messages up to `entry`; nil for all of ``entries``, and not for a `last` that
  /// only the list has told of. Told to the peer and to the user's other devices, once there is a connection,
  /// after a restart of the app, too.
  ///
  /// - Parameter isPrivate: whether the peer is not told.
  public func markRead(upTo entry: Entry? = nil, isPrivate: Bool = false) {
    if let entry, entry.offset == nil { return }
    self.keeper.change { $0.read(self.name, through: entry?.offset, isPrivate: isPrivate) }
  }

  /// The user is typing: call it at each key. See ``ConnectClient/ConnectClient/typing(to:)``.
  public func typing() { self.client.typing(to: self.name) }

  // MARK: Earlier messages

  /// Asks the server for earlier messages, and shows them in front of those that are shown.
  ///
  /// - Parameter limit: how many entries of the mailbox to ask for at most, 1 to 100.
  /// - Throws: as ``ConnectClient/ConnectClient/history(with:before:limit:)`` does.
  public func loadEarlier(
    limit: Int = ClientFrame.History.defaultLimit
  ) async throws(ConnectRequestError) {
    let before = self.entries.count
    for _ in 0..<ConnectClientLimits.emptyPages {
      let log = self.keeper.withState { $0.book.log(self.name) }
      // Nothing is known of the mailbox before the first connection.
      let isKnown = self.keeper.withState { $0.book.start != nil }
      guard log.hasEarlier || !isKnown else { return }
      let place = isKnown ? log.start : nil
      let page = try await self.client.history(with: self.name, before: place, limit: limit)
      self.keeper.change { $0.book.received(page, with: self.name, before: place) }
      // A part of the mailbox may have nothing of this conversation.
      if self.entries.count > before { return }
    }
  }

  static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(time.tv_sec) * 1_000 + UInt64(time.tv_nsec) / 1_000_000
  }
}

extension Conversation: Hashable {
  /// Whether both are of one client and one peer.
  public static func == (one: Conversation, other: Conversation) -> Bool {
    one.client === other.client && one.name == other.name
  }

  /// By client and peer.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(ObjectIdentifier(self.client))
    hasher.combine(self.name)
  }
}

/// A message that was sent in a conversation.
public struct Outgoing: Sendable {
  /// Its id.
  public let id: MessageID
  /// Where it was sent.
  public let conversation: Conversation

  /// The message as it is shown now; nil if it was discarded.
  public var entry: Conversation.Entry? {
    self.conversation.client.conversationKeeper.withState { state in
      let log = state.book.log(self.conversation.name)
      return log.own(self.id).map { log.shown($0, floor: state.book.floor) }
    }
  }

  /// Waits until the server has it.
  ///
  /// - Returns: the message as it is then shown.
  /// - Throws: ``ConnectSendError/rejected(_:)`` if it has failed, ``ConnectSendError/ended(_:)`` if the client has
  ///   ended before, ``ConnectSendError/cancelled`` if it was discarded or the task was cancelled.
  @discardableResult
  public func accepted() async throws(ConnectSendError) -> Conversation.Entry {
    let (keeper, peer) = (self.conversation.client.conversationKeeper, self.conversation.name)
    let number = keeper.change { $0.newWaiter() }
    return try await withTaskCancellationHandler {
      await withCheckedContinuation { waiter in
        keeper.change { $0.wait(for: self.id, to: peer, number: number, waiter) }
        if Task.isCancelled { keeper.change { $0.cancelOutcome(number, self.id) } }
      }
    } onCancel: {
      keeper.change { $0.cancelOutcome(number, self.id) }
    }.get()
  }

  /// Sends it again if it has failed; see ``Conversation/retry(_:)``.
  @discardableResult
  public func retry() -> Bool { self.conversation.retry(self.id) }

  /// Forgets it if it has failed; see ``Conversation/discard(_:)``.
  public func discard() { self.conversation.discard(self.id) }
}
