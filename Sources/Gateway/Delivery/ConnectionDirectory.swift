import ConnectProtocol
import NIOConcurrencyHelpers
import NIOCore

/// The connections of each user on this instance, across all its event loops.
final class ConnectionDirectory: Sendable {
  private struct Entry {
    let device: DeviceName
    let handler: NIOLoopBound<ConnectionHandler>
    let identity: ObjectIdentifier
    /// Shared by all connections of a user.
    let budget: UserBudget
  }

  private struct State {
    var users: [UserName: [Entry]] = [:]
    var resting = RestingBudgets()
    var count = 0
    var lastID: UInt64 = 0
  }

  private let state = NIOLockedValueBox(State())
  /// When the gateway started, in milliseconds since 1970.
  let startedMilliseconds: UInt64
  /// The same: distinguishes connections of this start from earlier ones under the same instance id.
  private let epoch: String

  init() {
    self.startedMilliseconds = UInt64(SystemClock.secondsSince1970() * 1_000)
    self.epoch = String(self.startedMilliseconds, radix: 36)
  }

  /// Includes closed connections with positions under way.
  var count: Int { self.state.withLockedValue { $0.count } }

  /// When the gateway of a connection started, in milliseconds since 1970; nil for an id of another form.
  static func started(connection id: String) -> UInt64? {
    id.split(separator: ".").first.flatMap { UInt64($0, radix: 36) }
  }

  func nextConnectionID() -> String {
    let number = self.state.withLockedValue { state in
      state.lastID += 1
      return state.lastID
    }
    return "\(self.epoch).\(String(number, radix: 36))"
  }

  /// Adds a connection, on its event loop, and gives it the user's budget.
  ///
  /// - Returns: the older connection of the same device, which must go.
  func add(_ connection: ConnectionHandler) -> NIOLoopBound<ConnectionHandler>? {
    let now = NIODeadline.now().uptimeNanoseconds
    return self.state.withLockedValue { state in
      let known = state.users[connection.user]?.first?.budget
      if let budget = known ?? state.resting.take(of: connection.user, now: now) {
        connection.budget = budget
      }
      let entry = Entry(
        device: connection.device,
        handler: NIOLoopBound(connection, eventLoop: connection.loop.eventLoop),
        identity: ObjectIdentifier(connection), budget: connection.budget)
      let older = state.users[connection.user]?.last { $0.device == entry.device }
      state.users[connection.user, default: []].append(entry)
      state.count += 1
      return older?.handler
    }
  }

  /// Removes a connection. Idempotent.
  func remove(_ connection: ConnectionHandler) {
    let now = NIODeadline.now().uptimeNanoseconds
    self.state.withLockedValue { state in
      guard var entries = state.users.removeValue(forKey: connection.user) else { return }
      let before = entries.count
      entries.removeAll { $0.identity == ObjectIdentifier(connection) }
      state.count -= before - entries.count
      if entries.isEmpty {
        state.resting.keep(connection.budget, of: connection.user, now: now)
      } else {
        state.users[connection.user] = entries
      }
    }
  }

  /// Whether each user has a connection, in the order of `users`, under one lock.
  func areConnected(_ users: [UserName]) -> [Bool] {
    self.state.withLockedValue { state in users.map { state.users[$0] != nil } }
  }

  /// The connections of each user, in the order of `users`, under one lock.
  func connections(of users: [UserName]) -> [[NIOLoopBound<ConnectionHandler>]] {
    self.state.withLockedValue { state in
      users.map { state.users[$0]?.map(\.handler) ?? [] }
    }
  }
}
