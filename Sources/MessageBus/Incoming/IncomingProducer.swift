import ConnectProtocol
import NIOCore
import Redis

/// Publishes to the `incoming` partitions, from one event loop.
///
/// Entries that are published within one turn of the loop go out as one pipeline. Results come back
/// in the order of publishing, partition by partition: of a cluster, one node's do not wait for
/// another's in the same pipeline. Nothing is sent twice: a result that may have been executed says
/// so, and only the client that sent the message decides about a repeat, which it marks.
///
/// **Of one sender's entries in a partition, what Redis may have executed is always a prefix.** An
/// entry behind a failed one would otherwise be stored first, since the failed one can only come again
/// later. Three rules hold it, wherever an entry may wait (for the next pipeline, behind a `WAIT`, in a
/// cluster client's hold of a slot) and whatever fails:
///
/// - A partition has entries in one pipeline at a time, ``BusLimits/entriesPerTransaction`` at most; what
///   comes meanwhile, or is more, waits.
/// - Several entries of one sender in a pipeline are one transaction: all of them or none.
/// - If an entry fails, what its sender has waiting in that partition fails with it, unsent.
///
/// The caller must do its part: after that result it publishes newer entries of the sender only
/// once the failed ones have come again, in order.
///
/// With ``Durability/replicated(_:)`` it needs a client of its own, since Redis answers nothing behind
/// a `WAIT`. One pipeline is then under way at a time, and the next takes what came meanwhile, of each
/// partition ``BusLimits/entriesPerTransaction`` at most.
package final class IncomingProducer {
  private let keys: Keys
  private let client: any RedisClient
  private let eventLoop: NIOIsolatedEventLoop
  private let durability: Durability
  private let refusal: () -> RedisError?
  private let onResult: (Int, Result<Offset, RedisError>) -> Void
  /// One queue per partition.
  private var queues: [IncomingQueue]
  /// Partitions with entries that may be sent now, in the order in which they got them.
  private var ready: [Int] = []
  private var isFlushScheduled = false
  /// With replicas: entries that must have a result before the next pipeline is sent.
  private var awaited = 0
  private var idleWaiters: [() -> Void] = []
  /// Entries published that have no result yet.
  package private(set) var unanswered = 0
  package private(set) var unansweredBytes = 0

  /// - Parameters:
  ///   - refusal: asked just before a pipeline is sent; if it answers a reason, all of it fails with
  ///     that instead.
  ///   - onResult: called on the client's loop, once for each `publish`.
  package init(
    keys: Keys, client: any RedisClient, durability: Durability = .accepted,
    refusal: @escaping () -> RedisError? = { nil },
    onResult: @escaping (Int, Result<Offset, RedisError>) -> Void
  ) {
    self.keys = keys
    self.client = client
    self.eventLoop = client.eventLoop.assumeIsolated()
    self.durability = durability
    self.refusal = refusal
    self.onResult = onResult
    self.queues = keys.partitions.all.map { IncomingQueue(stream: keys.incoming($0)) }
  }

  /// Publishes what the draft describes. Its bytes are copied before this returns.
  ///
  /// - Parameters:
  ///   - sender: whose entries keep their order through failures; nil for one that needs none.
  ///   - isDurable: whether the replicas asked for must have it before the result is a success.
  ///   - token: comes back with the result.
  package func publish(
    _ draft: Envelope.Draft, by sender: ObjectIdentifier? = nil, isDurable: Bool = true,
    token: Int
  ) {
    let number = self.keys.partitions.partition(for: draft.to).number
    self.queues[number].append(draft, by: sender, isDurable: isDurable, token: token)
    self.unanswered += 1
    self.unansweredBytes += draft.byteCount
    self.sendLater(number)
  }

  /// Calls `body` as soon as every published entry has a result, which may be at once.
  package func whenIdle(_ body: @escaping () -> Void) {
    if self.unanswered == 0 { body() } else { self.idleWaiters.append(body) }
  }

  private func wakeIfIdle() {
    guard self.unanswered == 0, !self.idleWaiters.isEmpty else { return }
    let waiters = self.idleWaiters
    self.idleWaiters = []
    for waiter in waiters { waiter() }
  }

  private func sendLater(_ number: Int) {
    guard self.queues[number].becomesReady() else { return }
    self.ready.append(number)
    self.scheduleFlush()
  }

  private func scheduleFlush() {
    guard !self.isFlushScheduled, !self.ready.isEmpty, self.awaited == 0 else { return }
    self.isFlushScheduled = true
    self.eventLoop.execute {
      self.isFlushScheduled = false
      self.flush()
    }
  }

  private func flush() {
    guard !self.ready.isEmpty, self.awaited == 0 else { return }
    let numbers = self.ready
    self.ready.removeAll(keepingCapacity: true)
    if let error = self.refusal() {
      for number in numbers {
        for entry in self.queues[number].giveUp() { self.settle(entry, .failure(error)) }
      }
      return self.wakeIfIdle()
    }
    var pipeline = IncomingPipeline()
    for number in numbers {
      pipeline.take(self.queues[number].takeLoad(), of: number, on: self.queues[number].stream)
    }
    if pipeline.isDurable { pipeline.batch.confirmation = self.durability.confirmation }
    if self.durability.replicas > 0 { self.awaited = pipeline.entryCount }
    let shares = pipeline.shares
    self.client.submitInParts(pipeline.batch) { settled in
      for share in shares { self.settle(share, settled) }
      self.scheduleFlush()
      self.wakeIfIdle()
    }
  }

  /// Handles the replies to some commands of a pipeline.
  private func settle(_ share: IncomingPipeline.Share, _ settled: SettledReplies) {
    let answered = share.forEachResult(of: settled) { entry, result in
      if case .failure = result { self.queues[share.partition].failed(entry) }
      self.settle(entry, result)
    }
    guard answered > 0 else { return }
    if self.awaited > 0 { self.awaited -= answered }
    // Only once all of the partition's are known: one that fails may be yet to come.
    guard let withheld = self.queues[share.partition].settled(answered) else { return }
    self.sendLater(share.partition)
    for entry in withheld { self.settle(entry, .failure(Self.withheld)) }
  }

  private static var withheld: RedisError {
    .withheld("not sent, since an entry of the same sender before it has failed")
  }

  private func settle(_ entry: IncomingEntry, _ result: Result<Offset, RedisError>) {
    self.unanswered -= 1
    self.unansweredBytes -= entry.bytes
    self.onResult(entry.token, result)
  }
}
