// RedisFixture: the real redis-server that tests run against.
// There is no mock of Redis; where redis-server is missing, tests fail with what to install.

import LocalRedis

/// A redis-server for one test.
public enum RedisFixture {
  /// Runs a test with a server of its own, and stops the server.
  ///
  /// ``LocalRedisServer/Persistence/appendOnly(directory:fsync:)`` without a directory keeps its
  /// file in a temporary one until the end: through `kill()` and `restart()`.
  public static func withServer<Result>(
    persistence: LocalRedisServer.Persistence = .none,
    extraArguments: [String] = [],
    _ body: (LocalRedisServer) async throws -> Result
  ) async throws -> Result {
    let server = try await LocalRedisServer.start(
      LocalRedisServer.Options(persistence: persistence, extraArguments: extraArguments))
    do {
      let result = try await body(server)
      await server.stop()
      return result
    } catch {
      await server.stop()
      throw error
    }
  }
}

/// One redis-server for all tests of a process that can share it: those that use keys of their own.
public enum SharedRedis {
  /// Started by whoever asks first; a failure is everyone's. Not part of any test's task, since it
  /// outlives them all.
  private static let start = Task.detached { try await LocalRedisServer.start() }

  /// The server. It ends with the test process.
  public static func server() async throws -> LocalRedisServer {
    try await start.value
  }
}
