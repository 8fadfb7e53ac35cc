import ArgumentParser
import ConnectClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Settings
import SocketErrors

/// Health check for orchestrators that run a program for it: an image needs no curl.
struct HealthCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "health",
    abstract: "Asks a service whether it is healthy: exit code 0 if it says so, 1 if not.")

  private enum Default {
    static let url = HealthQuestion("http://127.0.0.1:9090/healthz")!
    static let timeout = 2
  }

  @Argument(
    help: "What to ask: the management port's /healthz or /readyz (default: \(Default.url)).",
    transform: ArgumentRules.healthQuestion)
  var url = Default.url

  @Option(
    help: "How long the answer may take, in seconds (default: \(Default.timeout)).",
    transform: ArgumentRules.wholeNumber(1...60))
  var timeout = Default.timeout

  func run() async throws {
    try await self.exiting(unknownVariables: .none) {
      do {
        let status = try await self.url.ask(timeout: .seconds(Int64(self.timeout)))
        guard status == 200 else { throw Failure(.running, "\(self.url) answers \(status)") }
      } catch let failure as Failure {
        throw failure
      } catch {
        throw Failure(.running, "\(self.url) does not answer: \(SocketFailure.reason(of: error))")
      }
    }
  }
}

/// A GET request of which only the status matters.
struct HealthQuestion: CustomStringConvertible {
  /// The URL, as it was given.
  let description: String
  private let host: String
  private let port: Int
  private let path: String

  /// Nil unless it is `http://host[:port]/path`, whose port is one.
  init?(_ url: String) {
    guard let parts = URLComponents(string: url), parts.scheme?.lowercased() == "http",
      let host = parts.host, !host.isEmpty
    else { return nil }
    // A port that overflows is not nil because there is none.
    let port = parts.rangeOfPort == nil ? 80 : parts.port ?? 0
    guard (1...65_535).contains(port) else { return nil }
    self.description = url
    self.host = host.trimmingCharacters(in: ["[", "]"])
    self.port = port
    self.path = parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath
  }

  /// The `Host` field, as clients of gateways write it.
  var authority: String { ConnectEndpoint(host: self.host, port: self.port).authority }

  func ask(timeout: TimeAmount) async throws -> Int {
    let group = MultiThreadedEventLoopGroup.singleton
    let status = group.next().makePromise(of: Int.self)
    let timer = status.futureResult.eventLoop.scheduleTask(in: timeout) {
      status.fail(ChannelError.connectTimeout(timeout))
    }
    status.futureResult.whenComplete { _ in timer.cancel() }
    let channel: any Channel
    do {
      channel = try await ClientBootstrap(group: status.futureResult.eventLoop)
        .connectTimeout(timeout)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            try channel.pipeline.syncOperations.addHandler(StatusHandler(status))
          }
        }
        .connect(host: self.host, port: self.port).get()
    } catch {
      status.fail(error)
      return try await status.futureResult.get()
    }
    defer { channel.close(promise: nil) }
    let head = HTTPRequestHead(
      version: .http1_1, method: .GET, uri: self.path,
      headers: ["host": self.authority, "connection": "close"])
    channel.write(HTTPClientRequestPart.head(head), promise: nil)
    channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
    return try await status.futureResult.get()
  }
}

private final class StatusHandler: ChannelInboundHandler, Sendable {
  typealias InboundIn = HTTPClientResponsePart

  private let status: EventLoopPromise<Int>

  init(_ status: EventLoopPromise<Int>) { self.status = status }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .head(let head) = self.unwrapInboundIn(data) {
      self.status.succeed(Int(head.status.code))
    }
  }

  func channelInactive(context: ChannelHandlerContext) { self.status.fail(ChannelError.eof) }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { self.status.fail(error) }
}
