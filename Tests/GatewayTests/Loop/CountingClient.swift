import NIOCore
import Redis

/// Counts the batches that are given to a client.
///
/// Unchecked: used on the client's loop only.
final class CountingClient: RedisClient, @unchecked Sendable {
  private let client: any RedisClient
  private(set) var batches = 0

  init(_ client: any RedisClient) { self.client = client }

  var eventLoop: any EventLoop { self.client.eventLoop }
  var isReady: Bool { self.client.isReady }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    self.batches += 1
    self.client.submit(batch, timeout: timeout, completion: completion)
  }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount,
    onSettled: @escaping (Range<Int>, RedisReplies) -> Void
  ) {
    self.batches += 1
    self.client.submit(batch, timeout: timeout, onSettled: onSettled)
  }

  func whenReady() -> EventLoopFuture<Void> { self.client.whenReady() }
  func close() -> EventLoopFuture<Void> { self.client.close() }
}
