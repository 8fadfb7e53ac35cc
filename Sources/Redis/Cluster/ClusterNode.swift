import DequeModule
import NIOCore

/// One node of a cluster as one client sees it: a connection that is opened when it is needed first.
///
/// On its client's event loop only.
final class ClusterNode {
  private struct Waiting {
    let batch: RedisBatch
    let timeout: TimeAmount
    let completion: (RedisReplies) -> Void
  }

  let address: RedisAddress
  let link: ServerLink
  /// Number of batches submitted.
  private(set) var sent: UInt64 = 0
  /// The numbers of those that are not answered, in order. Nearly always the first one is answered
  /// first, but a batch may be refused while others are under way.
  private var underWay = Deque<UInt64>()
  /// Number of batches answered, counted from the first.
  var answered: UInt64 { (self.underWay.first ?? self.sent + 1) - 1 }
  /// Slots that are held until `answered` reaches the number.
  private(set) var barriers: [(slot: HashSlot, until: UInt64)] = []
  /// Whether it has left the cluster; it is closed as soon as everything is answered.
  var isRetired = false
  /// Batches submitted before the first attempt to connect ended.
  private var waiting: [Waiting] = []
  private var waitingBytes = 0
  private var isTried = false

  /// - Parameters:
  ///   - onReady: called when there is a connection.
  ///   - onFailure: called when a connection was lost, or an attempt to open one has failed.
  init(_ link: ServerLink, onReady: @escaping () -> Void, onFailure: @escaping () -> Void) {
    self.address = link.address
    self.link = link
    link.onReady = { [unowned self] in
      self.tried()
      onReady()
    }
    link.onFailure = { [unowned self] in
      self.tried()
      onFailure()
    }
    link.open()
  }

  var isBusy: Bool { !self.underWay.isEmpty }

  /// Whether an attempt to connect has ended and there is no connection.
  var isAway: Bool { self.isTried && !self.link.isReady }

  /// Sends a batch, once there is a connection if there was none yet; fails at once if a connection
  /// was lost or could not be opened.
  func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    self.sent += 1
    let number = self.sent
    self.underWay.append(number)
    let completion: (RedisReplies) -> Void = { replies in
      self.finished(number)
      completion(replies)
    }
    guard !self.isTried else {
      return self.link.submit(batch, timeout: timeout, completion: completion)
    }
    guard self.waitingBytes + batch.byteCount <= RedisLimits.maximumUnansweredBytes else {
      return completion(
        .failed(
          batch.count,
          .unavailable("\(self.waitingBytes) bytes of commands wait for \(self.address)")))
    }
    self.waitingBytes += batch.byteCount
    self.waiting.append(Waiting(batch: batch, timeout: timeout, completion: completion))
  }

  private func finished(_ number: UInt64) {
    if self.underWay.first == number {
      self.underWay.removeFirst()
    } else if let place = self.underWay.lastIndex(of: number) {
      self.underWay.remove(at: place)
    }
  }

  /// Holds a slot until all batches sent so far are answered.
  func addBarrier(for slot: HashSlot, until: UInt64) {
    self.barriers.append((slot, until))
  }

  /// Removes and returns the slots that need not wait any longer.
  func takePassedBarriers() -> [HashSlot] {
    guard !self.barriers.isEmpty else { return [] }
    let passed = self.barriers.filter { $0.until <= self.answered }.map(\.slot)
    self.barriers.removeAll { $0.until <= self.answered }
    return passed
  }

  /// Fails unanswered batches, and closes the connection for good.
  func close(_ reason: RedisError) {
    self.link.close(reason)
    self.tried()
    // They hold the client, which holds this.
    self.link.onReady = {}
    self.link.onFailure = {}
  }

  private func tried() {
    guard !self.isTried else { return }
    self.isTried = true
    let waiting = self.waiting
    self.waiting = []
    for one in waiting {
      self.link.submit(one.batch, timeout: one.timeout, completion: one.completion)
    }
  }
}
