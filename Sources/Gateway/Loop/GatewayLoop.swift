import ConnectProtocol
import Logging
import MessageBus
import NIOCore
import Redis

/// What all connections of one event loop share: the way to Redis, the producer, the clock.
///
/// A connection, its publishing and its replies all happen on one loop, so a message crosses no
/// thread between the socket and Redis.
///
/// Unchecked: made on its loop and touched on that loop only: by the handlers of its channels, by
/// replies of its client, and through `eventLoop.execute`.
final class GatewayLoop: @unchecked Sendable {
  /// Whose result it is.
  enum PublishToken {
    case send(ConnectionHandler, MessageID)
    case receipts(ConnectionHandler, [DeliveryStateMachine.Receipt])
  }

  let eventLoop: any EventLoop
  let configuration: GatewayConfiguration
  let client: any RedisClient
  let pages: PageReader
  private(set) var producer: IncomingProducer<PublishToken>
  private(set) var isDraining = false

  private let isolated: NIOIsolatedEventLoop
  private let directory: ConnectionDirectory
  private let readiness: Readiness
  private let logger: Logger
  private let clock: ConnectionClock
  private var second: Scheduled<Void>?
  private var unflushed: [ConnectionHandler] = []
  private var cursors: [ConnectionHandler] = []
  private var isStoringSoon = false
  private var retries: [ConnectionHandler] = []
  private var lastRejectionLogged = NIODeadline.uptimeNanoseconds(0)

  init(
    eventLoop: any EventLoop, configuration: GatewayConfiguration,
    directory: ConnectionDirectory, readiness: Readiness, clients: any RedisClientFactory,
    logger: Logger
  ) {
    self.eventLoop = eventLoop
    self.isolated = eventLoop.assumeIsolated()
    self.configuration = configuration
    self.directory = directory
    self.readiness = readiness
    self.logger = logger
    self.client = clients.makeClient(on: eventLoop)
    self.pages = PageReader(client: self.client)
    self.clock = ConnectionClock(periodSeconds: configuration.pingSeconds)
    self.producer = IncomingProducer(keys: configuration.keys, client: self.client) {
      token, result in
      switch token {
      case .send(let connection, let id): connection.published(id, result)
      case .receipts(let connection, let receipts):
        connection.receiptsPublished(receipts, result)
      }
    }
    self.scheduleSecond()
  }

  // MARK: Admission

  /// Whether one more connection may be opened now.
  func admit() throws(Refusal) {
    if self.isDraining { throw Refusal(.draining, "this gateway is stopping; connect again") }
    // A session that is registered before the gateway's stream exists is taken for stale by the first
    // message that is pushed to it.
    guard self.client.isReady, self.readiness.isReady else {
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
    let older = self.directory.add(connection)
    older?.eventLoop.execute { older?.value.replaced() }
  }

  func remove(_ connection: ConnectionHandler) {
    self.clock.remove(connection)
    self.directory.remove(connection)
  }

  /// Tells another gateway that a device it holds is here now.
  func tellReplaced(_ session: Session, user: UserName) {
    var writer = DeliveryWriter(keys: self.configuration.keys)
    writer.addReplacement(of: session, user: user)
    var batch = RedisBatch()
    _ = writer.write(to: &batch)
    // Only a courtesy: pushes follow the registry, which says already who holds the device.
    self.client.submit(batch) { _ in }
  }

  /// Messaging took this gateway for gone: enter all its sessions again.
  func registerAgain() {
    self.clock.forEach { connection in
      connection.needsRegistration = true
      connection.registerAgain()
    }
  }

  // MARK: Later, once for many

  /// Flushes at the end of this turn: everything for one socket goes out in one write.
  func flushLater(_ connection: ConnectionHandler) {
    self.unflushed.append(connection)
    guard self.unflushed.count == 1 else { return }
    self.isolated.execute {
      let connections = self.unflushed
      self.unflushed = []
      for connection in connections { connection.flush() }
    }
  }

  /// Stores the cursor within a second; that of a connection that is gone at the end of this turn.
  func storeCursorLater(_ connection: ConnectionHandler) {
    self.cursors.append(connection)
    guard connection.context == nil, !self.isStoringSoon else { return }
    self.isStoringSoon = true
    self.isolated.execute {
      self.isStoringSoon = false
      self.storeCursors {}
    }
  }

  /// Calls `retry` within a second.
  func retryLater(_ connection: ConnectionHandler) { self.retries.append(connection) }

  private func scheduleSecond() {
    self.second = self.isolated.scheduleTask(in: .seconds(1)) {
      self.secondPassed()
      self.scheduleSecond()
    }
  }

  private func secondPassed() {
    let retries = self.retries
    self.retries = []
    for connection in retries where connection.context != nil { connection.retry() }
    self.storeCursors {}
    self.clock.tick()
  }

  private func storeCursors(completion: @escaping () -> Void) {
    let connections = self.cursors
    self.cursors = []
    var batch = RedisBatch()
    var stored: [(ConnectionHandler, Offset)] = []
    for connection in connections where connection.receipts.safe > connection.storedCursor {
      let offset = connection.receipts.safe
      Cursors.store(
        offset, of: connection.device, in: self.configuration.keys.cursor(connection.user),
        to: &batch)
      stored.append((connection, offset))
      // Taken as stored, so that a connection which stands in the list twice is stored once.
      connection.storedCursor = offset
    }
    self.client.submit(batch) { replies in
      for (index, (connection, offset)) in stored.enumerated() {
        if (try? replies.cursor(index)) == nil, connection.storedCursor == offset {
          connection.storedCursor = .zero
          if connection.context != nil { self.storeCursorLater(connection) }
        }
      }
      completion()
    }
  }

  // MARK: Errors

  /// Says at most once a second why clients are told that the bus is unavailable.
  func noteRejection(_ error: RedisError) {
    let now = NIODeadline.now()
    guard now - self.lastRejectionLogged >= .seconds(1) else { return }
    self.lastRejectionLogged = now
    self.logger.warning("gateway.unavailable", metadata: ["error": "\(error)"])
  }

  // MARK: Stopping

  /// Takes no more sends or connections, and tells every client to reconnect.
  func drain() {
    self.isDraining = true
    self.clock.forEach { self.sayGoodbye(to: $0) }
  }

  /// Closes a connection with the time after which to reconnect, spread over all of them. One that
  /// is still being registered is told when it is.
  func sayGoodbye(to connection: ConnectionHandler) {
    guard connection.session.isOpen else { return }
    let wait = Int.random(in: 0...GatewayLimits.reconnectSpreadMilliseconds)
    connection.writeText { _ = $0.writeGoodbye(code: .restart, reconnectAfterMilliseconds: wait) }
    connection.close(.restart, "this gateway is stopping")
  }

  /// How many connections are left.
  var connectionCount: Int { self.clock.count }

  /// Stores what is not stored yet, then closes the way to Redis.
  func close() -> EventLoopFuture<Void> {
    self.second?.cancel()
    let promise = self.eventLoop.makePromise(of: Void.self)
    self.storeCursors {
      self.client.close().cascade(to: promise)
    }
    return promise.futureResult
  }
}
