import ConnectProtocol

// What an app shows: the list of conversations, and each of them.

extension ConnectClient {
  /// A client that keeps conversations: an app holds ``conversation(with:)`` and ``conversations``, and consumes no
  /// ``events``.
  ///
  /// What `store` holds of this user at this server on this device is shown as soon as ``run()`` has begun, offline,
  /// too. For another user, make another client; the store keeps the two apart.
  ///
  /// - Parameters:
  ///   - url: where a gateway or the load balancer is; `ConnectEndpoint("wss://chat.example.com")`.
  ///   - user: who is signed in. A token of somebody else ends the client with ``ConnectionEnd/otherUser(_:)``.
  ///   - device: which of the user's devices this is, made once for each installation and kept.
  ///   - store: a ``FileStore`` keeps conversations across restarts.
  ///   - token: asked for each connection, as of ``init(configuration:eventLoop:token:)``.
  public convenience init(
    url: ConnectEndpoint, user: UserName, device: DeviceName = .default,
    store: any ConnectStore = MemoryStore(),
    token: @escaping @Sendable () async throws -> String
  ) {
    self.init(
      configuration: ConnectClientConfiguration(endpoint: url, device: device), user: user,
      store: store, token: token)
  }

  /// The same with all settings. Its `since` and `positions` are the store's.
  public convenience init(
    configuration: ConnectClientConfiguration, user: UserName,
    store: any ConnectStore = MemoryStore(),
    token: @escaping @Sendable () async throws -> String
  ) {
    self.init(
      configuration: configuration, eventLoop: nil,
      keeper: ConversationKeeper(
        owner: StoreOwner(
          user: user, server: configuration.endpoint, device: configuration.device),
        store: store),
      token: token)
  }

  /// The conversations, those with the newest message first. Only of a client that was made for a `user`.
  public var conversations: ConversationList { ConversationList(client: self) }

  /// The conversation with a peer, whether there are messages or not: two of one peer are equal, and show the same.
  /// Only of a client that was made for a `user`.
  public func conversation(with peer: UserName) -> Conversation {
    Conversation(client: self, name: peer)
  }

  /// What the connection does. Only of a client that was made for a `user`.
  public var state: ConnectState { self.conversationKeeper.withState { $0.connection } }

  /// The same, now and whenever it changes. Each call is another observer; one that is slow gets the newest
  /// ``ConnectClientLimits/observedStates``.
  public var states: AsyncStream<ConnectState> {
    self.conversationKeeper.observe(
      buffering: .bufferingNewest(ConnectClientLimits.observedStates)
    ) { state, observer in
      observer.yield(state.connection)
      return state.observers.add(observer)
    }
  }

  /// What the server has said when the client connected last: the gateway, whether there was a gap, and limits; nil
  /// before that. Only of a client that was made for a `user`.
  public var welcome: ServerFrame.Welcome? { self.conversationKeeper.withState { $0.welcome } }

  /// What arrives, each message once and in order, for a program that does something with each. To be asked for before
  /// ``run()``, by one consumer, which goes on until it ends: from then on nothing is acked that it has not handled.
  /// An app that only shows conversations needs none. Only of a client that was made for a `user`.
  public var arrivals: ConnectArrivals {
    self.conversationKeeper.change { $0.takeArrivals() }
    return ConnectArrivals(keeper: self.conversationKeeper)
  }

  /// The last arrival is handled. Only needed before one leaves the loop over ``arrivals``, and when it returns, the
  /// client may be closed.
  public func acknowledgeArrival() async {
    self.conversationKeeper.change { $0.handleArrival() }
    await self.conversationKeeper.stored()
  }

  /// What goes wrong and is about no message. Each call is another observer, which gets what happens from then on.
  public var problems: AsyncStream<ConnectProblem> {
    self.conversationKeeper.observe(
      buffering: .bufferingNewest(ConnectClientLimits.observedProblems)
    ) { state, observer in state.observers.add(observer) }
  }

  /// What peers pass on, but for typing. Each call is another observer, which gets what comes from then on.
  public var signals: AsyncStream<IncomingSignal> {
    self.conversationKeeper.observe(
      buffering: .bufferingNewest(ConnectClientLimits.observedSignals)
    ) { state, observer in state.observers.add(observer) }
  }

  var conversationKeeper: ConversationKeeper {
    guard let keeper = self.keeper else {
      preconditionFailure("conversations need a client that was made for a user")
    }
    return keeper
  }

  /// Hands events to the keeper until there are no more.
  func handEvents(to keeper: ConversationKeeper) async {
    await withDiscardingTaskGroup { group in
      while let first = await self.nextEvent(handled: nil) {
        let more = self.shared.withLockedValue {
          $0.moreEvents(ConnectClientLimits.eventsAtOnce - 1)
        }
        let events = [first] + more
        await keeper.received(events)
        let isLive = events.contains { if case .live = $0 { true } else { false } }
        if keeper.change({ $0.takeRelist() }) { group.addTask { await self.relist(keeper) } }
        if isLive, let connection = keeper.change({ $0.becameLive() }) {
          group.addTask { await self.list(keeper, on: connection) }
        }
      }
      group.cancelAll()
    }
    keeper.end()
  }

  /// Asks for the beginning of the list until it has come, is refused, or the connection is over: on the next one it is
  /// asked for again.
  private func list(_ keeper: ConversationKeeper, on connection: UInt64) async {
    while keeper.withState({ $0.isListMissing(on: connection) }) {
      do {
        try await self.conversations.loadMore()
      } catch ConnectRequestError.unavailable {
        // It has waited for as long as a request does.
        continue
      } catch ConnectRequestError.rateLimited(let wait) {
        try? await Task.sleep(for: wait)
      } catch ConnectRequestError.full {
        // There is room once requests of the app's are answered or fail.
        try? await Task.sleep(for: .milliseconds(ConnectClientLimits.listRetryMilliseconds))
      } catch {
        return
      }
    }
  }

  /// Asks for the list again, as far down as it said something that is of before.
  private func relist(_ keeper: ConversationKeeper) async {
    var isRead = false
    defer { keeper.change { $0.relisted(isRead: isRead) } }
    do {
      // What is read moves several times in a row.
      try await Task.sleep(for: .milliseconds(ConnectClientLimits.relistMilliseconds))
      var place: ConversationCursor?
      for _ in 0..<ConnectClientLimits.relistParts where keeper.withState({ $0.book.isStale }) {
        let page = try await self.conversations(
          limit: ClientFrame.Conversations.maximumLimit, before: place)
        keeper.change { $0.received(page, isFirst: place == nil) }
        guard let next = page.next else { break }
        place = next
      }
      isRead = true
    } catch {
      // It is asked for again when something else happens, but not before this.
      try? await Task.sleep(for: .milliseconds(ConnectClientLimits.relistRetryMilliseconds))
    }
  }

  /// Says what is read and stored, under an id that is given.
  func submit(_ read: ClientFrame.Read) {
    if self.shared.withLockedValue({ $0.read(read) }) { self.wakeLoop() }
  }

  /// Sends a message that is stored, however many wait.
  func submitAnyway(_ message: OutgoingMessage) {
    if self.shared.withLockedValue({ $0.submitAnyway(message) }) { self.wakeLoop() }
  }
}
