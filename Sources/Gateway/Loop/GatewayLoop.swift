import ConnectProtocol
import Logging
import MessageBus
import NIOCore
import Redis

/// What all connections of one event loop share: the client of Redis, the producer, the clock.
///
/// A connection, its publishing and its replies all happen on one loop, so a message crosses no
/// thread between the socket and Redis.
///
/// Unchecked: made on its loop and touched on that loop only: by the handlers of its channels, by
/// replies of its client, and through `eventLoop.execute`.
final class GatewayLoop: @unchecked Sendable {
  /// A send that the bus has not answered yet.
  struct Send {
    let id: MessageID
    let to: UserName
    let place: SendOrder.Place
    /// Whether the client marked it `retry`.
    let isRepeat: Bool
    /// Time at which it was read from the socket.
    let readAt: NIODeadline
  }

  /// The connection that gets a result from the producer, and for what.
  enum PublishToken {
    case send(ConnectionHandler, Send)
    case receipts(ConnectionHandler, [ReceiptTracker.Tracked])
  }

  let eventLoop: any EventLoop
  let configuration: GatewayConfiguration
  let client: any RedisClient
  let pages: PageReader
  let backlog: Backlog
  let metrics: GatewayMetrics
  let isolated: NIOIsolatedEventLoop
  private(set) var producer: IncomingProducer<PublishToken>
  let pauseGuard: PauseGuard
  /// How connections are closed; see ``drain(_:)``.
  var drainPlan: DrainPlan
  var isDraining: Bool { self.readiness.isStopping }

  /// The producer's client: the same one if it waits for no replicas.
  let publisher: any RedisClient
  private let directory: ConnectionDirectory
  private let readiness: Readiness
  private let logger: Logger
  let clock: ConnectionClock
  private(set) var second: Scheduled<Void>?
  private var unflushed: [ConnectionHandler] = []
  private var cursors: [ConnectionHandler] = []
  private var isStoringSoon = false
  /// Sessions of closed connections, kept in the registry until their cursors are on the way.
  private var removals: [(Session, of: RedisKey)] = []
  /// Unanswered batches with cursors and removals.
  private var storesUnderWay = 0
  private var storeWaiters: [() -> Void] = []
  private var retries: [ConnectionHandler] = []
  private var lastRejectionLogged = NIODeadline.uptimeNanoseconds(0)
  var leavers: Leavers?

  init(
    eventLoop: any EventLoop, configuration: GatewayConfiguration,
    directory: ConnectionDirectory, readiness: Readiness, backlog: Backlog,
    clients: any RedisClientFactory, metrics: GatewayMetrics, logger: Logger
  ) {
    self.eventLoop = eventLoop
    self.isolated = eventLoop.assumeIsolated()
    self.configuration = configuration
    self.drainPlan = .running(configuration)
    self.directory = directory
    self.readiness = readiness
    self.logger = logger
    self.backlog = backlog
    self.metrics = metrics
    self.client = clients.makeClient(on: eventLoop)
    self.publisher =
      configuration.durability.replicas > 0 ? clients.makeBusClient(on: eventLoop) : self.client
    self.pages = PageReader(client: self.client)
    self.clock = ConnectionClock(periodSeconds: configuration.pingSeconds)
    let pauseGuard = PauseGuard(now: NIODeadline.now().uptimeNanoseconds)
    self.pauseGuard = pauseGuard
    self.producer = IncomingProducer(
      keys: configuration.keys, client: self.publisher, durability: configuration.durability,
      refusal: {
        pauseGuard.isLate(NIODeadline.now().uptimeNanoseconds)
          ? .withheld("the gateway was paused, and its clients may have gone elsewhere") : nil
      }
    ) { token, result in
      switch token {
      case .send(let connection, let send): connection.published(send, result)
      case .receipts(let connection, let receipts):
        connection.receiptsPublished(receipts, result)
      }
    }
    self.scheduleSecond()
  }

  var isConnected: Bool { self.client.isReady && self.publisher.isReady }

  // MARK: Admission

  /// Throws if no further connection may be opened now.
  func admit() throws(Refusal) {
    if self.isDraining { throw Refusal(.draining, "this gateway is stopping; connect again") }
    // A client whose request has waited through a pause may be connected elsewhere by now, and would
    // lose that connection to this one.
    if self.pauseGuard.isLate(NIODeadline.now().uptimeNanoseconds) {
      throw Refusal(.unavailable, "this gateway was paused; try again")
    }
    // A session that is registered before the gateway's stream exists is taken for stale by the first
    // message that is pushed to it.
    guard self.isConnected, self.readiness.isReady else {
      throw Refusal(.unavailable, "this gateway cannot reach its Redis; try again")
    }
    guard self.directory.count < self.configuration.maximumConnections else {
      throw Refusal(.tooManyConnections, "this gateway has all the connections it takes")
    }
  }

  func nextConnectionID() -> String { self.directory.nextConnectionID() }

  // MARK: Connections

  func add(_ connection: ConnectionHandler) {
    self.clock.add(connection)
    self.metrics.connections.increment()
    let older = self.directory.add(connection)
    older?.eventLoop.execute { older?.value.replaced() }
  }

