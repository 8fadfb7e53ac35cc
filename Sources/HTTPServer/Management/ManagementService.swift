import Logging
import NIOCore
import ServiceLifecycle

/// # Management
///
/// Answers operators and orchestrators, on a port of its own that is not for the public.

/// Serves `/healthz` (the process is alive), `/readyz` (it can serve) and `/metrics`.
///
/// It listens from its making on: a port that is taken ends a program before others know of it.
package final class ManagementService: Service {
  private let server: HTTPServer
  private let logger: Logger

  /// - Parameters:
  ///   - metrics: makes the answer to each `/metrics`.
  ///   - isReady: asked for each `/readyz`.
  package init(
    host: String, port: Int, group: any EventLoopGroup,
    limits: HTTPServingLimits = ManagementLimits.http,
    metrics: @escaping @Sendable () -> PlainHTTPResponse,
    isReady: @escaping @Sendable () async -> Bool, logger: Logger
  ) async throws(CannotListen) {
    self.server = HTTPServer(
      limits: limits,
      serving: ManagementServing(limits: limits, metrics: metrics, isReady: isReady),
      name: "management", logger: logger)
    self.logger = logger
    try await self.server.start(host: host, port: port, group: group)
  }

  package var address: SocketAddress? { self.server.address }

  /// Serves until the service group shuts down.
  package func run() async throws {
    self.logger.notice(
      "management.listening", metadata: ["address": "\(self.address.map { "\($0)" } ?? "-")"])
    try? await gracefulShutdown()
    await self.server.stop()
  }
}
