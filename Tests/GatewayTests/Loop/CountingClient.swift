import NIOCore
import Redis
import TestSupport

/// Counts the batches that are given to a client.
///
/// Unchecked: used on the client's loop only.
final class CountingClient: ForwardingClient, @unchecked Sendable {
  let client: any RedisClient
  private(set) var batches = 0

  init(_ client: any RedisClient) { self.client = client }

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
}
