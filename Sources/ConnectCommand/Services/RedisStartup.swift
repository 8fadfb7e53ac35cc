import Logging
import MessageBus
import NIOCore
import Redis

/// Makes sure, before a service starts, that its Redis is there and is the right one.
enum RedisStartup {
  /// How long a service waits at its start for a Redis that is not there yet, in seconds.
  static let waitSeconds: Int64 = 30

  /// Connects once, waiting for a Redis that is only starting, and checks the data's partitions.
  ///
  /// - Throws: a ``Failure`` that says what to do.
  static func check(
    _ url: RedisURL, clients: SingleServerClientFactory, keys: Keys, on group: any EventLoopGroup,
    waitSeconds: Int64 = RedisStartup.waitSeconds, logger: Logger? = nil
  ) async throws(Failure) {
    let eventLoop = group.next()
    try await self.reach(
      url, clients: clients, on: eventLoop, waitSeconds: waitSeconds, logger: logger)
    let client = clients.makeClient(on: eventLoop)
    do {
      try await client.whenReady().get()
      try await PartitionGuard.check(keys, with: client)
      try await client.close().get()
    } catch let mismatch as PartitionGuard.Mismatch {
      throw .usage(mismatch.description)
    } catch {
      throw Failure(.unavailable, "\(url): \(error)")
    }
  }

  /// Waits until Redis answers and takes our login.
  ///
  /// - Throws: a ``Failure`` that says what to do.
  static func reach(
    _ url: RedisURL, clients: SingleServerClientFactory, on eventLoop: any EventLoop,
    waitSeconds: Int64, logger: Logger? = nil
  ) async throws(Failure) {
    let deadline = NIODeadline.now() + .seconds(waitSeconds)
    var backoff = Backoff(baseMilliseconds: 100, capMilliseconds: 2_000)
    var hasSaidSo = false
    while true {
      do throws(RedisError) {
        return try await clients.check(on: eventLoop)
      } catch {
        if case .server(let reply) = error {
          switch reply.code {
          case "WRONGPASS", "NOAUTH", "NOPERM":
            throw Failure(
              .refused, "\(url): \(reply.message); check the user and password of --redis-url")
          case "LOADING", "MASTERDOWN":
            break
          default:
            // A database that does not exist, say: no waiting mends it.
            throw Failure.usage("\(url): \(reply.message); check --redis-url")
          }
        }
        if !hasSaidSo {
          hasSaidSo = true
          logger?.warning(
            "redis.waiting",
            metadata: ["redis": "\(url)", "error": "\(error)", "seconds": "\(waitSeconds)"])
        }
        guard NIODeadline.now() < deadline, !Task.isCancelled else {
          throw Failure(
            .unavailable,
            "\(url): \(error); start Redis there, or give its place with --redis-url")
        }
      }
      try? await Task.sleep(for: .milliseconds(backoff.next()))
    }
  }
}
