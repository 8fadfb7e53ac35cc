import NIOCore

/// A client for keys that are divided between two Redis.
///
/// A batch whose keys have one home goes there as it is, which is nearly every batch: who divides keys
/// puts together what is used together. Another one is taken apart, and as a whole it is answered once
/// both have answered. Commands without a key go along with the others; alone, or with both, they go to the
/// first.
///
/// Each of the two keeps the order of its keys, and one that is away fails only what is its own. Between
/// the two there is no order but the one that a caller makes by waiting for replies.
///
/// Unchecked: it has no state of its own that changes.
final class SplitClient: RedisClient, @unchecked Sendable {
  let eventLoop: any EventLoop
  private let first: any RedisClient
  private let second: any RedisClient

  /// Both clients are on the same event loop, and belong to this one alone.
  init(first: any RedisClient, second: any RedisClient) {
    precondition(first.eventLoop === second.eventLoop, "a client belongs to one event loop")
    self.eventLoop = first.eventLoop
    self.first = first
    self.second = second
  }

  /// Requires both. A caller that needs one Redis asks for a client of that one.
  var isReady: Bool { self.first.isReady && self.second.isReady }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    guard batch.isOfTwoHomes else {
      return self.only(batch).submit(batch, timeout: timeout, completion: completion)
    }
    let answers = BatchAnswers(count: batch.count, completion: completion)
    self.submit(batch, timeout: timeout) { answers.settle($0, $1) }
  }

  func submit(
    _ batch: RedisBatch, timeout: TimeAmount,
    onSettled: @escaping (Range<Int>, RedisReplies) -> Void
  ) {
    guard batch.isOfTwoHomes else {
      return self.only(batch).submit(batch, timeout: timeout, onSettled: onSettled)
    }
    self.eventLoop.preconditionInEventLoop()
    var first = BatchShare(of: batch)
    var second = BatchShare(of: batch)
    var start = 0
    while start < batch.count {
      let unit = batch.unit(at: start)
      start = unit.upperBound
      let home = batch.commands[unit.lowerBound].home ?? .first
      assert(
        batch.commands[unit].allSatisfy { $0.home ?? home == home },
        "a transaction has keys of two homes")
      switch home {
      case .first: first.add(unit, of: batch)
      case .second: second.add(unit, of: batch)
      }
    }
    self.first.submit(first.batch, timeout: timeout) { first.settle($0, $1, onSettled) }
    self.second.submit(second.batch, timeout: timeout) { second.settle($0, $1, onSettled) }
  }

  /// The client for a batch whose keys have one home.
  private func only(_ batch: RedisBatch) -> any RedisClient {
    batch.home == .second ? self.second : self.first
  }

  func whenReady() -> EventLoopFuture<Void> {
    self.first.whenReady().and(self.second.whenReady()).map { _ in }
  }

  func close() -> EventLoopFuture<Void> {
    self.first.close().and(self.second.close()).map { _ in }
  }
}
