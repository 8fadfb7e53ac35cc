import NIOCore

/// A client on one channel that its caller has opened, such as one without a network: no login, and no other
/// connection when it ends.
///
/// So the cost of commands and replies can be counted without a Redis and without a socket: all but what
/// `SingleServerClient` does for each pipeline, which finds the connection and looks for replies that end it.
///
/// Unchecked: all state is touched on ``eventLoop`` only, which all that submits checks; the channel's own methods may
/// be called from any thread.
package final class ChannelClient: RedisClient, @unchecked Sendable {
  package let eventLoop: any EventLoop
  private let channel: any Channel
  private let handler: RedisConnectionHandler

  /// On the channel's event loop.
  ///
  /// - Parameter channel: takes commands as bytes, and brings the replies to them as bytes.
  package init(on channel: any Channel, metrics: RedisMetrics? = nil) throws {
    self.eventLoop = channel.eventLoop
    self.channel = channel
    self.handler = RedisConnectionHandler(metrics: metrics)
    try channel.pipeline.syncOperations.addHandler(self.handler)
  }

  package var isReady: Bool {
    self.eventLoop.preconditionInEventLoop()
    return self.handler.closeReason == nil
  }

  package func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    self.eventLoop.preconditionInEventLoop()
    guard !batch.isEmpty else {
      return completion(RedisReplies(arena: nil, count: 0, failure: nil))
    }
    self.handler.submit(batch, timeout: timeout, completion: completion)
  }

  package func submit(
    _ batch: RedisBatch, timeout: TimeAmount,
    onSettled: @escaping (Range<Int>, RedisReplies) -> Void
  ) {
    self.submit(batch, timeout: timeout) { onSettled(0..<$0.count, $0) }
  }

  package func whenReady() -> EventLoopFuture<Void> { self.eventLoop.makeSucceededVoidFuture() }

  package func close() -> EventLoopFuture<Void> { self.channel.close() }
}
