import ConnectProtocol
import Gateway
import LocalCluster
import LocalRedis
import Logging
import MessageBus
import Messaging
import Metrics
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Redis
import TestSupport

/// A whole Connect in this process: one Redis, one messaging, some gateways.
package final class TestStand: Sendable {
  /// How a stand differs from the usual one.
  package struct Options: Sendable {
    /// How many gateways there are at first.
    package var gateways = 1
    /// How `incoming` is divided. Few, since each costs a connection.
    package var partitions = 2
    /// Whether messaging runs at first.
    package var hasMessaging = true
    /// Kind of its Redis; by default the one that tests are to run against.
    package var redis = LocalRedisInstallation.Kind.tested
    /// Kind of the Redis for the users' keys, if they are to have one of their own.
    package var registry: LocalRedisInstallation.Kind?
    /// Data that survives a restart of Redis.
    package var persistence = LocalRedisServer.Persistence.none
    /// Further arguments for redis-server.
    package var redisArguments: [String] = []
    /// Changes what each gateway is told.
    package var configure: @Sendable (inout GatewayConfiguration) -> Void = { _ in }

    /// Changes what stands between services and Redis.
    package var clients: @Sendable (any RedisClientFactory) -> any RedisClientFactory = { $0 }

    /// Changes what each messaging is told.
    package var configureMessaging: @Sendable (inout MessagingConfiguration) -> Void = { _ in }

    /// Where messaging counts.
    package var metrics: any MetricsFactory = MetricsSystem.factory

    /// Where services and their clients of Redis log.
    package var logger = Logger.silent

    package init(gateways: Int = 1) { self.gateways = gateways }
  }

  package struct RunningGateway: Sendable {
    /// Its id on the bus.
    package let id: InstanceID
    package let port: Int
    package let service: RunningService
    /// The service itself, for what tests look at within it.
    package let gateway: GatewayService

    /// Whether it says that it can serve.
    package func isReady() async -> Bool { await self.gateway.isReady() }
  }

  private struct State {
    var gateways: [RunningGateway] = []
    var messaging: [RunningService] = []
    var apis: [RunningService] = []
  }

  private let bus: BorrowedRedis
  private let users: BorrowedRedis?
  /// Commands by hand.
  package let redis: StandRedis
  package let keys: Keys
  /// Signs with ``TestTokens/secret``.
  package let authenticator: Authenticator
  private let options: Options
  package let group: MultiThreadedEventLoopGroup
  /// What makes the clients of its services.
  package let clients: any RedisClientFactory
  let logger: Logger
  private let state = NIOLockedValueBox(State())

  private init(
    _ options: Options, bus: BorrowedRedis, users: BorrowedRedis? = nil
  ) async throws {
    let logger = options.logger
    let server = bus.installation
    let registry = users?.installation
    self.options = options
    self.bus = bus
    self.users = users
    self.logger = logger
    // Two loops, so that every hand-over between loops takes place.
    self.group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    self.keys = Keys(
      partitions: PartitionMap(count: options.partitions), hasRegistryRedis: registry != nil)
    self.authenticator = await Authenticator(secret: TestTokens.secret)
    // What these ask of a cluster from time to time ends with them, and they outlive the loops above.
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    var clients = try await server.clients(on: eventLoop, logger: logger)
    var administration = try await server.administration(on: eventLoop, logger: logger)
    if let registry {
      clients = RedisClients.split(
        clients, try await registry.clients(on: eventLoop, logger: logger))
      administration = RedisClients.split(
        administration, try await registry.administration(on: eventLoop, logger: logger))
    }
    self.clients = options.clients(clients)
    self.redis = StandRedis(
      keys: self.keys, client: administration.makeClient(on: self.group.next()))
  }

  private static let places = TestSemaphore(count: TestLimits.concurrentStands)

  /// Runs a test with a stand of its own, and shuts everything down in order.
  package static func with<Result>(
    _ options: Options = Options(), _ body: (TestStand) async throws -> Result
  ) async throws -> Result {
    try await Self.places.withPlace {
      try await Self.withRedis(options) { bus, users in
        let stand = try await TestStand(options, bus: bus, users: users)
        do {
          try await stand.start()
          let result = try await body(stand)
          try await stand.shutDown()
          return result
        } catch {
          try? await stand.shutDown()
          throw error
        }
      }
    }
  }

  private static func withRedis<Result>(
    _ options: Options, _ body: (BorrowedRedis, BorrowedRedis?) async throws -> Result
  ) async throws -> Result {
    try await BorrowedRedis.with(options, kind: options.redis) { bus in
      guard let kind = options.registry else { return try await body(bus, nil) }
      return try await BorrowedRedis.with(options, kind: kind) { try await body(bus, $0) }
    }
  }

  /// One stand of two gateways for all tests of a process that can share it: those that break nothing
  /// and use names of their own. It ends with the process.
  package static func shared() async throws -> TestStand { try await self.sharedStart.value }

  private static let sharedStart = Task.detached {
    var options = Options(gateways: 2)
    options.configure = { $0.servesDemoPage = $0.id.text == "g1" }
    let stand = try await TestStand(options, bus: try await BorrowedRedis.start(options.redis))
    try await stand.start()
    return stand
  }

  private func start() async throws {
    try await self.redis.client.waitUntilReady()
    if self.options.hasMessaging { try await self.startMessaging() }
    for _ in 0..<self.options.gateways { try await self.startGateway() }
  }

  private func shutDown() async throws {
    let state = self.state.withLockedValue { state in
      defer { state = State() }
      return state
    }
    for api in state.apis { try await api.stop() }
    for gateway in state.gateways { try await gateway.service.stop() }
    for messaging in state.messaging { try await messaging.stop() }
    try await self.redis.client.close().get()
    try await self.group.shutdownGracefully()
  }

  // MARK: Redis

  /// Its Redis, to be stopped, started and changed: no other stand gets it afterwards.
  package var server: LocalRedisInstallation { self.bus.changeable }

  /// The Redis of the users' keys, if they have one of their own; as ``server``.
  package var registry: LocalRedisInstallation? { self.users?.changeable }

  // MARK: Services

  /// All gateways that were started, in order.
  package var gateways: [RunningGateway] { self.state.withLockedValue { $0.gateways } }

  /// All messaging services that were started, in order.
  package var messaging: [RunningService] { self.state.withLockedValue { $0.messaging } }

  /// Starts one more gateway, and returns when it can serve.
  @discardableResult
  package func startGateway(
    id: String? = nil, _ configure: (inout GatewayConfiguration) -> Void = { _ in }
  ) async throws -> RunningGateway {
    let name = id ?? "g\(self.gateways.count + 1)"
    guard let id = InstanceID(name) else { throw TestFailure("\(name) is not a gateway id") }
    var configuration = GatewayConfiguration(host: "127.0.0.1", port: 0, id: id, keys: self.keys)
    self.options.configure(&configuration)
    configure(&configuration)
    let gateway = try await GatewayService(
      configuration: configuration, authenticator: self.authenticator, clients: self.clients,
      group: self.group, logger: self.logger)
    let service = RunningService(gateway, logger: self.logger)
    try await eventually("gateway \(name) is ready") { await gateway.isReady() }
    guard let port = gateway.address?.port else { throw TestFailure("\(name) listens nowhere") }
    let running = RunningGateway(id: id, port: port, service: service, gateway: gateway)
    self.state.withLockedValue { $0.gateways.append(running) }
    return running
  }

  /// Starts one more messaging, and returns when it can process.
  @discardableResult
  package func startMessaging(
    id: String? = nil, _ configure: (inout MessagingConfiguration) -> Void = { _ in }
  ) async throws -> RunningService {
    let name = id ?? "m\(self.messaging.count + 1)"
    guard let id = InstanceID(name) else { throw TestFailure("\(name) is not an instance id") }
    var configuration = MessagingConfiguration(id: id, keys: self.keys)
    self.options.configureMessaging(&configuration)
    configure(&configuration)
    let messaging = MessagingService(
      configuration: configuration, clients: self.clients, group: self.group,
      metrics: self.options.metrics, logger: self.logger)
    let service = RunningService(messaging, logger: self.logger)
    try await eventually("messaging is ready") { await messaging.isReady() }
    self.state.withLockedValue { $0.messaging.append(service) }
    return service
  }

  /// Stops a service with the stand, before all others.
  func add(_ api: RunningService) { self.state.withLockedValue { $0.apis.append(api) } }

  // MARK: Clients

  /// A token as `connect token` makes it.
  package func token(_ user: String, seconds: Double = 3_600) async throws -> String {
    guard let name = UserName(user) else { throw TestFailure("\(user) is not a user name") }
    return try await self.authenticator.token(for: name, seconds: seconds)
  }

  /// A request as a well-behaved client makes it.
  package func request(
    _ user: String, device: String? = nil, since: String? = nil, positions: String? = nil
  ) async throws -> UpgradeRequest {
    UpgradeRequest(
      token: try await self.token(user), device: device, since: since, positions: positions)
  }

  /// Opens a WebSocket; `welcome` comes next.
  package func connect(
    _ user: String, device: String? = nil, since: String? = nil, positions: String? = nil,
    gateway: Int = 0
  ) async throws -> TestSocket {
    try await TestSocket.upgrade(
      port: self.gateways[gateway].port,
      try await self.request(user, device: device, since: since, positions: positions)
    ).0
  }

  /// Opens a WebSocket for a user whose mailbox has nothing new, and passes `welcome` and `live`.
  package func online(
    _ user: String, device: String? = nil, gateway: Int = 0
  ) async throws -> TestSocket {
    let socket = try await self.connect(user, device: device, gateway: gateway)
    try await socket.expectWelcome()
    try await socket.expectLive()
    return socket
  }

  /// The answer of the server to an upgrade that it refuses.
  package func refusal(
    of request: UpgradeRequest, gateway: Int = 0
  ) async throws -> HTTPAnswer {
    do {
      _ = try await TestSocket.upgrade(port: self.gateways[gateway].port, request)
    } catch let error as TestSocket.UnexpectedAnswer {
      return error.answer
    }
    throw TestFailure("the server has upgraded what it should refuse")
  }

  // MARK: Keys

  /// A user's mailbox, oldest first.
  package func mailbox(_ user: String) async throws -> [RedisStreamEntry] {
    try await self.redis.entries(of: self.keys.mailbox(self.name(user)))
  }

  /// The partition that takes what goes to a user.
  package func incoming(_ user: String) throws -> RedisKey {
    self.keys.incoming(self.keys.partitions.partition(for: try self.name(user)))
  }

  /// The stored cursor of a device; zero if there is none.
  package func cursor(_ user: String, device: String = "default") async throws -> Offset {
    let value = try await self.redis("HGET", "\(self.keys.cursor(self.name(user)))", device)
    return value.string.flatMap { Offset(String($0.prefix { $0 != " " })) } ?? .zero
  }

  /// The holder of a device according to the registry, as `gateway/connection`.
  package func session(_ user: String, device: String = "default") async throws -> String? {
    try await self.redis("HGET", "\(self.keys.session(self.name(user)))", device).string
  }

  private func name(_ user: String) throws -> UserName {
    guard let name = UserName(user) else { throw TestFailure("\(user) is not a user name") }
    return name
  }
}
