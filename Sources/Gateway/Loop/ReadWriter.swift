import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// Stores how far users have read, what comes in one turn of the loop in one run of calls, and tells the
/// users' other devices.
///
/// On its loop only.
final class ReadWriter {
  /// Called with what came of it.
  typealias Completion = (Result<Positions.Advance, RedisError>) -> Void

  private struct Read {
    let user: UserName
    let peer: UserName
    let session: Session
    let call: ScriptCall<Positions.Advance>
    let completion: Completion
  }

  private let client: any RedisClient
  private let hints: any RedisClient
  private let eventLoop: NIOIsolatedEventLoop
  private let keys: Keys
  private let limits: PositionLimits
  private let confirmation: RedisBatch.Confirmation?
  private var queued: [Read] = []
  /// Number of reads that are queued or not answered yet.
  private var unanswered = 0
  private var waiters: [() -> Void] = []

  /// - Parameters:
  ///   - client: stores.
  ///   - hints: carries what other devices are told.
  init(
    client: any RedisClient, hints: any RedisClient, configuration: GatewayConfiguration
  ) {
    self.client = client
    self.hints = hints
    self.eventLoop = client.eventLoop.assumeIsolated()
    self.keys = configuration.keys
    self.limits = configuration.positionLimits
    self.confirmation = configuration.durability.confirmation
  }

  /// Stores at the end of this turn that a user has read all messages of `peer` up to `offset`.
  ///
  /// - Parameter session: the user's device that knows it.
  func store(
    _ offset: Offset, of peer: UserName, by user: UserName, on session: Session,
    completion: @escaping Completion
  ) {
    let call = Positions.advance(
      user, peer: peer, mine: offset, keys: self.keys, limits: self.limits)
    self.unanswered += 1
    self.queued.append(
      Read(user: user, peer: peer, session: session, call: call, completion: completion))
    guard self.queued.count == 1 else { return }
    self.eventLoop.execute { self.run() }
  }

  private func run() {
    let reads = self.queued
    self.queued = []
    self.client.run(reads.map(\.call), confirmation: self.confirmation) { results in
      var deliveries = DeliveryWriter(keys: self.keys)
      for (read, result) in zip(reads, results) {
        if case .success(let advance) = result { self.tellOthers(of: read, advance, &deliveries) }
        read.completion(result)
      }
      self.send(deliveries)
      self.answered(reads.count)
    }
  }

  private func tellOthers(
    of read: Read, _ advance: Positions.Advance, _ deliveries: inout DeliveryWriter
  ) {
    guard advance.moved, let row = advance.row else { return }
    let others = advance.sessions.filter { $0 != read.session }
    for gateway in Set(others.map(\.gateway)) {
      deliveries.addPosition(
        of: read.user, peer: read.peer, row: row, previous: advance.previous,
        floor: advance.floor, for: gateway)
    }
  }

  private func send(_ deliveries: DeliveryWriter) {
    guard !deliveries.isEmpty else { return }
    var batch = RedisBatch()
    deliveries.write(to: &batch)
    // Only a hint: each device compares the highest stamp with each ping.
    self.hints.submit(batch) { _ in }
  }

  private func answered(_ count: Int) {
    self.unanswered -= count
    guard self.unanswered == 0 else { return }
    let waiters = self.waiters
    self.waiters = []
    for waiter in waiters { waiter() }
  }

  var isIdle: Bool { self.unanswered == 0 }

  /// Calls `body` once nothing is queued or unanswered; perhaps at once.
  func whenIdle(_ body: @escaping () -> Void) {
    if self.isIdle { body() } else { self.waiters.append(body) }
  }
}
