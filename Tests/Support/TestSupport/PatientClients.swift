import NIOCore
import Redis

/// Makes clients that wait for replies as long as tests wait, however short a time they are given: for
/// tests that hold Redis for a while, which on a busy machine may be longer than a command may take.
package struct PatientClients: WrappingClients {
  package let clients: any RedisClientFactory

  /// The clients of another factory, but for that.
  package init(_ clients: any RedisClientFactory) { self.clients = clients }

  package func wrap(_ client: any RedisClient) -> any RedisClient { PatientClient(client) }
}

private final class PatientClient: ForwardingClient {
  let client: any RedisClient

  init(_ client: any RedisClient) { self.client = client }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    let timeout = max(timeout, TimeAmount(TestWaits.usual))
    self.client.submit(batch, timeout: timeout, completion: completion)
  }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount,
    onSettled: @escaping (Range<Int>, RedisReplies) -> Void
  ) {
    let timeout = max(timeout, TimeAmount(TestWaits.usual))
    self.client.submit(batch, timeout: timeout, onSettled: onSettled)
  }
}
