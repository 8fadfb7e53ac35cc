import ConnectProtocol
import ConnectTestStand
import MessageBus
import Metrics
import NIOCore
import Redis
import TestSupport

@testable import Gateway

/// A loop of a gateway that serves no sockets, for its parts, and for connections without one.
enum TestLoop {
  private struct Clients: RedisClientFactory {
    let clients: any RedisClientFactory
    let wrap: @Sendable (any RedisClient) -> any RedisClient

    func makeClient(on eventLoop: any EventLoop) -> any RedisClient {
      self.wrap(self.clients.makeClient(on: eventLoop))
    }
  }

  /// Runs a test with one, whose client reaches the Redis of the shared stand, and closes that client.
  ///
  /// - Parameter wrap: changes what stands between the loop and Redis.
  static func with(
    _ wrap: @escaping @Sendable (any RedisClient) -> any RedisClient = { $0 },
    _ body: (GatewayLoop) async throws -> Void
  ) async throws {
    let stand = try await TestStand.shared()
    let (eventLoop, keys) = (stand.redis.client.eventLoop, stand.keys)
    let clients = Clients(clients: stand.clients, wrap: wrap)
    let loop = try await eventLoop.submit {
      GatewayLoop(
        eventLoop: eventLoop,
        configuration: GatewayConfiguration(
          host: "127.0.0.1", port: 0, id: InstanceID("loop")!, keys: keys),
        directory: ConnectionDirectory(), readiness: Readiness(), backlog: Backlog(keys: keys),
        busClock: BusClock(), presence: nil, clients: clients,
        metrics: GatewayMetrics(factory: NOOPMetricsHandler.instance), logger: .silent)
    }.get()
    do {
      try await loop.client.waitUntilReady()
      try await body(loop)
    } catch {
      try? await eventLoop.flatSubmit { loop.close() }.get()
      throw error
    }
    try await eventLoop.flatSubmit { loop.close() }.get()
  }
}

extension GatewayLoop {
  /// A connection without a socket, that is not registered.
  func connection(_ user: String, device: String = "default") -> ConnectionHandler {
    ConnectionHandler(
      loop: self, user: UserName(user)!, device: DeviceName(device)!, since: nil, positions: nil,
      tokenExpires: .infinity)
  }

  /// The same, as one that was welcomed and has caught up with an empty mailbox.
  func openConnection(_ user: String) -> ConnectionHandler {
    let connection = self.connection(user)
    _ = connection.session.opened()
    connection.active.delivery = DeliveryStateMachine(
      after: DeliveryStateMachine.Rest(), window: self.configuration.unackedMessages,
      reported: .zero)
    connection.restIfIdle()
    return connection
  }
}
