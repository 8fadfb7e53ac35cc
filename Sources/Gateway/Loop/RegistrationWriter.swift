import ConnectProtocol
import MessageBus
import NIOCore
import Redis

/// Stores the cursors of a loop's connections and removes their sessions, many in one batch, as the
/// ``RegistrationStateMachine`` of each asks for.
///
/// On its loop only.
final class RegistrationWriter {
  private let client: any RedisClient
  private let eventLoop: NIOIsolatedEventLoop
  private let directory: ConnectionDirectory
  private let keys: Keys
  private let limits: PositionLimits
  private var queued: [ConnectionHandler] = []
  /// Sessions of closed connections, kept in the registry until their cursors are on the way, and those that
  /// Redis did not remove yet.
  private var removals: [(Session, of: RedisKey)] = []
  private var isStoringSoon = false
  /// Unanswered batches with cursors and removals.
  private var underWay = 0
  private var waiters: [() -> Void] = []

  init(
    client: any RedisClient, directory: ConnectionDirectory, keys: Keys, limits: PositionLimits
  ) {
    self.client = client
    self.eventLoop = client.eventLoop.assumeIsolated()
    self.directory = directory
    self.keys = keys
    self.limits = limits
  }

  func carryOut(_ actions: RegistrationStateMachine.Actions, for connection: ConnectionHandler) {
    if actions.contains(.queueStore) { self.queued.append(connection) }
    if actions.contains(.remove) {
      self.directory.remove(connection)
      self.removals.append((connection.ownSession, of: connection.sessionKey))
    }
    if !actions.isDisjoint(with: [.hurryStore, .remove]) { self.storeSoon() }
    if actions.contains(.removeNow) {
      self.remove([(connection.ownSession, of: connection.sessionKey)])
    }
  }

  private func storeSoon() {
    guard !self.isStoringSoon else { return }
    self.isStoringSoon = true
    self.eventLoop.execute {
      self.isStoringSoon = false
      self.store()
    }
  }

  /// Stores the cursors that are queued, and behind them removes the sessions of connections that are
  /// gone.
  func store() {
    let connections = self.queued
    let removals = self.removals
    self.queued = []
    self.removals = []
    let now = SystemClock.secondsSince1970()
    var batch = RedisBatch()
    var notes: [(ConnectionHandler, ScriptCall<Offset>)] = []
    var stores: [(ConnectionHandler, RegistrationStateMachine.Store, Reply<Void>)] = []
    for connection in connections {
      defer { connection.restIfIdle() }
      guard let store = connection.cursorToStore(now: now) else { continue }
      let reply = Cursors.store(
        store.offset, of: connection.device, seenSeconds: UInt64(now),
        in: self.keys.cursor(connection.user), to: &batch)
      stores.append((connection, store, reply))
      guard let offset = connection.offsetToNote(store) else { continue }
      let key = self.keys.positions(connection.user)
      notes.append(
        (connection, Positions.raiseDelivered(to: offset, in: key, limits: self.limits)))
    }
    self.note(notes)
    self.underWay += 1
    self.client.submit(batch) { replies in
      for (connection, store, reply) in stores where (try? replies[reply]) == nil {
        connection.cursorNotStored(store)
      }
      self.answered()
    }
    self.remove(removals)
  }

  /// Notes that senders were told, before the cursors say so. If it fails, they are told again by the next
  /// device that acks what lies between.
  private func note(_ notes: [(ConnectionHandler, ScriptCall<Offset>)]) {
    guard !notes.isEmpty else { return }
    self.underWay += 1
    self.client.run(notes.map(\.1)) { results in
      for ((connection, _), result) in zip(notes, results) {
        if case .success(let offset) = result { connection.noted(offset) }
      }
      self.answered()
    }
  }

  private func remove(_ sessions: [(Session, of: RedisKey)]) {
    self.underWay += 1
    self.client.removeSessions(sessions) { left in
      // Tried again within a second: till then their users seem online to other gateways.
      let room = GatewayLimits.unremovedSessions - self.removals.count
      self.removals += left.prefix(max(0, room))
      self.answered()
    }
  }

  private func answered() {
    self.underWay -= 1
    guard self.underWay == 0 else { return }
    let waiters = self.waiters
    self.waiters = []
    for waiter in waiters { waiter() }
  }

  /// Calls `body` once nothing is under way; perhaps at once.
  func whenStored(_ body: @escaping () -> Void) {
    if self.underWay == 0 { body() } else { self.waiters.append(body) }
  }
}
