import ConnectProtocol
import DequeModule
import MessageBus
import NIOCore
import Redis

/// Answers who is online, and tells connections when the users they watch come and go: one for all event
/// loops of a gateway, on one of them.
///
/// One look at Redis is under way at a time. What comes meanwhile waits for the next one, so an older look
/// never comes behind a newer one, and a crowd that asks costs no more than so much at once.
///
/// Unchecked: made on its loop and touched on that loop only, as ``ask(_:by:)`` and ``end(_:)`` see to.
final class PresenceKeeper: @unchecked Sendable {
  typealias Statuses = PresenceReader.Statuses

  /// What became of a request.
  enum Answer: Sendable {
    case statuses(Statuses)
    case refused(RejectionCode, String)
  }

  private struct Waiting {
    let request: ClientFrame.Presence
    let connection: NIOLoopBound<ConnectionHandler>
    let identity: ObjectIdentifier
    /// Whose connection it is.
    let owner: UserName

    /// What it counts among the users that wait: one that names nobody waits as well.
    var size: Int { max(1, self.request.users.count) }
  }

  /// What connections of one event loop are told.
  private struct News: Sendable {
    var changes: [(NIOLoopBound<ConnectionHandler>, Statuses)] = []
    var answers: [(NIOLoopBound<ConnectionHandler>, MessageID?, Answer)] = []
  }

  private let eventLoop: any EventLoop
  private let isolated: NIOIsolatedEventLoop
  private let configuration: GatewayConfiguration
  private let reader: PresenceReader
  private let metrics: GatewayMetrics
  private var board: PresenceBoard<ObjectIdentifier>
  /// Those that watch.
  private var watchers: [ObjectIdentifier: NIOLoopBound<ConnectionHandler>] = [:]
  private var waiting = Deque<Waiting>()
  private var waitingUsers = 0
  /// Watched users whose turn has come.
  private var due: ArraySlice<UserName> = []
  /// The requests that the look under way is for; nil while there is none.
  private var underWay: [Waiting]?
  private var isTurning = false

  init(
    configuration: GatewayConfiguration, client: any RedisClient,
    directory: ConnectionDirectory, metrics: GatewayMetrics
  ) {
    self.eventLoop = client.eventLoop
    self.isolated = client.eventLoop.assumeIsolated()
    self.configuration = configuration
    self.metrics = metrics
    self.reader = PresenceReader(
      client: client, directory: directory, keys: configuration.keys, id: configuration.id,
      metrics: metrics)
    self.board = PresenceBoard(
      maximum: configuration.watchedUsers, maximumOfOwner: configuration.watchedUsersOfUser,
      turns: configuration.presenceSeconds * Self.turnsPerSecond)
  }

  // MARK: Connections

  /// Takes a request; ``ConnectionHandler/presenceAnswered(_:_:)`` comes later, exactly once unless the
  /// connection ends. On the connection's loop.
  func ask(_ request: ClientFrame.Presence, by connection: ConnectionHandler) {
    let identity = ObjectIdentifier(connection)
    let owner = connection.user
    let connection = NIOLoopBound(connection, eventLoop: connection.loop.eventLoop)
    self.eventLoop.execute {
      self.take(
        Waiting(request: request, connection: connection, identity: identity, owner: owner))
    }
  }

  /// The connection watches nobody any more, and gets no answers. On its loop, behind all that it asks.
  func end(_ connection: ConnectionHandler) {
    let identity = ObjectIdentifier(connection)
    // Held until then: another could get its identity.
    let held = NIOLoopBound(connection, eventLoop: connection.loop.eventLoop)
    self.eventLoop.execute {
      withExtendedLifetime(held) {
        for waiting in self.waiting where waiting.identity == identity {
          self.waitingUsers -= waiting.size
        }
        self.waiting.removeAll { $0.identity == identity }
        self.underWay?.removeAll { $0.identity == identity }
        self.unwatch(identity)
      }
    }
  }

  private func take(_ waiting: Waiting) {
    let users = waiting.request.users
    var refusal: Answer?
    if self.waitingUsers + waiting.size > GatewayLimits.waitingPresence {
      refusal = .refused(.overloaded, "presence is asked for faster than it can be looked up")
    } else if waiting.request.watch,
      let shortage = self.board.shortage(
        for: users, of: waiting.identity, owner: waiting.owner)
    {
      refusal = self.refusal(for: shortage)
    }
    if let refusal {
      var news = News()
      news.answers.append((waiting.connection, waiting.request.id, refusal))
      return self.tell(news, on: waiting.connection.eventLoop)
    }
    self.waitingUsers += waiting.size
    self.waiting.append(waiting)
    self.look()
  }

