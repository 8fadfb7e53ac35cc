import ConnectProtocol
import NIOCore
import NIOPosix

@testable import ConnectClient

/// A ``FaultyServer`` behind a port of this machine.
struct FaultyGateway: Sendable {
  let endpoint: ConnectEndpoint
  private let eventLoop: any EventLoop
  private let server: NIOLoopBound<FaultyServer>

  static func with<Result>(
    seed: UInt64, _ body: (FaultyGateway) async throws -> Result
  ) async throws -> Result {
    let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
    let server = try await eventLoop.submit {
      NIOLoopBound(FaultyServer(eventLoop: eventLoop, seed: seed), eventLoop: eventLoop)
    }.get()
    let bootstrap = ServerBootstrap(group: eventLoop)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(FaultyConnection(server: server.value))
        }
      }
    return try await bootstrap.withListener { listener in
      try await body(
        FaultyGateway(
          endpoint: ConnectEndpoint(host: "127.0.0.1", port: listener.localAddress!.port!),
          eventLoop: eventLoop, server: server))
    }
  }

  /// Looks at the server, or changes it, on its event loop.
  func run<Value: Sendable>(
    _ body: @escaping @Sendable (FaultyServer) throws -> Value
  ) async throws -> Value {
    try await self.eventLoop.submit { try body(self.server.value) }.get()
  }
}
