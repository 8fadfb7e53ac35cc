import ConnectProtocol
import Redis

/// How a reading session began.
public struct GroupSession: Sendable {
  /// The stream was not there: it is new, or was lost.
  public let wasCreated: Bool
  /// What another instance had read and not finished when it stopped: the first and the last of it.
  public let unfinished: ClosedRange<Offset>?
}

extension GroupConsumer {
  /// Begins a session: a new group where those of the family had got to, and theirs destroyed.
  ///
  /// - Returns: nil if the fence names somebody else.
  func begin() async throws(RedisError) -> GroupSession? {
    var look = RedisBatch()
    look.groups(of: self.stream)
    if let fence = self.fence { look.append(key: fence.key, "GET", "\(fence.key)") }
    let replies = await self.client.execute(look)
    if let fence = self.fence {
      var cursor = try replies.cursor(1)
      guard let value = try cursor.string() else {
        // It lapsed, as while Redis was away. Who holds it renews it, or somebody else takes it.
        throw .unavailable("\(fence.key) has lapsed")
      }
      guard value == fence.value else { return nil }
    }
    let groups = try StreamGroup.list(replies, at: 0)
    let predecessors = (groups ?? []).filter { $0.belongs(to: self.family) }
    let oldest = try await self.oldestPending(of: predecessors)
    try await self.replace(predecessors, oldest: oldest)
    return GroupSession(
      wasCreated: groups == nil, unfinished: self.unfinished(predecessors, oldest: oldest))
  }

  /// The oldest pending entry of each group that has one, in one round trip.
  func oldestPending(of groups: [StreamGroup]) async throws(RedisError) -> [String: Offset] {
    let groups = groups.filter { $0.pending > 0 }
    guard !groups.isEmpty else { return [:] }
    var batch = RedisBatch()
    for group in groups { batch.oldestPending(of: self.stream, group: group.name) }
    let replies = await self.client.execute(batch)
    var oldest: [String: Offset] = [:]
    for (index, group) in groups.enumerated() {
      do throws(RedisError) {
        var cursor = try replies.cursor(index)
        oldest[group.name] = try Offset(oldestPendingFrom: &cursor)
      } catch let error where error.isMissingGroup {
        // Destroyed meanwhile; whoever did has a group of its own by now. From 0 is safe.
        oldest[group.name] = .zero.successor
      }
    }
    return oldest
  }

  private func replace(
    _ predecessors: [StreamGroup], oldest: [String: Offset]
  ) async throws(RedisError) {
    let last = predecessors.min { $0.position(oldest) < $1.position(oldest) }
    let nonce = String(UInt64.random(in: .min ... .max), radix: 36)
    let group = "\(self.family):\(self.instance):\(nonce)"
    var batch = RedisBatch()
    batch.createGroup(
      group, on: self.stream, after: last?.position(oldest) ?? .zero,
      entriesRead: last?.entriesFinished)
    if let seconds = self.timeToLiveSeconds {
      // At once: should we die now, a stream that nobody reads must not stay.
      batch.append(key: self.stream, "EXPIRE", "\(self.stream)", "\(seconds)")
    }
    // The new one first: there is always a group that remembers the position.
    let replies = await self.client.execute(batch)
    try replies.check()
    self.group = group
    guard !predecessors.isEmpty else { return }
    var removal = RedisBatch()
    for predecessor in predecessors {
      removal.append(
        key: self.stream, "XGROUP", "DESTROY", "\(self.stream)", predecessor.name)
    }
    try await self.client.execute(removal).check()
  }

  private func unfinished(
    _ predecessors: [StreamGroup], oldest: [String: Offset]
  ) -> ClosedRange<Offset>? {
    var range: ClosedRange<Offset>?
    for group in predecessors {
      guard !group.name.hasPrefix("\(self.family):\(self.instance):"),
        let first = oldest[group.name], first <= group.lastDelivered
      else { continue }
      range =
        range.map { min($0.lowerBound, first)...max($0.upperBound, group.lastDelivered) }
        ?? first...group.lastDelivered
    }
    return range
  }
}
