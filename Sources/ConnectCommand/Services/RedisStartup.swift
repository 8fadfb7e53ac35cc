import Logging
import MessageBus
import NIOCore
import Redis
import Settings

/// Checks, before a service starts, that its Redis is reachable and is the right one.
enum RedisStartup {
  /// Time that a service waits at its start for a Redis that is not reachable yet, in seconds.
  static let waitSeconds: Int64 = 30

  /// Per Redis, the required commands that it lacks.
  typealias MissingCommands =
    (RedisConfiguration) async throws(RedisError) -> CommandsNeeded.Missing

  /// Connects, waiting for a Redis that is only starting, and checks the data's layout.
  ///
  /// - Throws: a ``Failure`` that says what to do.
  static func connect(
    _ redis: RedisPlaces, keys: Keys, durability: Durability, on group: any EventLoopGroup,
    waitSeconds: Int64 = RedisStartup.waitSeconds, logger: Logger
  ) async throws(Failure) -> any RedisClientFactory {
    let eventLoop = group.next()
    for redis in [redis.bus] + [redis.registry].compactMap({ $0 }) where redis.trustsAnybody {
      logger.warning(
        "redis.tls_insecure",
        metadata: [
          "redis": "\(redis.url)", "advice": "any certificate is trusted: development only",
        ])
    }
    let clients = try await self.reach(
      redis, on: eventLoop, waitSeconds: waitSeconds, logger: logger
    ) { (redis) throws(RedisError) in
      try await CommandsNeeded.missing(
        of: redis, keys: keys, durability: durability, on: eventLoop)
    }
    let client = clients.makeClient(on: eventLoop)
    do {
      try await client.whenReady().get()
      try await PartitionGuard.check(keys, with: client)
    } catch let mismatch as PartitionGuard.Mismatch {
      try? await client.close().get()
      throw .usage(mismatch.description)
    } catch {
      try? await client.close().get()
      throw Failure(
        error as? RedisError ?? .unavailable("\(error)"), at: redis.bus.url, .redisURL)
    }
    if let registry = redis.registry {
      do throws(RedisError) {
        try await PartitionGuard.checkRegistry(keys, with: client)
      } catch {
        try? await client.close().get()
        throw Failure(error, at: registry.url, .registryRedisURL)
      }
    }
    try? await client.close().get()
    return clients
  }

  /// Waits until Redis answers and takes our login: both, if there are two.
  ///
  /// - Parameter missing: finds out which of the commands that are needed each of them lacks.
  /// - Throws: a ``Failure`` that says what to do.
  static func reach(
    _ redis: RedisPlaces, on eventLoop: any EventLoop, waitSeconds: Int64, logger: Logger,
    missing: MissingCommands = { _ in .init() }
  ) async throws(Failure) -> any RedisClientFactory {
    let deadline = NIODeadline.now() + .seconds(waitSeconds)
    let bus = try await self.reach(
      redis.bus, .redisURL, on: eventLoop, until: deadline, waitSeconds: waitSeconds,
      logger: logger, missing: missing)
    guard let registry = redis.registry else { return bus }
    return RedisClients.split(
      bus,
      try await self.reach(
        registry, .registryRedisURL, on: eventLoop, until: deadline, waitSeconds: waitSeconds,
        logger: logger, missing: missing))
  }

  private static func reach(
    _ redis: RedisConfiguration, _ setting: Setting, on eventLoop: any EventLoop,
    until deadline: NIODeadline, waitSeconds: Int64, logger: Logger, missing: MissingCommands
  ) async throws(Failure) -> any RedisClientFactory {
    var backoff = Backoff(baseMilliseconds: 100, capMilliseconds: 2_000)
    var hasSaidSo = false
    while true {
      var lacking = CommandsNeeded.Missing()
      do throws(RedisError) {
        let clients = try await RedisClients.connect(redis, on: eventLoop, logger: logger)
        lacking = try await missing(redis)
        if lacking.isEmpty { return clients }
      } catch {
        let isPassing =
          if case .server(let reply) = error { reply.isPassing } else { true }
        guard isPassing else { throw Failure(error, at: redis.url, setting) }
        if !hasSaidSo {
          hasSaidSo = true
          logger.warning(
            "redis.waiting",
            metadata: [
              "redis": "\(redis.url)", "error": "\(error)", "seconds": "\(waitSeconds)",
            ])
        }
        guard NIODeadline.now() < deadline, !Task.isCancelled else {
          throw Failure(error, at: redis.url, setting)
        }
      }
      guard lacking.isEmpty else { throw Failure(lacking, at: redis.url, setting) }
      try? await Task.sleep(for: .milliseconds(backoff.next()))
    }
  }
}
