import ConnectProtocol
import Redis

/// A consumer group of a stream, from XINFO GROUPS.
package struct StreamGroup: Sendable {
  package let name: String
  /// Entries read and not acknowledged; Connect's own groups have none (see ``GroupNames``).
  package let pending: Int
  package let lastDelivered: Offset
  /// Number of entries that are not read yet; nil if Redis does not know.
  package let lag: Int?

  /// Reads the answer of XINFO GROUPS.
  static func list(from cursor: inout ReplyCursor) throws(RedisError) -> [StreamGroup] {
    var groups: [StreamGroup] = []
    for _ in 0..<(try cursor.array() ?? 0) { groups.append(try StreamGroup(from: &cursor)) }
    return groups
  }

  private init(from cursor: inout ReplyCursor) throws(RedisError) {
    var name = ""
    var pending = 0
    var lastDelivered = Offset.zero
    var lag: Int?
    for _ in 0..<(try cursor.array() ?? 0) / 2 {
      switch try cursor.string() {
      case "name": name = try cursor.string() ?? ""
      case "pending": pending = try cursor.count()
      case "last-delivered-id": lastDelivered = try Offset(from: &cursor)
      // Redis itself reckons it wrong now and then.
      case "lag" where !cursor.isNil:
        lag = min(max(0, try cursor.integer()), RedisLimits.maximumCount)
      default: cursor.skip()
      }
    }
    self.name = name
    self.pending = pending
    self.lastDelivered = lastDelivered
    self.lag = lag
  }

  /// Whether the group is one of those that take turns under `family`.
  package func belongs(to family: String) -> Bool {
    self.name == family || self.name.hasPrefix("\(family):")
  }
}

extension RedisServerError {
  /// Whether this is XINFO's answer for a key that does not exist.
  package var isMissingKey: Bool { self.message.hasPrefix("ERR no such key") }
}
