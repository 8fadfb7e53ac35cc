import ConnectProtocol

/// The conversations of a user, those with the newest message first.
///
/// A value that names the list, as a ``Conversation`` names one of them.
public struct ConversationList: Sendable {
  /// The client whose list it is.
  public let client: ConnectClient

  private var keeper: ConversationKeeper { self.client.conversationKeeper }

  /// What it shows now.
  public var snapshot: Snapshot { self.keeper.withState { $0.shownList } }

  /// The conversations, those with the newest message first. What the store holds is there before the first connection.
  public var items: [Item] { self.snapshot.items }

  /// The number of unread messages of all of them.
  public var unread: Int { self.snapshot.unread }

  /// Whether the server knows of more; see ``loadMore()``.
  public var hasMore: Bool { self.snapshot.hasMore }

  /// What it shows, now and whenever that changes, until the client ends. Each call is another observer, which
  /// gets the newest state, and may miss some between. While somebody observes it, the presence of its first 100
  /// peers is watched.
  public var updates: AsyncStream<Snapshot> {
    self.keeper.observe(buffering: .bufferingNewest(1)) { state, observer in
      observer.yield(state.shownList)
      return state.observers.add(observer)
    }
  }

  /// Asks the server for the next part of the list, if there is one. The first part is asked for on connecting, when it
  /// is not known what was missed.
  ///
  /// - Throws: as ``ConnectClient/ConnectClient/conversations(limit:before:)`` does.
  public func loadMore() async throws(ConnectRequestError) {
    guard let place = self.keeper.withState({ $0.listPlace }) else { return }
    let page = try await self.client.conversations(
      limit: ClientFrame.Conversations.maximumLimit, before: place)
    self.keeper.change { state in
      // Somebody else may have asked for the same part.
      guard let now = state.listPlace, now == place else { return }
      state.received(page, isFirst: place == nil)
    }
  }

  /// The list at one time.
  public struct Snapshot: Hashable, Sendable {
    /// As ``ConversationList/items``.
    public let items: [Item]
    /// As ``ConversationList/hasMore``.
    public let hasMore: Bool

    /// As ``ConversationList/unread``.
    public var unread: Int { self.items.reduce(0) { $0 + $1.unread } }
  }

  /// A conversation in the list.
  public struct Item: Hashable, Sendable {
    /// The other side.
    public let peer: Conversation.Peer
    /// The newest message that is not quiet; nil where none is kept any more.
    public let last: Conversation.Entry?
    /// The number of the peer's messages that are neither quiet nor read.
    public let unread: Int
    /// Whether there may be more of them.
    public let unreadIsMore: Bool
  }
}

/// What the connection of a client does.
public enum ConnectState: Hashable, Sendable {
  /// It has not been run yet.
  case idle
  /// An attempt is under way.
  case connecting
  /// It is connected.
  case online
  /// It tries again after this time, and was disconnected for this reason.
  case waiting(Duration, ConnectionEnd)
  /// It has ended, for this reason.
  case stopped(ConnectionEnd)
}

/// Something that went wrong and is about no message.
public enum ConnectProblem: Hashable, Sendable {
  /// The store has failed. The client goes on in memory, and acks nothing that the app was not given; what is sent from
  /// now on does not survive a restart. After `damaged` it has begun with an empty store.
  case store(ConnectStoreError)
  /// The server did not understand a frame of the client's.
  case server(code: String, message: String)
}
