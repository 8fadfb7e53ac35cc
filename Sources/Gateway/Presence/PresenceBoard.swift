import ConnectProtocol

/// Decides which users' presence is looked up when, and which connections are told of it.
///
/// One for all connections of a gateway: however many watch a user, it is looked at once in a period. The
/// period has turns, in each of which some are looked at, so that Redis is asked little at a time.
///
/// Every watcher of a user has been told the status that is kept here, so a change is told once.
///
/// Pure: the caller asks for the users that are due, looks them up, and tells what it has found.
struct PresenceBoard<Watcher: Hashable> {
  typealias Status = ServerFrame.Presence.Status
  typealias Statuses = [UserName: Status]

  /// Which limit does not allow a watch.
  enum Shortage: Hashable {
    /// As many users are watched as may be.
    case board
    /// The connections of the user who watches have as many among them.
    case owner
  }

  private struct Watch {
    let owner: UserName
    var users: [UserName]
  }

  private struct Entry {
    var status: Status
    var watchers: Set<Watcher>
    /// The turn in which the user is looked at, and the place in it.
    var turn: Int
    var place: Int
  }

  private var entries: [UserName: Entry] = [:]
  private var watches: [Watcher: Watch] = [:]
  /// The connections of each user who watches.
  private var owned: [UserName: Set<Watcher>] = [:]
  private var turns: [[UserName]]
  private var hand = 0
  private let maximum: Int
  private let maximumOfOwner: Int

  /// - Parameters:
  ///   - maximum: how many users may be watched.
  ///   - maximumOfOwner: how many of them by the connections of one user together.
  ///   - turns: of a period.
  init(maximum: Int, maximumOfOwner: Int, turns: Int) {
    precondition(maximum > 0 && maximumOfOwner > 0 && turns > 0)
    self.maximum = maximum
    self.maximumOfOwner = maximumOfOwner
    self.turns = Array(repeating: [], count: turns)
  }

  /// Number of users that are watched.
  var count: Int { self.entries.count }

  /// Number of connections that watch.
  var watcherCount: Int { self.watches.count }

  /// What all watchers of a user were told; nil if nobody watches it.
  func status(of user: UserName) -> Status? { self.entries[user]?.status }

  /// Why `watcher`, a connection of `owner`, may not watch these users, each named once, instead of those it
  /// watches; nil if it may.
  func shortage(
    for users: some Collection<UserName>, of watcher: Watcher, owner: UserName
  ) -> Shortage? {
    if !self.hasRoom(for: users, of: watcher) { return .board }
    guard users.count <= self.maximumOfOwner else { return .owner }
    var watched = Set(users)
    for other in self.owned[owner] ?? [] where other != watcher {
      watched.formUnion(self.watches[other]?.users ?? [])
      if watched.count > self.maximumOfOwner { return .owner }
    }
    return nil
  }

  private func hasRoom(for users: some Collection<UserName>, of watcher: Watcher) -> Bool {
    let more = users.count { self.entries[$0] == nil }
    guard self.entries.count + more > self.maximum else { return true }
    let users = Set(users)
    let fewer = (self.watches[watcher]?.users ?? []).count { user in
      self.entries[user]?.watchers.count == 1 && !users.contains(user)
    }
    return self.entries.count + more - fewer <= self.maximum
  }

  /// Users were looked up.
  ///
  /// - Returns: what is new to each watcher.
  mutating func looked(_ statuses: Statuses) -> [Watcher: Statuses] {
    var news: [Watcher: Statuses] = [:]
    for (user, status) in statuses {
      guard let entry = self.entries[user], entry.status != status else { continue }
      self.entries[user]?.status = status
      for watcher in entry.watchers { news[watcher, default: [:]][user] = status }
    }
    return news
  }

  /// A connection of `owner` was told of users, and watches these from now on and no others.
  ///
  /// - Parameter statuses: as ``looked(_:)`` was told just before.
  /// - Returns: why it may not; then it watches what it did.
  mutating func watch(_ statuses: Statuses, by watcher: Watcher, of owner: UserName) -> Shortage? {
    if let shortage = self.shortage(for: statuses.keys, of: watcher, owner: owner) {
      return shortage
    }
    guard !statuses.isEmpty else {
      self.unwatch(watcher)
      return nil
    }
    let watch = Watch(owner: owner, users: Array(statuses.keys))
    let before = self.watches.updateValue(watch, forKey: watcher)?.users ?? []
    self.owned[owner, default: []].insert(watcher)
    for user in before where statuses[user] == nil { self.remove(watcher, from: user) }
    for (user, status) in statuses {
      if self.entries[user] == nil { self.add(user, status) }
      self.entries[user]?.watchers.insert(watcher)
    }
    return nil
  }

  /// A connection watches nobody any more. Idempotent.
  mutating func unwatch(_ watcher: Watcher) {
    guard let watch = self.watches.removeValue(forKey: watcher) else { return }
    for user in watch.users { self.remove(watcher, from: user) }
    self.owned[watch.owner]?.remove(watcher)
    if self.owned[watch.owner]?.isEmpty == true { self.owned[watch.owner] = nil }
  }

  /// The next turn begins.
  ///
  /// - Returns: the users to be looked up.
  mutating func turn() -> [UserName] {
    defer { self.hand = (self.hand + 1) % self.turns.count }
    return self.turns[self.hand]
  }

  /// The user is looked at in the turn that has fewest, and of these in the one that comes last: it was
  /// looked at just now.
  private mutating func add(_ user: UserName, _ status: Status) {
    let count = self.turns.count
    var best = (self.hand + count - 1) % count
    for back in stride(from: 2, through: count, by: 1) {
      let turn = (self.hand + count - back) % count
      if self.turns[turn].count < self.turns[best].count { best = turn }
    }
    self.entries[user] = Entry(
      status: status, watchers: [], turn: best, place: self.turns[best].count)
    self.turns[best].append(user)
  }

  private mutating func remove(_ watcher: Watcher, from user: UserName) {
    guard var entry = self.entries.removeValue(forKey: user) else { return }
    entry.watchers.remove(watcher)
    guard entry.watchers.isEmpty else { return self.entries[user] = entry }
    // The last of the turn takes its place.
    let last = self.turns[entry.turn].removeLast()
    guard last != user else { return }
    self.turns[entry.turn][entry.place] = last
    self.entries[last]?.place = entry.place
  }
}
