import ConnectProtocol

// What an app asks for, and what it passes on.

extension ConnectClient {
  // MARK: Lists and history

  /// Asks for a part of the list of conversations, those with the newest message first.
  ///
  /// As any request, it waits for ``run()`` and for a connection, is asked again on the next one and after a
  /// "later", and fails ``ConnectClientLimits/requestMilliseconds`` after it was made or ``run()`` has begun.
  /// Another task must consume ``events`` meanwhile: once ``ConnectClientLimits/bufferedEventsHigh`` of them
  /// wait, nothing is read, and a request made inside the loop over them fails in the end. The answer may come
  /// before events that wait, those of the same entries included.
  ///
  /// - Parameters:
  ///   - limit: how many at most, 1 to 50. An answer may have fewer and still a `next`.
  ///   - before: the `next` of the part before; nil for the first.
  public func conversations(
    limit: Int = ClientFrame.Conversations.defaultLimit, before: ConversationCursor? = nil
  ) async throws(ConnectRequestError) -> ConversationPage {
    let limit = min(max(limit, 1), ClientFrame.Conversations.maximumLimit)
    guard
      case .conversations(let page) = try await self.ask(
        .conversations(limit: limit, before: before))
    else { throw Self.otherAnswer }
    return page
  }

  /// Asks for a part of the mailbox, newest first. It changes nothing: what comes so is neither acked nor
  /// read thereby.
  ///
  /// Fails as ``conversations(limit:before:)`` does.
  ///
  /// - Parameters:
  ///   - peer: whose conversation; nil for all.
  ///   - before: the `next` of the part before, or an offset; nil for the newest.
  ///   - limit: how many at most, 1 to 100. An answer may have fewer, even none, and still a `next`.
  public func history(
    with peer: UserName? = nil, before: Offset? = nil,
    limit: Int = ClientFrame.History.defaultLimit
  ) async throws(ConnectRequestError) -> HistoryPage {
    let limit = min(max(limit, 1), ClientFrame.History.maximumLimit)
    guard
      case .history(let page) = try await self.ask(
        .history(with: peer, before: before, limit: limit))
    else { throw Self.otherAnswer }
    return page
  }

  // MARK: Presence

  /// Asks once who of these users is online, and when the others were last seen.
  ///
  /// Fails as ``conversations(limit:before:)`` does, and with more than 100 users.
  public func presence(
    of users: some Sequence<UserName>
  ) async throws(ConnectRequestError) -> [UserName: ServerFrame.Presence.Status] {
    let users = try Self.named(users)
    guard case .presence(let statuses) = try await self.ask(.presence(users)) else {
      throw Self.otherAnswer
    }
    return statuses
  }

  /// Watches who of these users is online, at most 100, instead of those watched before; none, to watch
  /// nobody. Told by ``ConnectEvent/presence(_:)``: all of them at first and after each reconnect, then
  /// those that changed.
  public func watchPresence(of users: some Sequence<UserName>) throws(ConnectRequestError) {
    let users = try Self.named(users)
    if self.shared.withLockedValue({ $0.watch(users) }) { self.wakeLoop() }
  }

  private static func named(
    _ users: some Sequence<UserName>
  ) throws(ConnectRequestError) -> [UserName] {
    let users = Array(Set(users))
    guard users.count <= ClientFrame.Presence.maximumUsers else { throw .tooManyUsers(users.count) }
    return users
  }

  // MARK: Passing on

  /// The user is typing to `peer`: call it at each key. The peer is told at most every
  /// ``ConnectClientLimits/typingRepeatMilliseconds``, and its client counts the user as typing until the
  /// message comes, or nothing more does for ``ConnectClientLimits/typingMilliseconds``.
  public func typing(to peer: UserName) {
    if self.shared.withLockedValue({ $0.typing(to: peer) }) { self.wakeLoop() }
  }

  /// Passes something on to the devices of `peer` that are connected now: never stored, never answered,
  /// dropped without a connection, and rather than said late. For what is of no use a few seconds later;
  /// all else is a message.
  ///
  /// - Parameters:
  ///   - name: what it says; `typing` is the name of what ``typing(to:)`` says.
  ///   - body: of at most 2,048 bytes; nil for none.
  public func signal(
    _ name: MessageID, to peer: UserName, body: MessageBody? = nil
  ) throws(ConnectSendError) {
    let body = body?.bytes ?? []
    guard body.count <= ClientFrame.Signal.maximumBodyBytes else {
      throw .malformedBody(
        "a signal's body takes at most \(ClientFrame.Signal.maximumBodyBytes) bytes")
    }
    let signal = OutgoingSignal(to: peer, name: name, body: body)
    if self.shared.withLockedValue({ $0.signal(signal) }) { self.wakeLoop() }
  }

  // MARK: Asking

  private static var otherAnswer: ConnectRequestError {
    .unavailable("the server answered something else than it was asked")
  }

  private func ask(
    _ request: ConnectRequest
  ) async throws(ConnectRequestError) -> ConnectAnswer {
    let id = MessageID.unique()
    return try await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let result = self.shared.withLockedValue {
          $0.ask(request, id: id, continuation, isCancelled: Task.isCancelled)
        }
        switch result {
        case .success(let wakes): if wakes { self.wakeLoop() }
        case .failure(let error): continuation.resume(returning: .failure(error))
        }
      }
    } onCancel: {
      let (continuation, wakes) = self.shared.withLockedValue { $0.cancelRequest(id) }
      continuation?.resume(returning: .failure(.cancelled))
      if wakes { self.wakeLoop() }
    }.get()
  }
}
