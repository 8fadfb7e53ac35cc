import ConnectProtocol
import NIOConcurrencyHelpers

/// Keeps the book of a running client: hands it what happens, stores what it changes, and tells observers.
///
/// What is to be sent or acked is stored before. Changes are gathered while the store works, and go to it together, one
/// round after the other.
final class ConversationKeeper: Sendable {
  let owner: StoreOwner
  private let store: any ConnectStore
  private let state: NIOLockedValueBox<KeeperState>
  /// Whether the store is used: not after it has failed.
  private let isStoring = NIOLockedValueBox(true)

  init(owner: StoreOwner, store: any ConnectStore) {
    self.owner = owner
    self.store = store
    self.state = NIOLockedValueBox(KeeperState(user: owner.user))
  }

  /// Reads what is shown.
  func withState<Result>(_ body: (KeeperState) -> Result) -> Result {
    self.state.withLockedValue { body($0) }
  }

  /// Changes something, tells observers, and sees to it that what follows is done.
  func change<Result, Failure: Error>(
    _ body: (inout KeeperState) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var woken: (CheckedContinuation<KeeperState.Round?, Never>, KeeperState.Round?)?
    var resumed = KeeperState.Resumed()
    let result = self.state.withLockedValue { state -> Swift.Result<Result, Failure> in
      let result: Swift.Result<Result, Failure>
      do throws(Failure) {
        result = .success(try body(&state))
      } catch {
        result = .failure(error)
      }
      state.tellObservers()
      resumed = state.takeResumed()
      guard let keeper = state.keeper else { return result }
      switch state.nextRound() {
      case .round(let round): woken = (keeper, round)
      case .ended: woken = (keeper, nil)
      case .wait: return result
      }
      state.keeper = nil
      return result
    }
    if let (keeper, round) = woken { keeper.resume(returning: round) }
    resumed.resume()
    return try result.get()
  }

  // MARK: Starting

  /// Reads the store.
  ///
  /// - Returns: where the server is to begin, and which positions are known.
  func open() async -> (since: Offset?, positions: UInt64?) {
    var book = ConversationBook(user: self.owner.user)
    var records = await self.readStore()
    do {
      for record in records { book.apply(try BookRecord(bytes: record)) }
    } catch {
      self.report(.damaged("\(error)"))
      book = ConversationBook(user: self.owner.user)
      records = []
      await self.use { store throws(ConnectStoreError) in try await store.erase() }
    }
    return self.change { state in
      state.opened(book, records: records)
      return (state.book.handled, state.book.stamp.known)
    }
  }

  private func readStore() async -> [[UInt8]] {
    do throws(ConnectStoreError) {
      return try await self.store.open(self.owner)
    } catch {
      self.report(error)
      // What is damaged is out of the way now.
      if case .damaged = error, let records = try? await self.store.open(self.owner) {
        return records
      }
      self.isStoring.withLockedValue { $0 = false }
      return []
    }
  }

  /// Uses the store, unless it has failed.
  ///
  /// - Parameter isNeeded: whether all goes on in memory if it fails. Else what was stored before is still there.
  private func use(
    isNeeded: Bool = true, _ body: (any ConnectStore) async throws(ConnectStoreError) -> Void
  ) async {
    guard self.isStoring.withLockedValue({ $0 }) else { return }
    do throws(ConnectStoreError) {
      try await body(self.store)
    } catch {
      if isNeeded { self.isStoring.withLockedValue { $0 = false } }
      self.report(error)
    }
  }

  private func report(_ error: ConnectStoreError) {
    self.change { $0.observers.tell(.store(error)) }
  }

  // MARK: Keeping

  /// Carries out one round after the other until the client has ended.
  func keep(_ client: ConnectClient) async {
    while let round = await self.nextRound() { await self.carryOut(round, client) }
    await self.store.close()
  }

  private func nextRound() async -> KeeperState.Round? {
    await withCheckedContinuation { continuation in
      let next = self.state.withLockedValue { state in
        let next = state.nextRound()
        if case .wait = next { state.keeper = continuation }
        return next
      }
      switch next {
      case .round(let round): continuation.resume(returning: round)
      case .ended: continuation.resume(returning: nil)
      case .wait: break
      }
    }
  }

  private func carryOut(_ round: KeeperState.Round, _ client: ConnectClient) async {
    if !round.records.isEmpty {
      let records = round.records.map(\.bytes)
      await self.use { store throws(ConnectStoreError) in try await store.append(records) }
      if let snapshot = self.state.withLockedValue({ $0.stored(records) }) {
        let records = snapshot.map(\.bytes)
        await self.use(isNeeded: false) { store throws(ConnectStoreError) in
          try await store.replace(with: records)
        }
      }
    }
    for message in round.messages { client.submitAnyway(message) }
    for read in round.reads { client.submit(read) }
    if let watched = round.watched { try? client.watchPresence(of: watched) }
    for offset in round.handled { client.acknowledge(offset) }
    for waiter in round.waiters { waiter.resume() }
  }

  /// Hands on what the client tells, and returns when it is stored, and a consumer of arrivals has not too many.
  func received(_ events: [ConnectEvent]) async {
    await self.stored { state in
      for event in events { state.received(event) }
    }
    await withCheckedContinuation { continuation in
      self.change { $0.waitForConsumer(continuation) }
    }
  }

  /// Returns when all that was changed, and what `body` changes, is stored, and all that is to be sent, said and
  /// acked is with the client.
  func stored(after body: (inout KeeperState) -> Void = { _ in }) async {
    await withCheckedContinuation { continuation in
      self.change { state in
        body(&state)
        // A client that was closed before it was run has nobody any more who carries out what comes.
        if state.isEnded { continuation.resume() } else { state.wait(continuation) }
      }
    }
  }

  /// Returns when the server has answered all that was sent, or the client has ended.
  func answered() async {
    await withCheckedContinuation { continuation in
      self.change { $0.waitForAnswers(continuation) }
    }
  }

  /// The next arrival; nil when the client has ended, or the task is cancelled.
  func nextArrival() async -> ConnectArrival? {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if Task.isCancelled { return continuation.resume(returning: nil) }
        self.change { $0.waitForArrival(continuation) }
        // It may have been cancelled in between.
        if Task.isCancelled {
          self.change { $0.cancelArrival() }?.resume(returning: nil)
        }
      }
    } onCancel: {
      self.change { $0.cancelArrival() }?.resume(returning: nil)
    }
  }

  /// The client has ended: what was changed is still stored, and observers hear no more.
  func end() {
    let observers = self.change { $0.end() }
    for finish in observers { finish() }
  }

  // MARK: Observing

  /// A sequence for one observer, which begins with what is shown now.
  func observe<Element: Sendable>(
    buffering policy: AsyncStream<Element>.Continuation.BufferingPolicy,
    _ add:
      @escaping (
        inout KeeperState, AsyncStream<Element>.Continuation
      ) -> ConversationObservers.ID
  ) -> AsyncStream<Element> {
    let (stream, continuation) = AsyncStream.makeStream(of: Element.self, bufferingPolicy: policy)
    let id = self.change { state -> ConversationObservers.ID? in
      guard !state.isEnded else { return nil }
      let id = add(&state, continuation)
      state.observersChanged()
      return id
    }
    guard let id else {
      continuation.finish()
      return stream
    }
    continuation.onTermination = { _ in
      self.change { state in
        state.observers.remove(id)
        state.observersChanged()
      }
    }
    return stream
  }
}
