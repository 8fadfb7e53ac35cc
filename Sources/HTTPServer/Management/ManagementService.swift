import Listening
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle

/// # Management
///
/// What operators and orchestrators ask a service, on a port of its own that is not for the public.

/// Answers `/healthz` (the process is alive), `/readyz` (it can serve) and `/metrics`.
///
/// It listens from its making on: a port that is taken ends a program before others know of it.
package final class ManagementService: Service {
  private let listener: any Channel
  private let logger: Logger

  /// - Parameters:
  ///   - metrics: the answer to `/metrics`, made anew for each.
  ///   - isReady: asked anew for each `/readyz`.
  package init(
    host: String, port: Int, group: any EventLoopGroup,
    metrics: @escaping @Sendable () -> PlainHTTPResponse,
    isReady: @escaping @Sendable () async -> Bool, logger: Logger
  ) async throws(CannotListen) {
    do {
      self.listener = try await Self.listen(
        host: host, port: port, group: group, metrics: metrics, isReady: isReady, logger: logger)
    } catch {
      throw CannotListen(host: host, port: port, error)
    }
    self.logger = logger
  }

  package var address: SocketAddress? { self.listener.localAddress }

  /// Serves until the service group shuts down.
  package func run() async throws {
    self.logger.notice(
      "management.listening",
      metadata: ["address": "\(self.listener.localAddress.map { "\($0)" } ?? "-")"])
    try? await gracefulShutdown()
    try? await self.listener.close()
  }

  private static func listen(
    host: String, port: Int, group: any EventLoopGroup,
    metrics: @escaping @Sendable () -> PlainHTTPResponse,
    isReady: @escaping @Sendable () async -> Bool, logger: Logger
  ) async throws -> any Channel {
    try await ServerBootstrap(group: group)
      .bounded(
        by: ListenerBounds(
          name: "management", sockets: ManagementLimits.connections, shared: nil,
          sendBufferBytes: ManagementLimits.kernelBufferBytes,
          receiveBufferBytes: ManagementLimits.kernelBufferBytes), logger: logger
      )
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let limits = PlainHTTPLimits()
          let pipeline = channel.pipeline.syncOperations
          try pipeline.configureHTTPServerPipeline(
            // Its answers have no body.
            withErrorHandling: false,
            withEncoderConfiguration: HTTPResponseEncoder.Configuration(),
            withDecoderLimitConfiguration: NIOHTTPDecoderLimitConfiguration(limits))
          try pipeline.addHandler(
            PlainHTTPHandler(
              limits: limits, answerToFault: { Self.response(to: $0) }
            ) { head, eventLoop in
              eventLoop.makeFutureWithTask {
                await Self.response(to: head, metrics: metrics, isReady: isReady)
              }
            })
        }
      }
      .bind(host: host, port: port)
      .get()
  }

  private static func response(
    to head: HTTPRequestHead, metrics: @Sendable () -> PlainHTTPResponse,
    isReady: @Sendable () async -> Bool
  ) async -> PlainHTTPResponse {
    let path = head.uri.prefix { $0 != "?" }
    guard ["/healthz", "/readyz", "/metrics"].contains(path) else {
      return .text(.notFound, "no such path; there are /healthz, /readyz and /metrics")
    }
    let isServed =
      path == "/healthz"
      ? PlainHTTPResponse.isHealthMethod(head.method) : [.GET, .HEAD].contains(head.method)
    guard isServed else {
      let methods = path == "/healthz" ? PlainHTTPResponse.healthMethods : "GET, HEAD"
      var response = PlainHTTPResponse.text(.methodNotAllowed, "this path takes only \(methods)")
      response.headers = [("allow", methods)]
      return response
    }
    switch path {
    case "/healthz": return .alive
    case "/readyz":
      return await isReady() ? .text(.ok, "ready") : .text(.serviceUnavailable, "not ready")
    default: return metrics()
    }
  }

  private static func response(to fault: HTTPFault) -> PlainHTTPResponse {
    let limits = PlainHTTPLimits()
    return .text(
      fault == .headerTooLarge ? .requestHeaderFieldsTooLarge : .badRequest,
      HTTPFault.parserMessage(
        fault, headerBytes: limits.headerBytes, headerFields: limits.headerFields))
  }
}
