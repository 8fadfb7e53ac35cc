import ConnectProtocol
import NIOCore
import Redis

/// Publishes to the `incoming` partitions, from one event loop.
///
/// What is published within one turn of the loop goes out as one pipeline. Results come back in the
/// order of publishing, partition by partition: of a cluster, one node's do not wait for another's in
/// the same pipeline. Nothing is sent twice: a result that may have been executed says so, and
/// only the client that sent the message decides about a repeat, which it marks.
///
/// With ``Durability/replicated(_:)`` it needs a client of its own, since Redis answers nothing behind
/// a `WAIT`. One pipeline is then under way at a time, and the next takes all that came meanwhile.
public final class IncomingProducer<Token> {
  private struct Pending {
    let token: Token
    let isDurable: Bool
  }

  private let keys: Keys
  private let client: any RedisClient
  private let eventLoop: NIOIsolatedEventLoop
  private let durability: Durability
  private let refusal: () -> RedisError?
  private let onResult: (Token, Result<Offset, RedisError>) -> Void
  private var batch = RedisBatch()
  private var pending: [Pending] = []
  /// What must have a result before the next pipeline goes out.
  private var awaited = 0
  private var idleWaiters: [() -> Void] = []
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
    self.durability = durability
    self.refusal = refusal
    self.onResult = onResult
  }

  /// Publishes what the draft describes. Its bytes are copied before this returns.
  ///
  /// - Parameter isDurable: whether the replicas asked for must have it before the result is a success.
  public func publish(_ draft: Envelope.Draft, isDurable: Bool = true, token: Token) {
    if self.pending.isEmpty, self.awaited == 0 { self.eventLoop.execute { self.flush() } }
    let partition = self.keys.partitions.partition(for: draft.to)
    self.batch.addEntry(to: self.keys.incoming(partition), count: draft.byteCount) {
      draft.write(to: $0)
    }
    self.pending.append(Pending(token: token, isDurable: isDurable))
    self.unanswered += 1
  }

  /// Calls `body` as soon as nothing that was published is without a result, which may be at once.
  public func whenIdle(_ body: @escaping () -> Void) {
    if self.unanswered == 0 { body() } else { self.idleWaiters.append(body) }
  }

  private func wakeIfIdle() {
    guard self.unanswered == 0, !self.idleWaiters.isEmpty else { return }
    let waiters = self.idleWaiters
    self.idleWaiters = []
    for waiter in waiters { waiter() }
  }

  private func flush() {
    guard !self.pending.isEmpty, self.awaited == 0 else { return }
    let pending = self.pending
    var batch = self.batch
    self.batch = RedisBatch()
    self.pending = []
    self.pending.reserveCapacity(pending.count)
    if let error = self.refusal() {
      for one in pending {
        self.unanswered -= 1
        self.onResult(one.token, .failure(error))
      }
      return self.wakeIfIdle()
    }
    let isAwaited = self.durability.replicas > 0
    if isAwaited { self.awaited = pending.count }
    if pending.contains(where: \.isDurable) { batch.confirmation = self.durability.confirmation }
    self.client.submit(batch) { settled, replies in
      for (index, one) in pending[settled].enumerated() {
        self.unanswered -= 1
        self.onResult(one.token, Self.offset(replies, at: index, isDurable: one.isDurable))
      }
      if isAwaited {
        self.awaited -= settled.count
        self.flush()
      }
      self.wakeIfIdle()
    }
  }

  private static func offset(
    _ replies: RedisReplies, at index: Int, isDurable: Bool
  ) -> Result<Offset, RedisError> {
    do throws(RedisError) {
      var cursor = try replies.cursor(index)
      let offset = try Offset(from: &cursor)
      if isDurable { try replies.checkConfirmed(index) }
      return .success(offset)
    } catch {
      return .failure(error)
    }
  }
}
