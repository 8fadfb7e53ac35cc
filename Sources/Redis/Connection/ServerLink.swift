import NIOCore

/// A connection to one server that is opened again whenever it is lost.
///
/// On its event loop only.
final class ServerLink {
  enum State {
    /// A connection is being opened. May become `.ready`, `.waiting` or `.closed`.
    case connecting
    /// Batches are sent. May become `.connecting`, `.waiting` or `.closed`.
    case ready(RedisConnectionHandler)
    /// The next attempt is timed. May become `.connecting` or `.closed`.
    case waiting(Scheduled<Void>)
    /// Final.
    case closed
  }

  let address: RedisAddress
  private let configuration: RedisConfiguration
  private let eventLoop: any EventLoop
  private let outages: OutageReport
  private(set) var state = State.connecting
  private var backoff = Backoff(
    baseMilliseconds: RedisLimits.reconnectBaseMilliseconds,
    capMilliseconds: RedisLimits.reconnectCapMilliseconds)
  private var readySince: NIODeadline?
  private var lastFailure = RedisError.unavailable("the connection is being opened")
  var onReady: () -> Void = {}
  /// Called when a connection is lost, or an attempt to open one failed.
  var onFailure: () -> Void = {}

  /// Connects only after ``open()``.
  init(
    to address: RedisAddress, as configuration: RedisConfiguration, on eventLoop: any EventLoop,
    outages: OutageReport
  ) {
    self.address = address
    self.configuration = configuration
    self.eventLoop = eventLoop
    self.outages = outages
  }

  var isReady: Bool { if case .ready = self.state { true } else { false } }

  var isClosed: Bool { if case .closed = self.state { true } else { false } }

  /// Sends a batch, or fails at once without a connection.
  func submit(
    _ batch: RedisBatch, timeout: TimeAmount, completion: @escaping (RedisReplies) -> Void
  ) {
    guard case .ready(let connection) = self.state else {
      let error = RedisError.unavailable(self.whyNot)
      // A caller that closed it, or only waits for something to come, is not kept from anything.
      if !batch.isBlocking, !self.isClosed { self.configuration.metrics?.failed(error) }
      return completion(.failed(batch.count, error))
    }
    guard let confirmation = batch.confirmation else {
      return connection.submit(batch, timeout: timeout, completion: completion)
    }
    var batch = batch
    _ = batch.appendConfirmation()
    connection.submit(batch, timeout: timeout + .milliseconds(confirmation.milliseconds)) {
      let replies = $0.takingConfirmation(confirmation)
      self.reportUnconfirmed(replies, wasRefused: $0.serverError($0.count - 1) != nil)
      completion(replies)
    }
  }

  /// Reports replicas that do not confirm.
  ///
  /// Not where the writes were refused, too: a primary that was demoted refuses both, and the batch goes
  /// to the next one.
  ///
  /// - Parameter wasRefused: whether Redis refused `WAIT`, which was counted when its reply came.
  private func reportUnconfirmed(_ replies: RedisReplies, wasRefused: Bool) {
    guard let error = replies.shortfall, case .unconfirmed = error,
      replies.error(where: \.isTransient) == nil
    else { return }
    if !wasRefused { self.configuration.metrics?.failed(error) }
    self.outages.unconfirmed(error, at: self.address)
  }

  /// Closes a connection over which the server misbehaves. Another one is opened.
  func giveUp(_ reason: RedisError) {
    if case .ready(let connection) = self.state { connection.close(reason) }
  }

  /// Closes the connection for good. What is unanswered fails.
  func close(_ reason: RedisError) {
    let state = self.state
    self.state = .closed
    self.lastFailure = reason
    switch state {
    case .ready(let connection): connection.close(reason)
    case .waiting(let timer): timer.cancel()
    case .connecting, .closed: break
    }
  }

  var whyNot: String {
    if case .unavailable(let reason) = self.lastFailure { return reason }
    return "\(self.lastFailure)"
  }

  func open() {
    if self.isClosed { return }
    self.state = .connecting
    RedisConnection.open(to: self.address, as: self.configuration, on: self.eventLoop) { end in
      self.ended(end)
    }
    .assumeIsolated().whenComplete { result in
      switch (result, self.state) {
      case (.success(let connection), .closed):
        connection.value.close(self.lastFailure)
      case (.success(let connection), _):
        self.state = .ready(connection.value)
        self.readySince = .now()
        self.outages.connected(self.address)
        self.onReady()
      case (.failure(let error), _):
        self.lost(error as? RedisError ?? .unavailable("\(error)"))
      }
    }
  }

  /// A server may close an unused connection: no outage unless the next attempt fails.
  private func ended(_ end: ConnectionEnd) {
    let grace = TimeAmount.milliseconds(RedisLimits.idleCloseMilliseconds)
    guard end.wasIdle, !self.isClosed, let since = self.readySince,
      NIODeadline.now() - since > grace
    else { return self.lost(end.reason) }
    self.lastFailure = end.reason
    self.readySince = nil
    self.backoff.reset()
    self.outages.closedIdle(by: self.address)
    self.open()
  }

  private func lost(_ reason: RedisError) {
    if self.isClosed { return }
    self.lastFailure = reason
    self.outages.failed(reason, at: self.address)
    // A connection that lived for longer than the wait before it was worth that, so the next one comes
    // soon: whatever ends connections again and again, there is one for most of the time. A server that
    // takes connections and ends them at once is not asked more often than one that is away.
    let waited = TimeAmount.milliseconds(self.backoff.boundMilliseconds)
    if let since = self.readySince, NIODeadline.now() - since > waited { self.backoff.reset() }
    self.readySince = nil
    let wait = TimeAmount.milliseconds(self.backoff.next())
    self.state = .waiting(
      self.eventLoop.assumeIsolated().scheduleTask(in: wait) { self.open() })
    self.onFailure()
  }
}
