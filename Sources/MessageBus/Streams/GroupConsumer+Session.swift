import ConnectProtocol
import Redis

/// The start of a reading session.
package struct GroupSession: Sendable {
  /// The stream did not exist: it is new, or was lost.
  package let wasCreated: Bool
  /// Everything up to here was read before, by any reader, and so may have been handled.
  package let seenBefore: Offset
  /// The first and last entry that another reader had read and not finished when it stopped.
  package let unfinished: ClosedRange<Offset>?
}

extension GroupConsumer {
  /// Begins a session: new groups where those of the family had finished, and theirs destroyed. See
  /// `Scripts/begin_session.lua`.
  ///
  /// - Returns: nil if the fence names somebody else.
  func begin() async throws(RedisError) -> GroupSession? {
    let nonce = String(UInt64.random(in: .min ... .max), radix: 36)
    let groups = GroupNames(session: "\(self.family):\(self.instance):\(nonce)")
    let beginning = try await self.client.value { batch in
      batch.evaluate(
        .beginSession, keys: [self.stream, self.fence?.key ?? self.stream],
        self.family, groups.session, self.fence?.value ?? "",
        self.timeToLiveSeconds.map { "\($0)" } ?? "", self.groups.session
      ).reading(Beginning.init(from:))
    }
    switch beginning {
    case .begun(let session):
      self.groups = groups
      self.finished = FinishedEntries()
      self.lastRead = .zero
      self.isOutdated = false
      self.reads.forget()
      return session
    case .replaced: return nil
    case .lapsed:
      // As while Redis was away. Who holds it renews it, or somebody else takes it.
      throw .withheld("\(self.fence.map { "\($0.key)" } ?? "the fence") has lapsed")
    }
  }
}

/// The reply of `begin_session.lua`.
private enum Beginning {
  case begun(GroupSession)
  /// The fence names somebody else.
  case replaced
  /// There is no fence.
  case lapsed

  init(from cursor: inout ReplyCursor) throws(RedisError) {
    _ = try cursor.array()
    switch try cursor.string() {
    case "begun":
      let wasCreated = try cursor.integer() == 1
      let seenBefore = try cursor.string().flatMap { Offset($0) }
      let first = try cursor.string().flatMap { Offset($0) }
      let last = try cursor.string().flatMap { Offset($0) }
      self = .begun(
        GroupSession(
          wasCreated: wasCreated, seenBefore: seenBefore ?? .zero,
          unfinished: first.flatMap { first in last.flatMap { first <= $0 ? first...$0 : nil } }))
    case "replaced": self = .replaced
    default: self = .lapsed
    }
  }
}
