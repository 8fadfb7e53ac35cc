import NIOCore

/// A client for one server: one connection, opened again whenever it is lost.
///
/// Unchecked: all state is touched on ``eventLoop`` only; the public entries check or hop.
final class SingleServerClient: RedisClient, @unchecked Sendable {
  let eventLoop: any EventLoop
  private let link: ServerLink
  private var waiters: [EventLoopPromise<Void>] = []

  init(
    _ configuration: RedisConfiguration, on eventLoop: any EventLoop,
    outages: OutageReport
  ) {
    self.eventLoop = eventLoop
    self.link = ServerLink(
      to: configuration.url.addresses[0], as: configuration, on: eventLoop,
      outages: outages)
    eventLoop.execute {
      self.link.onReady = { [weak self] in self?.connected() }
      self.link.open()
    }
  }

  var isReady: Bool {
    self.eventLoop.preconditionInEventLoop()
    return self.link.isReady
  }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    self.eventLoop.preconditionInEventLoop()
    guard !batch.isEmpty else {
      return completion(RedisReplies(arena: nil, count: 0, failure: nil))
    }
    self.link.submit(batch, timeout: timeout) { replies in
      completion(replies)
      // It was demoted: its name may stand for another server by now.
      if let error = replies.error(where: { $0.code == "READONLY" }) {
        self.link.giveUp(.server(error))
      }
    }
  }

  /// Reports all commands at once: one server answers them.
  func submit(
    _ batch: RedisBatch, timeout: TimeAmount,
    onSettled: @escaping (Range<Int>, RedisReplies) -> Void
  ) {
    self.submit(batch, timeout: timeout) { onSettled(0..<$0.count, $0) }
  }

  func whenReady() -> EventLoopFuture<Void> {
    let promise = self.eventLoop.makePromise(of: Void.self)
    self.onEventLoop {
      if self.link.isReady {
        promise.succeed()
      } else if self.link.isClosed {
        promise.fail(RedisError.unavailable("the client is closed"))
      } else {
        self.waiters.append(promise)
      }
    }
    return promise.futureResult
  }

  func close() -> EventLoopFuture<Void> {
    let promise = self.eventLoop.makePromise(of: Void.self)
    self.onEventLoop {
      let reason = RedisError.unavailable("the client is closed")
      self.link.close(reason)
      self.waiters.forEach { $0.fail(reason) }
      self.waiters = []
      promise.succeed()
    }
    return promise.futureResult
  }

  private func connected() {
    let waiters = self.waiters
    self.waiters = []
    waiters.forEach { $0.succeed() }
  }

  private func onEventLoop(_ body: @escaping @Sendable () -> Void) {
    if self.eventLoop.inEventLoop { body() } else { self.eventLoop.execute(body) }
  }
}
