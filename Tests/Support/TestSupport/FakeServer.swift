import NIOCore
import NIOPosix

/// A TCP server in place of Redis: it answers whatever comes with what the test says.
package final class FakeServer: Sendable {
  package enum Answer: Sendable {
    case text(String)
    /// After it the connection is closed.
    case last(String)
  }

  private let channel: any Channel

  package var port: Int { self.channel.localAddress!.port! }
  package var address: String { "127.0.0.1:\(self.port)" }
  package var url: String { "redis://\(self.address)" }

  private init(_ channel: any Channel) { self.channel = channel }

  /// - Parameter answer: what the server writes when a connection brings something for the n-th time,
  ///   counting from 0.
  package static func run<Result>(
    answer: @escaping @Sendable (Int) -> Answer, _ body: (FakeServer) async throws -> Result
  ) async throws -> Result {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(FakeServerHandler(answer))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    do {
      let result = try await body(FakeServer(channel))
      try await channel.close().get()
      return result
    } catch {
      try await channel.close().get()
      throw error
    }
  }
}

private final class FakeServerHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let answer: @Sendable (Int) -> FakeServer.Answer
  private var count = 0

  init(_ answer: @escaping @Sendable (Int) -> FakeServer.Answer) { self.answer = answer }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let answer = self.answer(self.count)
    self.count += 1
    switch answer {
    case .text(let text):
      context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
    case .last(let text):
      context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
      context.close(promise: nil)
    }
  }
}
