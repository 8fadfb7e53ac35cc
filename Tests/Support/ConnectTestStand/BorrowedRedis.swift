import LocalCluster
import LocalRedis
import MessageBus
import NIOConcurrencyHelpers
import TestSupport

/// A Redis that a stand has to itself, and that a later one gets, emptied, if nobody may have changed its
/// servers: starting a cluster takes seconds of a core, and most tests need nothing but keys.
final class BorrowedRedis: Sendable {
  let installation: LocalRedisInstallation
  private let mayHaveChanged = NIOLockedValueBox(false)

  /// Of each kind. They end with the process.
  private static let spare = NIOLockedValueBox(
    [LocalRedisInstallation.Kind: [LocalRedisInstallation]]())

  private init(_ installation: LocalRedisInstallation) { self.installation = installation }

  /// The same, for who stops it, or changes more than its keys.
  var changeable: LocalRedisInstallation {
    self.mayHaveChanged.withLockedValue { $0 = true }
    return self.installation
  }

  /// One that nobody had before.
  static func start(_ kind: LocalRedisInstallation.Kind) async throws -> BorrowedRedis {
    BorrowedRedis(try await LocalRedisInstallation.start(self.options(kind)))
  }

  private static func options(
    _ kind: LocalRedisInstallation.Kind
  ) -> LocalRedisInstallation.Options {
    var options = LocalRedisInstallation.Options(kind: kind)
    options.rights = AccessRights.services()
    return options
  }

  /// Runs a test with an empty Redis.
  static func with<Result>(
    _ stand: TestStand.Options, kind: LocalRedisInstallation.Kind,
    _ body: (BorrowedRedis) async throws -> Result
  ) async throws -> Result {
    guard case .none = stand.persistence, stand.redisArguments.isEmpty else {
      var options = self.options(kind)
      options.persistence = stand.persistence
      options.extraArguments = stand.redisArguments
      return try await RedisFixture.withInstallation(options) { installation in
        try await body(BorrowedRedis(installation))
      }
    }
    let taken = self.spare.withLockedValue { $0[kind]?.popLast() }
    let redis = if let taken { BorrowedRedis(taken) } else { try await self.start(kind) }
    do {
      let result = try await body(redis)
      if await !redis.giveBack() { await redis.installation.stop() }
      return result
    } catch {
      await redis.installation.stop()
      throw error
    }
  }

  /// Whether another may have it.
  private func giveBack() async -> Bool {
    guard !self.mayHaveChanged.withLockedValue({ $0 }) else { return false }
    do {
      try await self.clear()
    } catch {
      return false
    }
    Self.spare.withLockedValue { $0[self.installation.kind, default: []].append(self.installation) }
    return true
  }

  private func clear() async throws {
    // Connections that have not ended yet would be counted by the next.
    for node in self.installation.nodes {
      try await node.command("CLIENT", "KILL", "TYPE", "normal")
    }
    for primary in try await self.installation.primaries() {
      for command in [["FLUSHALL"], ["SCRIPT", "FLUSH"], ["CONFIG", "RESETSTAT"]] {
        try await primary.command(command)
      }
    }
  }
}