  /// Call it when its socket is closed. It stays in the directory until ``removeSessionLater(_:)``.
  func remove(_ connection: ConnectionHandler) {
    self.clock.remove(connection)
    self.metrics.connections.decrement()
  }

  /// Tells another gateway that a device of its connections is now connected here.
  func tellReplaced(_ session: Session, user: UserName) {
    var writer = DeliveryWriter(keys: self.configuration.keys)
    writer.addReplacement(of: session, user: user)
    var batch = RedisBatch()
    writer.write(to: &batch)
    // Only a courtesy: pushes follow the registry, which says already who holds the device.
    self.client.submit(batch) { _ in }
  }

  /// Enters all sessions again after messaging took this gateway for dead.
  func registerAgain() {
    self.clock.forEach { connection in
      connection.needsRegistration = true
      connection.registerAgain()
    }
  }

  // MARK: Later, once for many

  /// Flushes at the end of this turn: all output for one socket leaves in one write.
  func flushLater(_ connection: ConnectionHandler) {
    self.unflushed.append(connection)
    guard self.unflushed.count == 1 else { return }
    self.isolated.execute {
      let connections = self.unflushed
      self.unflushed = []
      for connection in connections { connection.flush() }
    }
  }

  /// Stores the cursor within a second; of a closed connection, at the end of this turn.
  func storeCursorLater(_ connection: ConnectionHandler) {
    if !connection.awaitsCursorStore { self.cursors.append(connection) }
    connection.awaitsCursorStore = true
    if connection.isOver { self.storeSoon() }
  }

  /// Takes the session of a connection that is gone out of the registry at the end of this turn,
  /// behind its cursor.
  func removeSessionLater(_ connection: ConnectionHandler) {
    self.directory.remove(connection)
    self.removals.append((connection.ownSession, of: connection.sessionKey))
    self.storeSoon()
  }

  private func storeSoon() {
    guard !self.isStoringSoon else { return }
    self.isStoringSoon = true
    self.isolated.execute {
      self.isStoringSoon = false
      self.storeCursors()
    }
  }

  /// Calls `retry` within a second.
  func retryLater(_ connection: ConnectionHandler) {
    if !connection.awaitsRetry { self.retries.append(connection) }
    connection.awaitsRetry = true
  }

  private func scheduleSecond() {
    self.second = self.isolated.scheduleTask(in: .seconds(1)) {
      self.secondPassed()
      self.scheduleSecond()
    }
  }

  private func secondPassed() {
    self.pauseGuard.tick(now: NIODeadline.now().uptimeNanoseconds)
    let retries = self.retries
    self.retries = []
    for connection in retries {
      connection.awaitsRetry = false
      if !connection.isOver { connection.retry() }
    }
    self.storeCursors()
    self.clock.tick()
  }

  /// Stores the cursors that wait for it, and behind them removes the sessions of connections that are
  /// gone.
  func storeCursors() {
    let connections = self.cursors
    let removals = self.removals
    self.cursors = []
    self.removals = []
    let now = SystemClock.secondsSince1970()
    var batch = RedisBatch()
    var stored: [(ConnectionHandler, before: Offset, Reply<Void>)] = []
    for connection in connections {
      connection.awaitsCursorStore = false
      let before = connection.storedCursor
      let offset = max(connection.receipts.safe, before)
      // At the end it is stored anyway: from then on the device counts as not seen.
      guard connection.knowsCursor, !connection.isErased,
        offset > before || now - connection.storedSeen > GatewayLimits.seenSeconds
          || connection.isOver
      else { continue }
      let reply = Cursors.store(
        offset, of: connection.device, seenSeconds: UInt64(now),
        in: self.configuration.keys.cursor(connection.user), to: &batch)
      stored.append((connection, before, reply))
      connection.storedCursor = offset
      connection.storedSeen = now
    }
    self.storesUnderWay += 1
    self.client.submit(batch) { replies in
      for (connection, before, reply) in stored {
        if (try? replies[reply]) == nil {
          connection.storedCursor = min(connection.storedCursor, before)
          connection.storedSeen = 0
          if !connection.isOver { self.storeCursorLater(connection) }
        }
      }
      self.stored()
    }
    self.removeSessions(removals)
  }

  /// Removes sessions now, after all that was stored so far.
  func removeSessions(_ sessions: [(Session, of: RedisKey)]) {
    self.storesUnderWay += 1
    self.client.removeSessions(sessions) { self.stored() }
  }

  private func stored() {
    self.storesUnderWay -= 1
    guard self.storesUnderWay == 0 else { return }
    let waiters = self.storeWaiters
    self.storeWaiters = []
    for waiter in waiters { waiter() }
  }

  /// Calls `body` once no store of a cursor or removal of a session is under way; perhaps at once.
  func whenStored(_ body: @escaping () -> Void) {
    if self.storesUnderWay == 0 { body() } else { self.storeWaiters.append(body) }
  }

  // MARK: Errors

  /// Logs at most once a second why clients are told that the bus is unavailable.
  func noteRejection(_ error: RedisError) {
    let now = NIODeadline.now()
    guard now - self.lastRejectionLogged >= .seconds(1) else { return }
    self.lastRejectionLogged = now
    self.logger.warning("gateway.unavailable", metadata: ["error": "\(error)"])
  }
}
