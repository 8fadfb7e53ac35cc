// RedisFixture: the real redis-server that tests run against.
// There is no mock of Redis; where redis-server is missing, tests fail with what to install.

import Foundation
import LocalCluster
import LocalRedis

/// A redis-server, or a cluster of them, for one test.
package enum RedisFixture {
  /// Runs a test with a server of its own, and stops the server.
  ///
  /// ``LocalRedisServer/Persistence/appendOnly(directory:fsync:)`` without a directory keeps its
  /// file in a temporary one until the end: through `kill()` and `restart()`.
  package static func withServer<Result>(
    persistence: LocalRedisServer.Persistence = .none, tls: TLSFiles? = nil, users: [String] = [],
    extraArguments: [String] = [],
    _ body: (LocalRedisServer) async throws -> Result
  ) async throws -> Result {
    let server = try await LocalRedisServer.start(
      LocalRedisServer.Options(
        persistence: persistence, tls: tls, users: users, extraArguments: extraArguments))
    return try await self.with(server, stop: { await $0.stop() }, body)
  }

  /// Runs a test with an installation of its own, and stops its servers.
  package static func withInstallation<Result>(
    _ options: LocalRedisInstallation.Options,
    _ body: (LocalRedisInstallation) async throws -> Result
  ) async throws -> Result {
    let installation = try await LocalRedisInstallation.start(options)
    return try await self.with(installation, stop: { await $0.stop() }, body)
  }

  private static func with<Redis: Sendable, Result>(
    _ redis: Redis, stop: (Redis) async -> Void, _ body: (Redis) async throws -> Result
  ) async throws -> Result {
    do {
      let result = try await body(redis)
      await stop(redis)
      return result
    } catch {
      await stop(redis)
      throw error
    }
  }

  /// Runs a test with a cluster of its own, and stops the cluster.
  ///
  /// It takes more than two seconds to start: where a test does not break it or need it to be special,
  /// it should share ``SharedRedis/cluster()``.
  package static func withCluster<Result>(
    _ options: LocalRedisCluster.Options = LocalRedisCluster.Options(),
    _ body: (LocalRedisCluster) async throws -> Result
  ) async throws -> Result {
    let cluster = try await LocalRedisCluster.start(options)
    return try await self.with(cluster, stop: { await $0.stop() }, body)
  }
}

extension LocalRedisInstallation.Kind {
  /// The variable that says what tests run against which serve for every kind; `plain` without it.
  package static let variable = "CONNECT_TEST_REDIS"

  /// The kind of Redis for tests that serve for every kind.
  package static let tested: LocalRedisInstallation.Kind = {
    guard let name = ProcessInfo.processInfo.environment[variable] else { return .plain }
    guard let kind = LocalRedisInstallation.Kind(rawValue: name) else {
      let kinds = LocalRedisInstallation.Kind.allCases.map(\.rawValue).joined(separator: ", ")
      fatalError("\(variable)=\(name): must be one of \(kinds)")
    }
    return kind
  }()
}

/// Redis for all tests of a process that can share it: those that use keys of their own.
package enum SharedRedis {
  /// Started by whoever asks first; a failure is everyone's. Not part of any test's task, since it
  /// outlives them all.
  private static let start = Task.detached { try await LocalRedisServer.start() }
  private static let startCluster = Task.detached { try await LocalRedisCluster.start() }

  /// The server. It ends with the test process.
  package static func server() async throws -> LocalRedisServer {
    try await start.value
  }

  /// A cluster of three primaries without replicas. It ends with the test process.
  package static func cluster() async throws -> LocalRedisCluster {
    try await startCluster.value
  }
}

extension LocalCertificates {
  private static let made = Result { try LocalCertificates() }

  /// Those of this run of the tests.
  package static var shared: LocalCertificates { get throws { try self.made.get() } }
}
