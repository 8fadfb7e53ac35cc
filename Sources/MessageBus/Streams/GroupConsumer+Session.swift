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
  /// Begins a session: a new group where those of the family had got to, and theirs destroyed. See
  /// `Scripts/begin_session.lua`.
  ///
  /// - Returns: nil if the fence names somebody else.
  func begin() async throws(RedisError) -> GroupSession? {
    let nonce = String(UInt64.random(in: .min ... .max), radix: 36)
    let group = "\(self.family):\(self.instance):\(nonce)"
    var batch = RedisBatch()
    Script.beginSession.appendWithSource(
      keys: [self.stream, self.fence?.key ?? self.stream],
      arguments: [
        self.family, group, self.fence?.value ?? "",
        self.timeToLiveSeconds.map { "\($0)" } ?? "", self.group,
      ], to: &batch)
    var cursor = try await self.client.execute(batch).cursor(0)
    _ = try cursor.array()
    switch try cursor.string() {
    case "begun": break
    case "replaced": return nil
    default:
      // It lapsed, as while Redis was away. Who holds it renews it, or somebody else takes it.
      throw .withheld("\(self.fence.map { "\($0.key)" } ?? "the fence") has lapsed")
    }
    self.group = group
    let wasCreated = try cursor.integer() == 1
    let seenBefore = try Self.offset(&cursor)
    let first = try Self.offset(&cursor)
    let last = try Self.offset(&cursor)
    return GroupSession(
      wasCreated: wasCreated, seenBefore: seenBefore ?? .zero,
      unfinished: first.flatMap { first in last.flatMap { first <= $0 ? first...$0 : nil } })
  }

  private static func offset(_ cursor: inout ReplyCursor) throws(RedisError) -> Offset? {
    try cursor.string().flatMap { Offset($0) }
  }
}
