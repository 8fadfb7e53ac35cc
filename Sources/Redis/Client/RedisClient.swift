import NIOCore

/// A client of Redis on one event loop: a batch of commands in, their replies out.
///
/// Batches of one client are executed in the order in which they were submitted, key by key. A client
/// never sends a command again that Redis may have executed, but for those that their batch calls
/// repeatable: what was not answered fails, and its error says so. Only the caller knows whether a
/// repeat does harm.
///
/// A blocking read takes a client of its own, since nothing behind it would be answered.
///
/// Unchecked in the implementations: all state is touched on ``eventLoop`` only, which they check.
package protocol RedisClient: AnyObject, Sendable {
  /// Every method and callback runs on this loop.
  var eventLoop: any EventLoop { get }

  /// Whether a batch submitted now would be sent.
  ///
  /// On the event loop only.
  var isReady: Bool { get }

  /// Sends a batch and answers on the event loop, exactly once, in bounded time.
  ///
  /// On the event loop only. When a connection was lost, it fails at once.
  ///
  /// - Parameters:
  ///   - timeout: how long the last reply may take.
  func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void)

  /// Sends a batch as ``submit(_:timeout:completion:)`` does, and answers part by part, as soon as it
  /// is certain what became of each: what one server has answered does not wait for another.
  ///
  /// - Parameter onSettled: called once for each command, with the places of some commands in the
  ///   batch and the replies to these alone. Replies to commands of one key come in their
  ///   order; failures may come earlier.
  func submit(
    _ batch: RedisBatch, timeout: TimeAmount,
    onSettled: @escaping (Range<Int>, RedisReplies) -> Void)

  /// Succeeds as soon as a batch would be sent; fails when the client is closed before.
  ///
  /// From any thread.
  func whenReady() -> EventLoopFuture<Void>

  /// Closes all connections for good. What is unanswered fails.
  ///
  /// From any thread.
  func close() -> EventLoopFuture<Void>
}

extension RedisClient {
  /// Sends a batch whose replies are due within
  /// ``RedisLimits/commandTimeoutMilliseconds``.
  package func submit(_ batch: RedisBatch, completion: @escaping (RedisReplies) -> Void) {
    self.submit(
      batch, timeout: .milliseconds(RedisLimits.commandTimeoutMilliseconds),
      completion: completion)
  }

  /// Sends a batch whose replies are due within
  /// ``RedisLimits/commandTimeoutMilliseconds``, and answers part by part.
  package func submitInParts(
    _ batch: RedisBatch, onSettled: @escaping (SettledReplies) -> Void
  ) {
    self.submit(batch, timeout: .milliseconds(RedisLimits.commandTimeoutMilliseconds)) {
      onSettled(SettledReplies($0, $1))
    }
  }

  /// Sends one command from any context, and reads its reply.
  package func value<Value>(
    _ append: (inout RedisBatch) -> Reply<Value>
  ) async throws(RedisError) -> Value {
    var batch = RedisBatch()
    let reply = append(&batch)
    return try await self.execute(batch)[reply]
  }

  /// Sends a batch from any context, for callers that are already in a task.
  package func execute(
    _ batch: RedisBatch,
    timeout: TimeAmount = .milliseconds(RedisLimits.commandTimeoutMilliseconds)
  ) async -> RedisReplies {
    await withCheckedContinuation { continuation in
      if self.eventLoop.inEventLoop {
        self.submit(batch, timeout: timeout) { continuation.resume(returning: $0) }
      } else {
        self.eventLoop.execute {
          self.submit(batch, timeout: timeout) { continuation.resume(returning: $0) }
        }
      }
    }
  }
}

/// Makes clients of one kind: one client per event loop and purpose.
package protocol RedisClientFactory: Sendable {
  /// A new client with its own connections. Callable from any thread.
  func makeClient(on eventLoop: any EventLoop) -> any RedisClient

  /// The same for keys of one home: without a connection to the other.
  func makeClient(on eventLoop: any EventLoop, only home: RedisKey.Home) -> any RedisClient
}

extension RedisClientFactory {
  /// Ignores the home: all keys are in one Redis.
  package func makeClient(
    on eventLoop: any EventLoop, only home: RedisKey.Home
  ) -> any RedisClient {
    self.makeClient(on: eventLoop)
  }
}
