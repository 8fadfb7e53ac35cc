import DequeModule
import NIOCore
import Redis

/// How a loop closes its connections when the gateway stops.
extension GatewayLoop {
  /// Connections from before the stop that have not been told to leave yet.
  struct Leavers {
    var waiting: Deque<ConnectionHandler>
    let total: Int
    let began: NIODeadline
  }

  /// Tells all connections to leave, each in its turn, until which it is served as before.
  func drain(_ plan: DrainPlan) {
    self.drainPlan = plan
    var waiting = Deque<ConnectionHandler>()
    self.clock.forEach { waiting.append($0) }
    self.leavers = Leavers(waiting: waiting, total: waiting.count, began: .now())
    self.tellNext()
  }

  private func tellNext() {
    guard let leavers = self.leavers, !leavers.waiting.isEmpty else { return }
    let seconds = Double((NIODeadline.now() - leavers.began).nanoseconds) / 1e9
    let due = self.drainPlan.due(of: leavers.total, after: seconds)
    let told = leavers.total - leavers.waiting.count
    for _ in 0..<max(0, due - told) { self.leavers?.waiting.popFirst()?.leave(.restart) }
    self.isolated.scheduleTask(in: .milliseconds(Self.turnMilliseconds)) { self.tellNext() }
  }

  /// Interval at which connections are told.
  private static let turnMilliseconds: Int64 = 5

  /// Closes the rest at once, because no time is left.
  func hurry() { self.drain(.atOnce) }

  /// Closes the sockets of connections that have not ended.
  func abandonConnections() { self.clock.forEach { $0.abandon() } }

  /// Succeeds when no connection is left. To be called once, when none is admitted any more. One whose upgrade
  /// was admitted before that may still come, and is not waited for.
  func whenEmpty() -> EventLoopFuture<Void> {
    let emptied = self.eventLoop.makePromise(of: Void.self)
    self.emptied = emptied
    if self.clock.count == 0 { emptied.succeed() }
    return emptied.futureResult
  }

  /// Stores what is not stored yet, then closes the clients of Redis.
  func close() -> EventLoopFuture<Void> {
    let promise = self.eventLoop.makePromise(of: Void.self)
    // Now, and again behind the positions under way, whose answers may let cursors move: of a cluster,
    // a node that hangs keeps back positions only.
    self.registrations.store()
    self.whenSettled {
      self.second?.cancel()
      self.turn?.cancel()
      self.registrations.store()
      self.registrations.whenStored {
        self.publisher.close().and(self.client.close()).map { _ in }.cascade(to: promise)
      }
    }
    return promise.futureResult
  }

  /// Calls `body` once the bus has answered everything and what was read is stored, of which each can
  /// bring on the other.
  private func whenSettled(_ body: @escaping () -> Void) {
    self.producer.whenIdle {
      if self.reads.isIdle { return body() }
      self.reads.whenIdle { self.whenSettled(body) }
    }
  }
}
