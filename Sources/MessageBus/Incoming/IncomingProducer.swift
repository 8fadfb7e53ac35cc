import ConnectProtocol
import NIOCore
import Redis

/// Publishes to the `incoming` partitions, from one event loop.
///
/// What is published within one turn of the loop goes out as one pipeline. Results come back in the
/// order of publishing. Nothing is sent twice: a result that may have been executed says so, and
/// only the client that sent the message decides about a repeat, which it marks.
///
/// With ``Durability/replicated(_:)`` it needs a client of its own, since Redis answers nothing behind
/// a `WAIT`. One pipeline is then under way at a time, and the next takes all that came meanwhile.
public final class IncomingProducer<Token> {
  private struct Pending {
    let token: Token
    /// Whose replicas must confirm; nil if none must.
    let partition: Partition?
  }

  private let keys: Keys
  private let client: any RedisClient
  private let eventLoop: NIOIsolatedEventLoop
  private let replicas: Int
  private let refusal: () -> RedisError?
  private let onResult: (Token, Result<Offset, RedisError>) -> Void
  private var batch = RedisBatch()
  private var pending: [Pending] = []
  private var isWaiting = false
  /// What was published and has no result yet.
  public private(set) var unanswered = 0

  /// - Parameters:
  ///   - refusal: asked just before a pipeline is sent; if it answers a reason, all of it fails with
  ///     that instead.
  ///   - onResult: called on the client's loop, once for each `publish`.
  public init(
    keys: Keys, client: any RedisClient, durability: Durability = .accepted,
    refusal: @escaping () -> RedisError? = { nil },
    onResult: @escaping (Token, Result<Offset, RedisError>) -> Void
  ) {
    self.keys = keys
    self.client = client
    self.eventLoop = client.eventLoop.assumeIsolated()
    self.replicas = durability.replicas
    self.refusal = refusal
    self.onResult = onResult
  }

  /// Publishes what the draft describes. Its bytes are copied before this returns.
  ///
  /// - Parameter isDurable: whether the replicas asked for must have it before the result is a success.
  public func publish(_ draft: Envelope.Draft, isDurable: Bool = true, token: Token) {
    if self.pending.isEmpty, !self.isWaiting { self.eventLoop.execute { self.flush() } }
    let partition = self.keys.partitions.partition(for: draft.to)
    self.batch.addEntry(to: self.keys.incoming(partition), count: draft.byteCount) {
      draft.write(to: $0)
    }
    self.pending.append(
      Pending(token: token, partition: isDurable && self.replicas > 0 ? partition : nil))
    self.unanswered += 1
  }

  private func flush() {
    guard !self.pending.isEmpty, !self.isWaiting else { return }
    let pending = self.pending
    var batch = self.batch
    self.batch = RedisBatch()
    self.pending = []
    self.pending.reserveCapacity(pending.count)
    if let error = self.refusal() {
      self.unanswered -= pending.count
      for one in pending { self.onResult(one.token, .failure(error)) }
      return
    }
    let waits = self.replicas > 0 ? self.addWaits(for: pending, to: &batch) : [:]
    self.isWaiting = self.replicas > 0
    let timeout =
      RedisLimits.commandTimeoutMilliseconds
      + (waits.isEmpty ? 0 : BusLimits.replicationMilliseconds)
    self.client.submit(batch, timeout: .milliseconds(timeout)) { replies in
      self.unanswered -= pending.count
      for (index, one) in pending.enumerated() {
        let wait = one.partition.flatMap { waits[$0] }
        self.onResult(one.token, self.offset(replies, at: index, confirmedAt: wait))
      }
      guard self.isWaiting else { return }
      self.isWaiting = false
      self.flush()
    }
  }

  /// Appends a `WAIT` for each partition, since each may be on another node.
  ///
  /// On one node they wait one after the other, so they share the time: as they all wait for the same
  /// writes there, the last answers for all.
  ///
  /// - Returns: the index of each partition's reply.
  private func addWaits(for pending: [Pending], to batch: inout RedisBatch) -> [Partition: Int] {
    var waits: [Partition: Int] = [:]
    let partitions = Set(pending.compactMap(\.partition))
    let milliseconds =
      max(1, BusLimits.replicationMilliseconds / Int64(max(1, partitions.count)))
    for partition in partitions {
      waits[partition] = batch.count
      batch.append(
        key: self.keys.incoming(partition), "WAIT", "\(self.replicas)", "\(milliseconds)")
    }
    return waits
  }

  private func offset(
    _ replies: RedisReplies, at index: Int, confirmedAt wait: Int?
  ) -> Result<Offset, RedisError> {
    do throws(RedisError) {
      var cursor = try replies.cursor(index)
      let offset = try Offset(from: &cursor)
      guard let wait else { return .success(offset) }
      var confirmed = try replies.cursor(wait)
      let replicas = try confirmed.integer()
      guard replicas >= self.replicas else {
        throw .unanswered(
          "\(replicas) of the \(self.replicas) replicas asked for have confirmed a message within "
            + "\(BusLimits.replicationMilliseconds) ms; see to the replicas, or lower --durability")
      }
      return .success(offset)
    } catch {
      return .failure(error)
    }
  }
}
