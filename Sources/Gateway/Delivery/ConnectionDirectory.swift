import ConnectProtocol
import NIOConcurrencyHelpers

/// The connections of each user on this instance, across all its event loops.
final class ConnectionDirectory: Sendable {
  private struct State {
    var users: [UserName: UserConnections] = [:]
    var count = 0
    var lastID: UInt64 = 0
  }

  private let state = NIOLockedValueBox(State())
  /// Under a lock of their own: no push waits while they are looked at. The first use of a budget may, for as long as
  /// ``forgetFullBudgets(now:)`` takes.
  private let budgets = NIOLockedValueBox(UsedBudgets())
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

  /// Adds a connection, on its event loop.
  ///
  /// - Returns: the older connection of the same device, which must go.
  func add(_ connection: ConnectionHandler) -> ConnectionReference? {
    let added = ConnectionReference(connection)
    return self.state.withLockedValue { state in
      state.count += 1
      guard var others = state.users.removeValue(forKey: connection.user) else {
        state.users[connection.user] = .one(added)
        return nil
      }
      let older = others.newest(of: added.device)
      others.append(added)
      state.users[connection.user] = others
      return older
    }
  }

  /// Removes a connection. Idempotent.
  func remove(_ connection: ConnectionHandler) {
    self.state.withLockedValue { state in
      guard let connections = state.users.removeValue(forKey: connection.user) else { return }
      let rest = connections.removing(ObjectIdentifier(connection))
      state.count -= connections.count - (rest?.count ?? 0)
      if let rest { state.users[connection.user] = rest }
    }
  }

  // MARK: Budgets

  /// The budget that all connections of a user share.
  func budget(of user: UserName, orNew make: () -> UserBudget) -> UserBudget {
    self.budgets.withLockedValue { $0.budget(of: user, orNew: make) }
  }

  /// Forgets budgets that are full again and that no connection has. Call it each second on each loop.
  func forgetFullBudgets(now: UInt64) {
    let limit = self.count + GatewayLimits.restingBudgets
    self.budgets.withLockedValue { budgets in
      let looks = max(
        GatewayLimits.budgetLooksPerSecond, budgets.count / GatewayLimits.budgetRoundSeconds)
      budgets.forgetFull(now: now, looks: looks, limit: limit)
    }
  }

  /// Whether each user has a connection, in the order of `users`, under one lock.
  func areConnected(_ users: [UserName]) -> [Bool] {
    self.state.withLockedValue { state in users.map { state.users[$0] != nil } }
  }

  /// The connections of each user, in the order of `users`, under one lock.
  func connections(of users: [UserName]) -> [UserConnections?] {
    self.state.withLockedValue { state in users.map { state.users[$0] } }
  }
}
