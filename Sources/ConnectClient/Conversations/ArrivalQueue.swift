import ConnectProtocol
import DequeModule

/// Arrivals between a client and their consumer, if it has one. From the first on, nothing is acked that the consumer
/// has not handled, until the client ends.
///
/// Pure but for the continuations, which it hands out for the caller to resume once the lock is released.
struct ArrivalQueue: Sendable {
  typealias Consumer = CheckedContinuation<ConnectArrival?, Never>

  private var waiting = Deque<(arrival: ConnectArrival, offset: Offset?)>()
  private(set) var isConsumed = false
  /// The consumer has this one, and has not asked for the next.
  private var current: Offset?
  private var consumer: Consumer?
  /// Whoever brings events waits for the consumer to catch up.
  private var producer: CheckedContinuation<Void, Never>?
  /// The client ends: nobody waits for the consumer any more.
  private var isReleased = false
  private var isFinished = false

  /// From now on there is a consumer.
  mutating func begin() { self.isConsumed = true }

  mutating func append(_ arrival: ConnectArrival, at offset: Offset?) {
    if self.isReleased, offset != nil { return }
    self.waiting.append((arrival, offset))
  }

  /// The mailbox is held from further up only, or is another one: places in it from before say nothing any more.
  mutating func forgetOffsets() {
    self.current = nil
    for index in self.waiting.indices { self.waiting[index].offset = nil }
  }

  /// The consumer has handled what it had.
  ///
  /// - Returns: its place in the mailbox, if it has one.
  mutating func handled() -> Offset? { self.current.take() }

  /// The consumer waits for the next arrival.
  mutating func wait(_ consumer: Consumer) {
    precondition(self.consumer == nil, "arrivals have one consumer")
    self.consumer = consumer
  }

  mutating func cancel() -> Consumer? { self.consumer.take() }

  mutating func wait(_ producer: CheckedContinuation<Void, Never>) { self.producer = producer }

  /// The client ends. What has a place in the mailbox could not be acked any more: it is not given, and comes again.
  mutating func release() {
    self.isReleased = true
    self.waiting.removeAll { $0.offset != nil }
  }

  mutating func finish() {
    self.release()
    self.isFinished = true
  }

  /// A consumer that gets what it waits for: an arrival, or nil at the end.
  mutating func takeServed() -> (Consumer, ConnectArrival?)? {
    guard self.consumer != nil, self.isFinished || !self.waiting.isEmpty,
      let consumer = self.consumer.take()
    else { return nil }
    let next = self.waiting.popFirst()
    self.current = next?.offset
    return (consumer, next?.arrival)
  }

  /// Whoever brings events, if it may go on.
  mutating func takeProducer() -> CheckedContinuation<Void, Never>? {
    guard self.isReleased || self.waiting.count <= ConnectClientLimits.waitingArrivals else {
      return nil
    }
    return self.producer.take()
  }
}
