import LocalCluster
import LocalRedis
import Logging
import NIOCore
import Redis
import TLS

extension LocalRedisInstallation {
  /// Clients as services make them.
  package func clients(
    on eventLoop: any EventLoop, logger: Logger
  ) async throws -> any RedisClientFactory {
    var url = try RedisURL(parsing: self.url)
    if self.kind.isSecure {
      url.user = Self.user
      url.password = Self.password
    }
    let trust = self.caFile.map { TLSConfiguration.Trust.file($0) } ?? .system
    return try await RedisClients.connect(
      RedisConfiguration(url: url, tls: TLSConfiguration(trust: trust)), on: eventLoop,
      logger: logger)
  }

  /// Clients that may do everything.
  package func administration(
    on eventLoop: any EventLoop, logger: Logger
  ) async throws -> any RedisClientFactory {
    try await RedisClients.connect(
      RedisConfiguration(url: RedisURL(parsing: self.adminURL)), on: eventLoop, logger: logger)
  }
}
