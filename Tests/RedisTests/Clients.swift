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
  try await SingleServerClient(
    configuration, on: MultiThreadedEventLoopGroup.singleton.next(),
    outages: OutageReport(logger: logger)
  ).closing(after: body)
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
  /// Runs a test with this client, and closes it.
  func closing<Result>(
    after body: (any RedisClient) async throws -> Result
  ) async throws -> Result {
    do {
      let result = try await body(self)
      try await self.close().get()
      return result
    } catch {
      try await self.close().get()
      throw error
    }
  }

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
