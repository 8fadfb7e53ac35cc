import LocalRedis
import Logging
import NIOCore
import NIOPosix
import TestSupport

@testable import Redis

/// Connects once to one server, and says why it did not work.
func failure(of url: String) async throws -> RedisError? {
  let configuration = try RedisConfiguration(url: RedisURL(parsing: url), mode: .single)
  do throws(RedisError) {
    _ = try await RedisClients.connect(
      configuration, on: MultiThreadedEventLoopGroup.singleton.next(), logger: .silent)
    return nil
  } catch {
    return error
  }
}

/// Runs a test with a client for one server, and closes it.
func withClient<Result>(
  _ url: String, _ body: (any RedisClient) async throws -> Result
) async throws -> Result {
  try await withClient(RedisConfiguration(url: RedisURL(parsing: url)), body)
}

/// Runs a test with a client for one server, and closes it.
func withClient<Result>(
  _ configuration: RedisConfiguration, logger: Logger = .silent,
  _ body: (any RedisClient) async throws -> Result
) async throws -> Result {
  let client = SingleServerClient(
    configuration, on: MultiThreadedEventLoopGroup.singleton.next(),
    reachability: ReachabilityReport(logger: logger))
  do {
    let result = try await body(client)
    try await client.close().get()
    return result
  } catch {
    try await client.close().get()
    throw error
  }
}

/// Runs a test with a client that is connected.
func withReadyClient<Result>(
  _ url: String, _ body: (any RedisClient) async throws -> Result
) async throws -> Result {
  try await withClient(url) { client in
    try await client.waitUntilReady()
    return try await body(client)
  }
}

extension RedisClient {
  /// The replies to one command.
  func execute(
    timeout: TimeAmount = .seconds(60), _ words: String...
  ) async throws -> RedisReplies {
    await self.execute(RedisBatch(words), timeout: timeout)
  }

  /// Submits one command, and returns its replies to come once it is on its way.
  func begin(
    timeout: TimeAmount = .seconds(60), _ words: String...
  ) async throws -> EventLoopFuture<RedisReplies> {
    let batch = RedisBatch(words)
    return try await self.eventLoop.submit {
      let promise = self.eventLoop.makePromise(of: RedisReplies.self)
      self.submit(batch, timeout: timeout) { promise.succeed($0) }
      return promise.futureResult
    }.get()
  }

  /// Whether a batch would be sent now.
  func isReadyNow() async throws -> Bool {
    try await self.eventLoop.submit { self.isReady }.get()
  }
}

/// A TCP server that is not Redis: it answers whatever comes with what the test says.
final class FakeServer: Sendable {
  enum Answer: Sendable {
    case text(String)
    /// After it the connection is closed.
    case last(String)
  }

  private let channel: any Channel

  var address: String { "127.0.0.1:\(self.channel.localAddress!.port!)" }
  var url: String { "redis://\(self.address)" }

  private init(_ channel: any Channel) { self.channel = channel }

  /// - Parameter answer: what the server writes when a connection brings something for the n-th time,
  ///   counting from 0.
  static func run<Result>(
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
