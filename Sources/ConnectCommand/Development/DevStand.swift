import BackendAPI
import ConnectProtocol
import Foundation
import Gateway
import LocalRedis
import Logging
import MessageBus
import Messaging
import NIOCore
import NIOPosix
import Redis
import ServiceLifecycle
import Settings

/// The processes of `connect dev`, in one.
struct DevStand {
  /// Configuration, made before anything starts so that a bad setting is refused first.
  struct Plan {
    let gateways: [GatewayConfiguration]
    let messaging: MessagingConfiguration
    let api: BackendAPIConfiguration?
    /// Nil for a private one.
    let redis: RedisConfiguration?
    let dataDirectory: String?
    let secret: [UInt8]
    let secretLocation: String
    let log: LogSettings
  }

  /// Validity of the tokens in the printed links, in seconds.
  static let tokenSeconds: Double = 7 * 86_400
  /// Time that each gateway has to close its connections, in seconds.
  static let drainSeconds = 2
  /// Time to wait at the start for a Redis that was given by URL, in seconds.
  static let redisWaitSeconds: Int64 = 3
  /// Time for the gateways to become ready, in seconds.
  static let readySeconds: Int64 = 15

  private let plan: Plan

  init(_ plan: Plan) { self.plan = plan }

  /// Runs until one of ``StopSignals``.
  func run() async throws(Failure) {
    self.plan.log.bootstrap()
    let lock = try self.plan.dataDirectory.map { directory throws(Failure) in
      try DirectoryLock(directory)
    }
    defer { withExtendedLifetime(lock) {} }
    var ports = PortCheck()
    for gateway in self.plan.gateways {
      ports.add(host: gateway.host, port: gateway.port, "--port")
    }
    if let api = self.plan.api { ports.add(host: api.host, port: api.port, Setting.apiListen.flag) }
    UnknownVariable.log(Logger(label: "connect.dev"))
    try await ports.run(on: MultiThreadedEventLoopGroup.singleton)
    if let redis = self.plan.redis {
      return try await self.serve(redis, name: "\(redis.url)")
    }
    var options = LocalRedisServer.Options()
    if let directory = self.plan.dataDirectory {
      options.persistence = .appendOnly(directory: directory, fsync: .everySecond)
    }
    let server: LocalRedisServer
    do throws(LocalRedisError) {
      server = try await LocalRedisServer.start(options)
    } catch {
      throw Failure(.unavailable, error.description)
    }
    let kept = self.plan.dataDirectory.map { "data kept in \($0)" } ?? "in memory"
    let outcome = await Result { () async throws(Failure) in
      try await self.serve(
        RedisConfiguration(host: "127.0.0.1", port: server.port),
        name: "\(server.url) (private, \(kept))")
    }
    await server.stop()
    try outcome.get()
  }

  private func serve(_ redis: RedisConfiguration, name: String) async throws(Failure) {
    let logger = Logger(label: "connect.dev")
    let group = MultiThreadedEventLoopGroup.singleton
    let clients = try await RedisStartup.connect(
      RedisPlaces(bus: redis), keys: self.plan.messaging.keys,
      durability: self.plan.messaging.durability,
      on: group, waitSeconds: Self.redisWaitSeconds, logger: logger)

    let authenticator = await Authenticator(secret: self.plan.secret)
    var gateways: [GatewayService] = []
    for configuration in self.plan.gateways {
      do {
        gateways.append(
          try await GatewayService(
            configuration: configuration, authenticator: authenticator, clients: clients,
            group: group, logger: logger))
      } catch {
        throw Failure(.running, "\(error)")
      }
    }
    let messaging = MessagingService(
      configuration: self.plan.messaging, clients: clients, group: group,
      fields: InstanceDescription.fields, logger: logger)
    var services: [any Service] = [messaging]
    if let api = self.plan.api {
      do {
        services.append(
          try await BackendAPIService(
            configuration: api, clients: clients, group: group, logger: logger))
      } catch {
        throw Failure(.running, "\(error)")
      }
    }
    let greeting = Greeting(
      gateways: gateways, redis: name, plan: self.plan, authenticator: authenticator)
    try await ServiceRunner.run(
      services + gateways + [greeting],
      // One after the other.
      drainSeconds: self.plan.gateways.reduce(0) { $0 + $1.drainSeconds }, logger: logger)
  }
}

/// Prints the next steps as soon as everything is ready.
private struct Greeting: Service {
  let gateways: [GatewayService]
  let redis: String
  let plan: DevStand.Plan
  let authenticator: Authenticator

  func run() async throws {
    let deadline = NIODeadline.now() + .seconds(DevStand.readySeconds)
    for gateway in self.gateways {
      while await !gateway.isReady() {
        guard NIODeadline.now() < deadline else {
          throw Failure(.running, "the gateways are not ready after \(DevStand.readySeconds) s")
        }
        // What makes a gateway ready is many things, each of which may be lost again: they are asked for.
        try await Task.sleep(for: .milliseconds(10))
      }
    }
    print(try await self.text())
    fflush(nil)
    try? await gracefulShutdown()
  }

  private func text() async throws -> String {
    let ports = self.plan.gateways.map(\.port)
    let first = ports[0]
    let second = ports[ports.count > 1 ? 1 : 0]
    let program = CommandLine.arguments[0]
    return """

      Connect is running: \(ports.count) \(ports.count == 1 ? "gateway" : "gateways") \
      (\(ports.map { "localhost:\($0)" }.joined(separator: ", "))), messaging, and Redis at \
      \(self.redis).

      Open both links, each in a tab, and chat:

        alice  \(try await self.link(user: "alice", peer: "bob", port: first))

        bob    \(try await self.link(user: "bob", peer: "alice", port: second))

      Or from two terminals:

        \(program) chat --as alice --to bob --url ws://localhost:\(first)
        \(program) chat --as bob --to alice --url ws://localhost:\(second)

      The secret of development tokens is in \(self.plan.secretLocation); \
      `\(program) token USER` makes one.
      Stop with Ctrl-C.

      """
  }

  private func link(user: String, peer: String, port: Int) async throws -> String {
    let token = try await self.authenticator.token(
      for: UserName(user)!, seconds: DevStand.tokenSeconds)
    return "http://localhost:\(port)/#user=\(user)&peer=\(peer)&token=\(token)"
  }
}

extension Result {
  /// The outcome of an async body, for cleanup that must follow success and failure.
  fileprivate init(_ body: () async throws(Failure) -> Success) async {
    do throws(Failure) { self = .success(try await body()) } catch { self = .failure(error) }
  }
}
