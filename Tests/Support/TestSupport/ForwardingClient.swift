import NIOCore
import Redis

/// A client that does what another does, but for what it says itself.
package protocol ForwardingClient: RedisClient {
  var client: any RedisClient { get }
}

extension ForwardingClient {
  package var eventLoop: any EventLoop { self.client.eventLoop }
  package var isReady: Bool { self.client.isReady }

  package func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    self.client.submit(batch, timeout: timeout, completion: completion)
  }

  package func submit(
    _ batch: RedisBatch, timeout: TimeAmount,
    onSettled: @escaping (Range<Int>, RedisReplies) -> Void
  ) {
    self.client.submit(batch, timeout: timeout, onSettled: onSettled)
  }

  package func whenReady() -> EventLoopFuture<Void> { self.client.whenReady() }
  package func close() -> EventLoopFuture<Void> { self.client.close() }
}

/// Makes the clients of another factory, with something between them and whoever uses them.
package protocol WrappingClients: RedisClientFactory {
  var clients: any RedisClientFactory { get }

  /// The client to use instead.
  func wrap(_ client: any RedisClient) -> any RedisClient
}

extension WrappingClients {
  package func makeClient(on eventLoop: any EventLoop) -> any RedisClient {
    self.wrap(self.clients.makeClient(on: eventLoop))
  }

  package func makeClient(on eventLoop: any EventLoop, only home: RedisKey.Home) -> any RedisClient
  {
    self.wrap(self.clients.makeClient(on: eventLoop, only: home))
  }
}
