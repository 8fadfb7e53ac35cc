import NIOCore
import Redis

/// Makes clients that wait for replies as long as tests wait, however short a time they are given: for
/// tests that hold Redis for a while, which on a busy machine may be longer than a command may take.
package struct PatientClients: RedisClientFactory {
  private let clients: any RedisClientFactory

  /// The clients of another factory, but for that.
  package init(_ clients: any RedisClientFactory) { self.clients = clients }

  package func makeClient(on eventLoop: any EventLoop) -> any RedisClient {
    PatientClient(self.clients.makeClient(on: eventLoop))
  }

  package func makeClient(on eventLoop: any EventLoop, only home: RedisKey.Home) -> any RedisClient
  {
    PatientClient(self.clients.makeClient(on: eventLoop, only: home))
  }
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
