import ConnectProtocol

/// Requests that have no answer yet, and whose presence is watched: what is asked next, when, and what
/// becomes of it.
///
/// A request waits for a connection, is asked again on the next one if its answer did not come, and again
/// later if the server says so; all of that until its deadline. The watch has none: it is asked for on
/// each connection, and again behind any other request for presence, which ends it. One that is refused
/// waits longer each time, and nothing else waits for it.
///
/// Lives as long as the client, across connections. Pure: times are nanoseconds of the caller's clock.
struct RequestsStateMachine {
  private struct Entry {
    let id: MessageID
    let request: ConnectRequest
    let deadline: UInt64
    /// Asked on this connection, and not refused since.
    var isAsked = false
    /// Nobody waits for the answer any more.
    var isCancelled = false
    var lastRefusal: ServerFrame.Rejected?
  }

  private struct Watch {
    var users: [UserName]
    var id: MessageID
    var isAsked = false
  }

  private var entries: [Entry] = []
  private var watch: Watch?
  private var isConnected = false
  private var heldUntil: UInt64 = 0
  private var watchHeldUntil: UInt64 = 0
  /// Refusals of the watch in a row, on this connection.
  private var watchRefusals: UInt64 = 0
  private var pacer = SendPacer(perSecond: 0)

  /// Takes a request from the app.
  mutating func ask(_ request: ConnectRequest, id: MessageID, now: UInt64) {
    let deadline = now + ConnectClientLimits.requestMilliseconds * 1_000_000
    self.entries.append(Entry(id: id, request: request, deadline: deadline))
  }

  /// Nobody waits for the answer any more.
  mutating func cancel(_ id: MessageID) {
    guard let index = self.entries.firstIndex(where: { $0.id == id }) else { return }
    // What the server works on still counts as under way.
    if self.entries[index].isAsked {
      self.entries[index].isCancelled = true
    } else {
      self.entries.remove(at: index)
    }
  }

  /// Watches these users, instead of those before; none, to watch nobody.
  mutating func watch(_ users: [UserName], id: MessageID) {
    // A server that never heard of a watch need not hear of its end.
    if users.isEmpty, self.watch == nil { return }
    if let watch = self.watch, Set(watch.users) == Set(users) { return }
    self.watch = Watch(users: users, id: id)
  }

  /// A connection was welcomed: all is due.
  mutating func connected(requestsPerSecond: Int) {
    self.disconnected()
    if self.watch?.users.isEmpty == true { self.watch = nil }
    self.isConnected = true
    self.heldUntil = 0
    self.watchHeldUntil = 0
    self.watchRefusals = 0
    self.pacer = SendPacer(
      perSecond: requestsPerSecond,
      burstMilliseconds: ConnectClientLimits.requestBurstMilliseconds)
  }

  /// The connection is gone, or about to end.
  mutating func disconnected() {
    self.isConnected = false
    self.entries.removeAll { $0.isCancelled }
    for index in self.entries.indices { self.entries[index].isAsked = false }
    self.watch?.isAsked = false
  }

  enum Next: Hashable {
    case none
    /// Ask again at this time.
    case wait(until: UInt64)
    /// Write this now.
    case write(ConnectRequest, id: MessageID)
    /// Write this now.
    case watch([UserName], id: MessageID)
  }

  /// What is due now, which thereby counts as asked.
  mutating func next(now: UInt64) -> Next {
    guard self.isConnected else { return .none }
    let isFull =
      self.entries.lazy.filter(\.isAsked).count >= ConnectClientLimits.requestsUnderWay
    let index = isFull ? nil : self.entries.firstIndex { !$0.isAsked }
    let isWatchDue = self.watch?.isAsked == false
    guard index != nil || isWatchDue else { return .none }
    let earliest = index == nil ? max(self.heldUntil, self.watchHeldUntil) : self.heldUntil
    guard now >= earliest else { return .wait(until: earliest) }
    if let until = self.pacer.take(now: now) { return .wait(until: until) }
    guard let index else {
      guard let watch = self.watch else { return .none }
      self.watch?.isAsked = true
      return .watch(watch.users, id: watch.id)
    }
    self.entries[index].isAsked = true
    self.entries[index].lastRefusal = nil
    if case .presence = self.entries[index].request { self.watch?.isAsked = false }
    return .write(self.entries[index].request, id: self.entries[index].id)
  }

