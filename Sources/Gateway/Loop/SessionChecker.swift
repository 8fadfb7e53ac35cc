import ConnectProtocol
import DequeModule
import MessageBus
import NIOCore
import Redis

/// Asks Redis, for all connections of a loop that are due in one turn in one batch, whether each still holds
/// its device, and whether it has missed anything.
///
/// What a connection may have entered is decided when its commands are appended, in the turn in which they are
/// submitted: so none is behind the removal of its session, which erasing takes for the end of all that is stored.
///
/// On its loop only.
final class SessionChecker {
  /// What Redis says of a connection.
  struct Answer {
    var holder: RegistrationStateMachine.Holder
    /// Whether the session was entered if there was none. Else it was only looked at.
    var entersIfMissing: Bool
    /// The highest stamp of the user's positions; nil if Redis does not say.
    var top: UInt64?
    /// The highest offset of the mailbox, if it is above what the connection had been sent when it asked. It has
    /// missed nothing if it was sent that since. The lowest would not do: what follows it may have been missed.
    var newest: Offset?
    /// Whether ``newest`` was asked for, and answered.
    var knowsNewest: Bool
  }

  private struct Check {
    let connection: ConnectionHandler
    let holder: Reply<Session?>
    let top: Reply<UInt64>
    let newest: Reply<Offset?>?
    /// Commands of which it is not certain yet what became of them. Of a cluster they are one node's, but for
    /// redirections.
    var unsettled: Int
    var answer: Answer

    /// - Returns: the answer, if it is complete now.
    mutating func settle(_ settled: SettledReplies) -> Answer? {
      if settled.contains(self.holder) {
        self.unsettled -= 1
        let holder = Result { () throws(RedisError) in try settled[self.holder] }
        if case .success(let session) = holder {
          self.answer.holder = self.connection.holds(session)
        }
      }
      if settled.contains(self.top) {
        self.unsettled -= 1
        self.answer.top = try? settled[self.top]
      }
      if let newest = self.newest, settled.contains(newest) {
        self.unsettled -= 1
        let found = Result { () throws(RedisError) in try settled[newest] }
        if case .success(let offset) = found {
          self.answer.newest = offset
          self.answer.knowsNewest = true
        }
      }
      return self.unsettled == 0 ? self.answer : nil
    }
  }

  private let client: any RedisClient
  private let eventLoop: NIOIsolatedEventLoop
  private let keys: Keys
  private var queued = Deque<ConnectionHandler>()
  private var isScheduled = false

  init(client: any RedisClient, keys: Keys) {
    self.client = client
    self.eventLoop = client.eventLoop.assumeIsolated()
    self.keys = keys
  }

  /// Gives the connection an ``Answer`` later, unless it ends before.
  func check(_ connection: ConnectionHandler) {
    self.queued.append(connection)
    self.schedule()
  }

  private func schedule() {
    guard !self.isScheduled, !self.queued.isEmpty else { return }
    self.isScheduled = true
    self.eventLoop.execute {
      self.isScheduled = false
      self.run()
      self.schedule()
    }
  }

  private func run() {
    var batch = RedisBatch()
    var checks: [Check] = []
    for _ in 0..<min(GatewayLimits.checksAtOnce, self.queued.count) {
      let connection = self.queued.removeFirst()
      // Its session may have been removed since it was to be checked.
      if connection.mayRenew { checks.append(self.check(of: connection, to: &batch)) }
    }
    guard !checks.isEmpty else { return }
    // Told by parts: a connection whose node is slow keeps no other waiting.
    self.client.submitInParts(batch) { settled in
      for index in checks.indices where checks[index].unsettled > 0 {
        guard let answer = checks[index].settle(settled) else { continue }
        checks[index].connection.checked(answer)
      }
    }
  }

  /// The session first: what is pushed once it is there, or was there all the time, is not missed.
  private func check(of connection: ConnectionHandler, to batch: inout RedisBatch) -> Check {
    let enters = connection.registration.state == .lost
    let session = connection.ownSession
    let key = self.keys.session(connection.user)
    // Behind it alone a session is entered, so one that is there needs no look.
    if enters { connection.makeKnown(in: &batch) }
    let holder =
      enters
      ? SessionRegistry.renew(session, in: key, to: &batch)
      : SessionRegistry.holder(of: session, in: key, to: &batch)
    let top = Positions.top(of: self.keys.positions(connection.user), to: &batch)
    // Whoever is entered reads the mailbox when that is answered.
    let last = enters ? nil : connection.lastIfCurrent
    let newest = last.map {
      batch.newestOffset(of: self.keys.mailbox(connection.user), above: $0)
    }
    return Check(
      connection: connection, holder: holder, top: top, newest: newest,
      unsettled: newest == nil ? 2 : 3,
      answer: Answer(holder: .unknown, entersIfMissing: enters, knowsNewest: false))
  }
}
