import HTTPServer
import Logging
import MessageBus
import NIOCore
import Redis
import ServiceLifecycle

/// Serves until it is told to stop, then answers the requests that have begun.
package final class BackendAPIService: Service {
  private let configuration: BackendAPIConfiguration
  private let bus: BackendServing.Bus
  private let server: HTTPServer
  private let group: any EventLoopGroup
  private let logger: Logger

  /// - Parameters:
  ///   - clients: makes the clients of Redis: one per event loop, to the bus alone, and one for everything
  ///     about users; where replicas are waited for, one more for erasures.
  ///   - group: the event loops; the caller shuts them down after the service has ended.
  package init(
    configuration: BackendAPIConfiguration, clients: any RedisClientFactory,
    group: any EventLoopGroup, logger: Logger
  ) async throws {
    var publishers: [MessagePublisher] = []
    for eventLoop in group.makeIterator() {
      publishers.append(
        try await eventLoop.submit {
          MessagePublisher(
            configuration: configuration, client: clients.makeBusClient(on: eventLoop))
        }.get())
    }
    self.configuration = configuration
    self.group = group
    self.logger = logger
    let users = clients.makeClient(on: publishers[0].client.eventLoop)
    self.bus = BackendServing.Bus(
      publishers: publishers, users: users,
      eraser: configuration.durability.replicas > 0
        ? clients.makeClient(on: users.eventLoop) : users,
      backlog: Backlog(keys: configuration.keys, limit: configuration.backlogEntries))
    let limits = BackendAPILimits.http(bodyBytes: configuration.bodyBytes)
    self.server = HTTPServer(
      limits: limits,
      serving: BackendServing(
        configuration: configuration, limits: limits, bus: self.bus, logger: logger),
      name: "api", logger: logger)
  }

  /// Address for backends; nil before the service listens.
  package var address: SocketAddress? { self.server.address }

  /// Whether it listens and Redis can be reached.
  package func isReady() async -> Bool {
    guard self.address != nil else { return false }
    for client in self.clients {
      guard (try? await client.eventLoop.submit { client.isReady }.get()) == true else {
        return false
      }
    }
    return true
  }

  private var clients: [any RedisClient] {
    let users = [self.bus.users] + (self.bus.eraser === self.bus.users ? [] : [self.bus.eraser])
    return self.bus.publishers.map(\.client) + users
  }

  /// Listens, before ``run()`` does: for who must know that the port is free before doing anything else.
  ///
  /// - Throws: when the port cannot be listened on.
  package func listen() async throws {
    guard self.address == nil else { return }
    do throws(CannotListen) {
      try await self.server.start(
        host: self.configuration.host, port: self.configuration.port, group: self.group)
    } catch {
      await self.closeClients()
      throw error
    }
  }

  /// Serves until the service group shuts down gracefully.
  ///
  /// - Throws: when the port cannot be listened on.
  package func run() async throws {
    try await self.listen()
    self.logger.notice(
      "api.listening", metadata: ["address": "\(self.address.map { "\($0)" } ?? "-")"])
    await withTaskGroup(of: Void.self) { tasks in
      tasks.addTask { await self.watchBacklog() }
      try? await gracefulShutdown()
      await self.server.stop()
      tasks.cancelAll()
    }
    await self.closeClients()
    self.logger.notice("api.stopped")
  }

  /// As in the gateways, whose limit it is.
  private func watchBacklog() async {
    while !Task.isCancelled {
      _ = try? await self.bus.backlog.look(with: self.bus.users)
      try? await Task.sleep(for: .milliseconds(BusLimits.backlogMilliseconds))
    }
  }

  private func closeClients() async {
    for client in self.clients { try? await client.close().get() }
  }
}
