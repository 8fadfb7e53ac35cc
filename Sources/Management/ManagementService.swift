import NIOCore
import NIOHTTP1
import NIOPosix
import PlainHTTP
import ServiceLifecycle

/// # Management
///
/// What operators and orchestrators ask a service, on a port of its own that is not for the public.

/// Answers `/healthz` (the process is alive) and `/readyz` (it can serve).
public final class ManagementService: Service {
  private let host: String
  private let port: Int
  private let group: any EventLoopGroup
  private let isReady: @Sendable () async -> Bool

  /// - Parameter isReady: asked anew for each `/readyz`.
  public init(
    host: String, port: Int, group: any EventLoopGroup,
    isReady: @escaping @Sendable () async -> Bool
  ) {
    self.host = host
    self.port = port
    self.group = group
    self.isReady = isReady
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
    try? await gracefulShutdown()
    try? await listener.close()
  }

  private func listen() async throws -> any Channel {
    let isReady = self.isReady
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
                await Self.response(to: head, isReady: isReady)
              }
            })
        }
      }
      .bind(host: self.host, port: self.port)
      .get()
  }

  private static func response(
    to head: HTTPRequestHead, isReady: @Sendable () async -> Bool
  ) async -> PlainHTTPResponse {
    switch head.uri.prefix(while: { $0 != "?" }) {
    case "/healthz": .text(.ok, "alive")
    case "/readyz": await isReady() ? .text(.ok, "ready") : .text(.serviceUnavailable, "not ready")
    default: .text(.notFound, "no such path; there are /healthz and /readyz")
    }
  }
}
