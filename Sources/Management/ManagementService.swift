import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import PlainHTTP
import ServiceLifecycle

/// # Management
///
/// What operators and orchestrators ask a service, on a port of its own that is not for the public.

/// Answers `/healthz` (the process is alive), `/readyz` (it can serve) and `/metrics`.
public final class ManagementService: Service {
  private let host: String
  private let port: Int
  private let group: any EventLoopGroup
  private let metrics: @Sendable () -> PlainHTTPResponse
  private let isReady: @Sendable () async -> Bool
  private let logger: Logger

  /// - Parameters:
  ///   - metrics: the answer to `/metrics`, made anew for each.
  ///   - isReady: asked anew for each `/readyz`.
  package init(
    host: String, port: Int, group: any EventLoopGroup,
    metrics: @escaping @Sendable () -> PlainHTTPResponse,
    isReady: @escaping @Sendable () async -> Bool, logger: Logger
  ) {
    self.host = host
    self.port = port
    self.group = group
    self.metrics = metrics
    self.isReady = isReady
    self.logger = logger
  }

  /// Serves until the service group shuts down.
  ///
  /// - Throws: when the port cannot be listened on.
  public func run() async throws {
    let listener: any Channel
    do {
      listener = try await self.listen()
    } catch {
      throw CannotListen(host: self.host, port: self.port, error)
    }
    self.logger.notice(
      "management.listening",
      metadata: ["address": "\(listener.localAddress.map { "\($0)" } ?? "-")"])
    try? await gracefulShutdown()
    try? await listener.close()
  }

  private func listen() async throws -> any Channel {
    let (metrics, isReady) = (self.metrics, self.isReady)
    return try await ServerBootstrap(group: self.group)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let limits = PlainHTTPLimits()
          let pipeline = channel.pipeline.syncOperations
          try pipeline.configureHTTPServerPipeline(
            withEncoderConfiguration: HTTPResponseEncoder.Configuration(),
            withDecoderLimitConfiguration: NIOHTTPDecoderLimitConfiguration(limits))
          try pipeline.addHandler(
            PlainHTTPHandler(limits: limits) { head, eventLoop in
              eventLoop.makeFutureWithTask {
                await Self.response(to: head, metrics: metrics, isReady: isReady)
              }
            })
        }
      }
      .bind(host: self.host, port: self.port)
      .get()
  }

  private static func response(
    to head: HTTPRequestHead, metrics: @Sendable () -> PlainHTTPResponse,
    isReady: @Sendable () async -> Bool
  ) async -> PlainHTTPResponse {
    switch head.uri.prefix(while: { $0 != "?" }) {
    case "/healthz": .text(.ok, "alive")
    case "/readyz": await isReady() ? .text(.ok, "ready") : .text(.serviceUnavailable, "not ready")
    case "/metrics": metrics()
    default: .text(.notFound, "no such path; there are /healthz, /readyz and /metrics")
    }
  }
}