  private func refusal(
    for shortage: PresenceBoard<ObjectIdentifier>.Shortage
  ) -> Answer {
    let whose: String
    let limit: Int
    switch shortage {
    case .board:
      whose = "users are watched on this gateway"
      limit = self.configuration.watchedUsers
    case .owner:
      whose = "users are watched by this user's devices on this gateway"
      limit = self.configuration.watchedUsersOfUser
    }
    return .refused(
      .overloaded, "\(limit) \(whose), which is its limit; ask without `watch`, or for fewer")
  }

  // MARK: Looking

  private func look() {
    guard self.underWay == nil, !self.due.isEmpty || !self.waiting.isEmpty else { return }
    let due = self.due.prefix(GatewayLimits.presenceLookUsers)
    self.due = self.due.dropFirst(due.count)
    var requests: [Waiting] = []
    var exact: Set<UserName> = []
    while let next = self.waiting.first,
      requests.isEmpty
        || due.count + exact.count + next.request.users.count <= GatewayLimits.presenceLookUsers
    {
      self.waiting.removeFirst()
      self.waitingUsers -= next.size
      exact.formUnion(next.request.users)
      requests.append(next)
    }
    var known: Statuses = [:]
    for user in due where !exact.contains(user) { known[user] = self.board.status(of: user) }
    self.underWay = requests
    self.reader.look(Array(exact) + known.keys, known: known) { self.looked($0) }
  }

  private func looked(_ statuses: Statuses) {
    let requests = self.underWay ?? []
    self.underWay = nil
    var news: [ObjectIdentifier: (any EventLoop, News)] = [:]
    for (watcher, changes) in self.board.looked(statuses) {
      guard let connection = self.watchers[watcher] else { continue }
      let loop = connection.eventLoop
      news[ObjectIdentifier(loop), default: (loop, News())].1.changes.append((connection, changes))
    }
    for waiting in requests {
      let loop = waiting.connection.eventLoop
      let answer = self.answer(to: waiting, statuses)
      news[ObjectIdentifier(loop), default: (loop, News())].1.answers.append(
        (waiting.connection, waiting.request.id, answer))
    }
    for (loop, news) in news.values { self.tell(news, on: loop) }
    // Not at once: nothing of Redis may be needed, and then this would be recursive.
    self.eventLoop.execute { self.look() }
  }

  private func answer(to waiting: Waiting, _ statuses: Statuses) -> Answer {
    let users = waiting.request.users
    var found: Statuses = [:]
    for user in users { found[user] = statuses[user] }
    guard found.count == users.count else {
      return .refused(.unavailable, "the presence of these users could not be looked up")
    }
    guard waiting.request.watch else {
      self.unwatch(waiting.identity)
      return .statuses(found)
    }
    if let shortage = self.board.watch(found, by: waiting.identity, of: waiting.owner) {
      return self.refusal(for: shortage)
    }
    self.watchers[waiting.identity] = users.isEmpty ? nil : waiting.connection
    self.watchesChanged()
    return .statuses(found)
  }

  private func unwatch(_ identity: ObjectIdentifier) {
    guard self.watchers.removeValue(forKey: identity) != nil else { return }
    self.board.unwatch(identity)
    self.watchesChanged()
  }

  private func watchesChanged() {
    self.metrics.watchedUsers.set(self.board.count)
    if !self.isTurning, self.board.count > 0 { self.scheduleTurn() }
  }

  private func tell(_ news: News, on loop: any EventLoop) {
    loop.execute {
      for (connection, changes) in news.changes { connection.value.presenceChanged(changes) }
      for (connection, id, answer) in news.answers { connection.value.presenceAnswered(id, answer) }
    }
  }

  // MARK: Turns

  private static let turnsPerSecond = 4

  private func scheduleTurn() {
    self.isTurning = true
    self.isolated.scheduleTask(in: .milliseconds(1_000 / Int64(Self.turnsPerSecond))) {
      self.isTurning = false
      guard self.board.count > 0 else { return }
      // Where Redis is slow, the period grows.
      if self.due.isEmpty { self.due = self.board.turn()[...] }
      self.scheduleTurn()
      self.look()
    }
  }
}
