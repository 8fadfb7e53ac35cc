import ConnectClient
import ConnectProtocol
import Foundation
import Gateway
import LocalCluster
import LocalRedis
import Logging
import MessageBus
import NIOPosix
import Redis
import Synchronization

/// A whole Connect of separate processes on this machine: a Redis, messaging instances and gateways.
package final class Deployment: Sendable {
  package struct Options: Sendable {
    package var executable: String
    package var gateways = 2
    /// Messaging instances at the start.
    package var messaging = 1
    package var redis = LocalRedisInstallation.Kind.plain
    /// Primaries of that one, if it is a cluster; nil for its default.
    package var primaries: Int?
    /// Kind of a second Redis for the users' keys; nil for none.
    package var registry: LocalRedisInstallation.Kind?
    /// See ``LocalRedisCluster/Options/nodeTimeoutMilliseconds``.
    package var nodeTimeoutMilliseconds = LocalRedisCluster.Options().nodeTimeoutMilliseconds
    /// Partitions of the bus; nil for the default.
    package var partitions: Int?
    /// Data that survives the process of Redis.
    package var persistence = LocalRedisServer.Persistence.none
    /// Further arguments of each redis-server.
    package var redisServerArguments: [String] = []
    /// The condition for a message to count as accepted.
    package var durability = Durability.accepted
    /// Whether services reach Redis through a ``ReplyDamager``: only for a plain Redis.
    package var hasReplyDamager = false
    /// Further arguments of each gateway.
    package var gatewayArguments: [String] = []
    /// Further arguments of each messaging instance.
    package var messagingArguments: [String] = []
    package var secret = String(
      decoding: (0..<48).map { _ in UInt8.random(in: 0x61...0x7a) }, as: UTF8.self)
    /// A directory for the logs of the services; nil for none.
    package var logDirectory: String?

    /// Two gateways, one messaging instance, and a Redis that keeps nothing.
    package init(executable: String) { self.executable = executable }
  }

  package let redis: LocalRedisInstallation
  /// The second Redis, for the users' keys; nil if there is none.
  package let registry: LocalRedisInstallation?
  /// The proxy before its Redis, if one was asked for.
  let damager: ReplyDamager?
  /// For commands to both Redis.
  let client: any RedisClient
  private let options: Options
  /// The partitions of the bus.
  let partitions: PartitionMap
  private let authenticator: Authenticator
  private let processes = Instances()
  /// How many of each service were started.
  private let started = Mutex<[Service: Int]>([:])

  private init(
    _ options: Options, redis: LocalRedisInstallation, registry: LocalRedisInstallation?
  ) async throws {
    self.options = options
    self.partitions = options.partitions.map { PartitionMap(count: $0) } ?? PartitionMap()
    self.redis = redis
    self.registry = registry
    self.damager =
      options.hasReplyDamager && options.redis == .plain
      ? try await ReplyDamager.start(before: redis.nodes[0].port) : nil
    self.authenticator = await Authenticator(secret: Array(options.secret.utf8))
    var logger = Logger(label: "deployment")
    // An unreachable Redis is what is wanted.
    logger.logLevel = .critical
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    func clients(_ redis: LocalRedisInstallation) async throws -> any RedisClientFactory {
      try await RedisClients.connect(
        RedisConfiguration(url: RedisURL(parsing: redis.adminURL)), on: eventLoop, logger: logger)
    }
    var factory = try await clients(redis)
    if let registry { factory = RedisClients.split(factory, try await clients(registry)) }
    self.client = factory.makeClient(on: eventLoop)
  }

  /// Starts everything, runs `body`, and ends everything, however `body` ends. Should this process
  /// be killed, all of it ends too.
  package static func with<Result>(
    _ options: Options, _ body: (Deployment) async throws -> Result
  ) async throws -> Result {
    var redisOptions = LocalRedisInstallation.Options(kind: options.redis)
    redisOptions.primaries = options.primaries
    redisOptions.persistence = options.persistence
    redisOptions.extraArguments = options.redisServerArguments
    redisOptions.nodeTimeoutMilliseconds = options.nodeTimeoutMilliseconds
    redisOptions.rights = AccessRights.services()
    let redis = try await LocalRedisInstallation.start(redisOptions)
    var registry: LocalRedisInstallation?
    if let kind = options.registry {
      redisOptions.kind = kind
      redisOptions.relative = redis
      registry = try await LocalRedisInstallation.start(redisOptions)
    }
    let deployment = try await Deployment(options, redis: redis, registry: registry)
    do {
      for _ in 0..<options.messaging { try await deployment.start(.messaging) }
      for _ in 0..<options.gateways { try await deployment.start(.gateway) }
      let result = try await body(deployment)
      await deployment.end()
      return result
    } catch {
      await deployment.end()
      throw error
    }
  }

  private func end() async {
    await Instances.end(self.processes.all, grace: FaultLimits.endGrace)
    try? await self.client.close().get()
    await self.damager?.close()
    // A stopped process would not end.
    for redis in [self.redis, self.registry].compactMap({ $0 }) {
      redis.resume()
      await redis.stop()
    }
  }

  // MARK: Instances

  /// The instances that were started and not ended.
  package func instances(_ service: Service) -> [Instance] {
    self.processes.all(service)
  }

  package var gateways: [Instance] { self.instances(.gateway) }
  package var messaging: [Instance] { self.instances(.messaging) }

  /// Starts one more instance, and returns when it serves.
  @discardableResult
  package func start(_ service: Service) async throws -> Instance {
    let number = self.started.withLock { started in
      started[service, default: 0] += 1
      return started[service, default: 0]
    }
    let id = self.name(of: service, number)
    let program = try self.program(
      self.arguments(of: service, id: id),
      log: self.options.logDirectory.map { "\($0)/\(id).log" })
    do {
      let started = service == .gateway ? "gateway.listening" : "messaging.started"
      let line = try await program.errorLine { $0.contains(started) }
      let instance = Instance(
        service, id: id, program: program,
        port: service == .gateway ? try Self.port(in: line) : 0)
      self.processes.add(instance)
      return instance
    } catch {
      await program.process.terminate(grace: .seconds(1))
      throw error
    }
  }

  /// On a cluster, each gateway of a set has a name whose slot is in a range of its own, so that the
  /// shards share the load of their streams. Random names share it only if they are many.
  private func name(of service: Service, _ number: Int) -> String {
    let name = "\(service.rawValue)-\(number)"
    guard service == .gateway, self.options.redis.isCluster, self.options.gateways > 0 else {
      return name
    }
    let width = HashSlot.count / self.options.gateways
    let range = (number - 1) % self.options.gateways
    let candidates = [name] + (1...1_000).lazy.map { "\(name)-\($0)" }
    return candidates.first { HashSlot(hashing: $0).number / width == range } ?? name
  }

  /// The `connect` executable with any arguments, and the deployment's secret in its environment.
  package func program(
    _ arguments: [String], input: ChildProcess.Input = .null, log: String? = nil
  ) throws(ChildProcessError) -> Program {
    try Program(
      executable: self.options.executable, arguments,
      environment: self.environment, input: input, log: log)
  }

  private var redisArguments: [String] {
    var arguments = ["--redis-url", self.damager?.url ?? self.redis.url]
    if let registry = self.registry {
      // A login of its own, since that of the other one need not be known to it.
      let login =
        registry.kind.isSecure
        ? "\(LocalRedisInstallation.user):\(LocalRedisInstallation.password)" : "default:none"
      let url = registry.url.replacing("://", with: "://\(login)@", maxReplacements: 1)
      arguments += ["--registry-redis-url", url]
    }
    return arguments
  }

  private var environment: [String: String] {
    var environment = self.redis.environment
    environment["CONNECT_REDIS_CA_FILE"] = self.redis.caFile ?? self.registry?.caFile
    environment["CONNECT_AUTH_SECRET"] = self.options.secret
    return environment
  }

  private func arguments(of service: Service, id: String) -> [String] {
    var arguments = [service.rawValue] + self.redisArguments
    arguments += [
      "--management-listen", "off", "--instance-id", id, "--durability",
      "\(self.options.durability)",
    ]
    if let partitions = self.options.partitions { arguments += ["--partitions", "\(partitions)"] }
    guard service == .gateway else { return arguments + self.options.messagingArguments }
    let unlimited = ["--sends-per-second", "--requests-per-second", "--signals-per-second"]
      .flatMap { [$0, "0"] }
    return arguments + ["--listen", "127.0.0.1:0"] + unlimited + self.options.gatewayArguments
  }

  /// The port in an address in a log line, such as `[IPv4]127.0.0.1/127.0.0.1:41237`.
  package static func port(in line: String) throws(TimedOut) -> Int {
    let address = line.split(separator: "address=").last?.prefix { $0 != " " } ?? ""
    guard let port = address.split(separator: ":").last.flatMap({ Int($0) }) else {
      throw TimedOut("no port in: \(line)")
    }
    return port
  }

  /// Ends an instance by SIGKILL, like a crash, and waits for its end.
  package func kill(_ instance: Instance) async {
    self.processes.remove(instance)
    instance.process.signal(SIGKILL)
    _ = await instance.process.waitForExit()
  }

  /// Asks an instance to end (SIGTERM), and waits until it has ended.
  ///
  /// - Returns: how; it is killed if it takes longer than ``FaultLimits/stopGrace``.
  @discardableResult
  package func stop(_ instance: Instance) async -> ExitStatus {
    self.processes.remove(instance)
    return await instance.end(grace: FaultLimits.stopGrace)
  }

  /// Forgets the instances that have ended of themselves, and says which these are.
  func takeCrashed() -> [Instance] { self.processes.takeEnded() }

  // MARK: Clients

  /// A token with which `user` connects to the gateways.
  package func token(for user: UserName) async throws -> String {
    try await self.authenticator.token(for: user, seconds: 86_400)
  }
}
