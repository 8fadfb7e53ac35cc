import ConnectProtocol
import Logging
import MessageBus
import NIOCore
import Redis
import WebSocket

/// State that all connections of one event loop share: the client of Redis, the producer, the
/// clock.
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
    /// A position, for this peer.
    case position(ConnectionHandler, UserName)
  }

  let eventLoop: any EventLoop
  let configuration: GatewayConfiguration
  let client: any RedisClient
  let pages: PageReader
  let registrations: RegistrationWriter
  let sessions: SessionChecker
  let reads: ReadWriter
  let signals: SignalWriter
  /// The same for all loops of a gateway.
  let presence: PresenceKeeper
  let backlog: Backlog
  let metrics: GatewayMetrics
  let isolated: NIOIsolatedEventLoop
  /// All sockets are read into it.
  let receiveBuffer = ReceiveBuffer()
  /// The frame of a ping.
  let ping: ByteBuffer
  let producer: IncomingProducer
  private let published = PublishTokens<PublishToken>()
  let pauseGuard: PauseGuard
  /// How connections are closed; see ``drain(_:)``.
  var drainPlan: DrainPlan
  var isDraining: Bool { self.readiness.isStopping }

  /// The producer's client, and that of positions: the same one if it waits for no replicas.
  let publisher: any RedisClient
  private let directory: ConnectionDirectory
  private let readiness: Readiness
  private let logger: Logger
  let clock: ConnectionClock
  let busClock: BusClock
  private(set) var second: Scheduled<Void>?
  /// Seconds for which this loop has run, in nanoseconds. While the process is stopped, or gets no processor, they
  /// stand still.
  private(set) var runningNanoseconds: UInt64 = 0
  /// The next turn of the clock; nil while there are no connections.
  private(set) var turn: Scheduled<Void>?
  /// Batches of connections that are being registered, which Redis has not answered yet.
  var registrationsUnderWay = 0
  private var unflushed: [ConnectionHandler] = []
  private var retries = LaterWheel<ConnectionHandler>()
  private var lastRejectionLogged = NIODeadline.uptimeNanoseconds(0)
  var leavers: Leavers?
  /// Fulfilled when the last connection has ended.
  var emptied: EventLoopPromise<Void>?

  /// - Parameter presence: that of the gateway; nil for its first loop, which makes it.
  init(
    eventLoop: any EventLoop, configuration: GatewayConfiguration,
    directory: ConnectionDirectory, readiness: Readiness, backlog: Backlog, busClock: BusClock,
    presence: PresenceKeeper?, clients: any RedisClientFactory, metrics: GatewayMetrics,
    logger: Logger
  ) {
    self.eventLoop = eventLoop
    self.isolated = eventLoop.assumeIsolated()
    self.configuration = configuration
    var ping = ByteBuffer()
    ping.writeWebSocketFrame(.ping) { _ in }
    self.ping = ping
    self.drainPlan = .running(configuration)
    self.directory = directory
    self.readiness = readiness
    self.logger = logger
    self.backlog = backlog
    self.busClock = busClock
    self.metrics = metrics
    self.client = clients.makeClient(on: eventLoop)
    self.publisher =
      configuration.durability.replicas > 0 ? clients.makeClient(on: eventLoop) : self.client
    self.pages = PageReader(
      client: self.client, requestTurnMilliseconds: configuration.requestTurnMilliseconds)
    self.registrations = RegistrationWriter(
      client: self.client, directory: directory, keys: configuration.keys,
      limits: configuration.positionLimits)
    self.sessions = SessionChecker(client: self.client, keys: configuration.keys)
    self.reads = ReadWriter(
      client: self.publisher, hints: self.client, configuration: configuration)
    self.signals = SignalWriter(
      client: self.client, keys: configuration.keys, metrics: metrics)
    self.presence =
      presence
      ?? PresenceKeeper(
        configuration: configuration, client: self.client, directory: directory,
        metrics: metrics)
    self.clock = ConnectionClock(periodSeconds: configuration.pingSeconds)
    let pauseGuard = PauseGuard(now: NIODeadline.now().uptimeNanoseconds)
    self.pauseGuard = pauseGuard
    let published = self.published
    self.producer = IncomingProducer(
      keys: configuration.keys, client: self.publisher, durability: configuration.durability,
      refusal: {
        pauseGuard.isLate(NIODeadline.now().uptimeNanoseconds)
          ? .withheld("the gateway was paused, and its clients may have gone elsewhere") : nil
      }
    ) { token, result in
      switch published.take(token) {
      case .send(let connection, let send): connection.sendSettled(send, result)
      case .position(let connection, let peer): connection.told(peer, result)
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

  /// The budget that all connections of a user on this gateway share.
  func budget(of user: UserName) -> UserBudget {
    self.directory.budget(of: user) {
      UserBudget(self.configuration, now: NIODeadline.now().uptimeNanoseconds)
    }
  }

  /// Publishes to the bus; the connection that the token names gets the result.
  ///
  /// - Parameter sender: whose entries keep their order through failures; nil for one that needs none.
  func publish(_ draft: Envelope.Draft, by sender: ObjectIdentifier? = nil, token: PublishToken) {
    self.producer.publish(draft, by: sender, token: self.published.add(token))
  }

  // MARK: Connections

  /// Whether the newest entry of a mailbox may be read with the registration, which takes no turn of ``pages``.
  var mayLookAtRegistration: Bool {
    self.registrationsUnderWay < GatewayLimits.looksAtRegistration
  }

  func add(_ connection: ConnectionHandler) {
    self.clock.add(connection)
    if self.turn == nil { self.scheduleTurn(after: .now()) }
    self.metrics.connections.increment()
    let older = self.directory.add(connection)
    older?.eventLoop.execute { older?.value.replaced() }
  }

  /// Call it when its socket is closed. It stays in the directory until its session is removed.
  func remove(_ connection: ConnectionHandler) {
    self.clock.remove(connection)
    self.metrics.connections.decrement()
    if self.clock.count == 0 { self.emptied?.succeed() }
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
    self.clock.forEach { $0.registryLost() }
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

  /// Calls `retry` about a second later. Call it once until then.
  func retryLater(_ connection: ConnectionHandler) {
    if self.retries.isEmpty { self.scheduleRetries() }
    self.retries.append(connection)
  }

  private func scheduleRetries() {
    let interval = TimeAmount.milliseconds(1_000 / Int64(LaterWheel<ConnectionHandler>.turns))
    self.isolated.scheduleTask(in: interval) {
      let due = self.retries.turn()
      // Before these, which may come to wait again.
      if !self.retries.isEmpty { self.scheduleRetries() }
      for connection in due { connection.retry() }
    }
  }

  /// Turns the clock for as long as there are connections.
  private func scheduleTurn(after last: NIODeadline) {
    let buckets = self.clock.bucketsPerTurn
    let next = ConnectionClock.turn(of: buckets, after: last, now: .now())
    self.turn = self.isolated.scheduleTask(deadline: next) {
      let now = SystemClock.secondsSince1970()
      self.clock.tick(buckets) { $0.periodPassed(now: now) }
      self.turn = nil
      if self.clock.count > 0 { self.scheduleTurn(after: next) }
    }
  }

  private func scheduleSecond() {
    self.second = self.isolated.scheduleTask(in: .seconds(1)) {
      self.secondPassed()
      self.scheduleSecond()
    }
  }

  private func secondPassed() {
    self.runningNanoseconds += 1_000_000_000
    let now = NIODeadline.now().uptimeNanoseconds
    self.pauseGuard.tick(now: now)
    self.registrations.store()
    self.directory.forgetFullBudgets(now: now)
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