  enum Settled: Hashable {
    /// Somebody waits for it.
    case request
    /// It is of the users who are watched.
    case watch
    /// Nobody waits for it: it was cancelled, or came too late.
    case nobody
  }

  /// A request was answered, or cannot be written.
  mutating func settled(_ id: MessageID?) -> Settled {
    guard let id else { return .nobody }
    if let watch = self.watch, id == watch.id {
      self.watchRefusals = 0
      guard watch.users.isEmpty else { return .watch }
      self.watch = nil
      return .nobody
    }
    guard let index = self.entries.firstIndex(where: { $0.id == id }) else { return .nobody }
    return self.entries.remove(at: index).isCancelled ? .nobody : .request
  }

  enum Rejection: Hashable {
    /// It is none of these requests.
    case unknown
    /// It is asked again, or nobody waits for it.
    case noted
    /// It has failed.
    case failed(ConnectRequestError)
    /// The server does not watch.
    case watchRefused
  }

  /// The server has refused a request.
  ///
  /// - Parameter until: when to ask again, of what may be.
  mutating func rejected(
    _ rejected: ServerFrame.Rejected, until: UInt64, now: UInt64
  ) -> Rejection {
    if rejected.id == self.watch?.id {
      guard rejected.retryable else {
        self.watch = nil
        return .watchRefused
      }
      self.watch?.isAsked = false
      self.holdWatch(until: until, now: now)
      return .noted
    }
    guard let index = self.entries.firstIndex(where: { $0.id == rejected.id }) else {
      return .unknown
    }
    if rejected.retryable { self.heldUntil = max(self.heldUntil, until) }
    guard !self.entries[index].isCancelled else {
      self.entries.remove(at: index)
      return .noted
    }
    guard rejected.retryable else {
      self.entries.remove(at: index)
      return .failed(.refused(code: rejected.code, message: rejected.message))
    }
    // There is no use in waiting for an answer that comes too late.
    guard until < self.entries[index].deadline else {
      self.entries.remove(at: index)
      return .failed(Self.error(rejected, wait: until > now ? until - now : 0))
    }
    self.entries[index].isAsked = false
    self.entries[index].lastRefusal = rejected
    return .noted
  }

  /// A watch has no deadline, so a server that cannot serve it is asked less and less.
  private mutating func holdWatch(until: UInt64, now: UInt64) {
    let base = UInt64(ConnectClientLimits.backoffBaseMilliseconds) * 1_000_000
    let wait = max(until > now ? until - now : 0, base) << min(self.watchRefusals, 10)
    let longest = ConnectClientLimits.watchWaitMilliseconds * 1_000_000
    self.watchHeldUntil = max(until, now + min(wait, longest))
    self.watchRefusals += 1
  }

  /// The next time at which a request may have waited long enough; nil for none.
  var nextDeadline: UInt64? { self.entries.first?.deadline }

  /// Takes out the requests that have waited long enough.
  mutating func expire(now: UInt64) -> [(id: MessageID, error: ConnectRequestError)] {
    var expired: [(id: MessageID, error: ConnectRequestError)] = []
    while let first = self.entries.first, first.deadline <= now {
      self.entries.removeFirst()
      guard !first.isCancelled else { continue }
      expired.append((first.id, self.error(of: first, now: now)))
    }
    return expired
  }

  /// The client ends.
  ///
  /// - Returns: what will have no answer.
  mutating func end() -> [MessageID] {
    defer { self.entries = [] }
    self.watch = nil
    return self.entries.filter { !$0.isCancelled }.map(\.id)
  }

  private func error(of entry: Entry, now: UInt64) -> ConnectRequestError {
    if let refusal = entry.lastRefusal {
      return Self.error(refusal, wait: self.heldUntil > now ? self.heldUntil - now : 0)
    }
    let seconds = ConnectClientLimits.requestMilliseconds / 1_000
    return .unavailable(
      self.isConnected
        ? "the server did not answer within \(seconds) s"
        : "there was no connection within \(seconds) s")
  }

  private static func error(
    _ refusal: ServerFrame.Rejected, wait: UInt64
  ) -> ConnectRequestError {
    refusal.code == RejectionCode.rateLimited.rawValue
      ? .rateLimited(retryAfter: .nanoseconds(Int64(wait)))
      : .unavailable("\(refusal.message) (\(refusal.code))")
  }
}
