import Logging
import MessageBus
import NIOCore
import Redis

/// Makes sure, before a service starts, that its Redis is there and is the right one.
enum RedisStartup {
  /// How long a service waits at its start for a Redis that is not there yet, in seconds.
  static let waitSeconds: Int64 = 30

  /// Connects, waiting for a Redis that is only starting, and checks the data's layout.
  ///
  /// - Throws: a ``Failure`` that says what to do.
  static func connect(
    _ redis: RedisPlaces, keys: Keys, on group: any EventLoopGroup,
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
      redis, on: eventLoop, waitSeconds: waitSeconds, logger: logger)
    let client = clients.makeClient(on: eventLoop)
    do {
      try await client.whenReady().get()
      try await PartitionGuard.check(keys, with: client)
    } catch let mismatch as PartitionGuard.Mismatch {
      try? await client.close().get()
      throw .usage(mismatch.description)
    } catch {
      try? await client.close().get()
      throw Self.failure(
        error as? RedisError ?? .unavailable("\(error)"), at: redis.bus.url, .redisURL)
    }
    if let registry = redis.registry {
      do throws(RedisError) {
        try await PartitionGuard.checkRegistry(keys, with: client)
      } catch {
        try? await client.close().get()
        throw Self.failure(error, at: registry.url, .registryRedisURL)
      }
    }
    try? await client.close().get()
    return clients
  }

  /// Waits until Redis answers and takes our login: both, if there are two.
  ///
  /// - Throws: a ``Failure`` that says what to do.
  static func reach(
    _ redis: RedisPlaces, on eventLoop: any EventLoop, waitSeconds: Int64, logger: Logger
  ) async throws(Failure) -> any RedisClientFactory {
    let deadline = NIODeadline.now() + .seconds(waitSeconds)
    let bus = try await self.reach(
      redis.bus, .redisURL, on: eventLoop, until: deadline, waitSeconds: waitSeconds,
      logger: logger)
    guard let registry = redis.registry else { return bus }
    return RedisClients.split(
      bus,
      try await self.reach(
        registry, .registryRedisURL, on: eventLoop, until: deadline, waitSeconds: waitSeconds,
        logger: logger))
  }

  private static func reach(
    _ redis: RedisConfiguration, _ setting: Setting, on eventLoop: any EventLoop,
    until deadline: NIODeadline, waitSeconds: Int64, logger: Logger
  ) async throws(Failure) -> any RedisClientFactory {
    var backoff = Backoff(baseMilliseconds: 100, capMilliseconds: 2_000)
    var hasSaidSo = false
    while true {
      do throws(RedisError) {
        return try await RedisClients.connect(redis, on: eventLoop, logger: logger)
      } catch {
        let isPassing =
          if case .server(let reply) = error { reply.isStarting } else { true }
        guard isPassing else { throw Self.failure(error, at: redis.url, setting) }
        if !hasSaidSo {
          hasSaidSo = true
          logger.warning(
            "redis.waiting",
            metadata: [
              "redis": "\(redis.url)", "error": "\(error)", "seconds": "\(waitSeconds)",
            ])
        }
        guard NIODeadline.now() < deadline, !Task.isCancelled else {
          throw Self.failure(error, at: redis.url, setting)
        }
      }
      try? await Task.sleep(for: .milliseconds(backoff.next()))
    }
  }

  private static func failure(
    _ error: RedisError, at url: RedisURL, _ setting: Setting
  ) -> Failure {
    guard case .server(let reply) = error else {
      return Failure(
        .unavailable, "\(url): \(error); start Redis there, or give its place with \(setting.flag)")
    }
    switch reply.code {
    case "WRONGPASS", "NOAUTH":
      return Failure(
        .refused,
        "\(url): \(reply); check the user and password: --redis-user, "
          + "--redis-password-file, CONNECT_REDIS_PASSWORD, or those of \(setting.flag)")
    case "NOPERM":
      return Failure(
        .refused,
        "\(url): \(reply); the rights that Connect needs are in Operations.md, as a "
          + "ready ACL line")
    case "MOVED":
      return .usage("\(url): \(RedisServerError.clusterAdvice)")
    default:
      if reply.saysNoCluster {
        return .usage(
          "\(url): is one server and no cluster; name one host, and no --redis-mode cluster")
      }
      if reply.isStarting {
        return Failure(.unavailable, "\(url): \(error); see why Redis does not get ready")
      }
      // A database that does not exist, say: no waiting mends it.
      return .usage("\(url): \(reply); check \(setting.flag)")
    }
  }
}

extension RedisServerError {
  /// What to do where a node of a cluster was taken for a single server.
  static let clusterAdvice = "is a node of a cluster; leave --redis-mode at auto, or say cluster"

  /// Whether Redis is on its way to serve.
  fileprivate var isStarting: Bool {
    ["LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"].contains(String(self.code))
  }
}
