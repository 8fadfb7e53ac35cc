import ConnectProtocol
import Redis

/// A consumer group of a stream, as XINFO GROUPS tells.
package struct StreamGroup: Sendable {
  package let name: String
  /// Entries that were read and not acknowledged.
  package let pending: Int
  /// The last entry that was read.
  package let lastDelivered: Offset
  /// How many entries are still to be read, if Redis knows.
  package let lag: Int?

  /// Reads XINFO GROUPS' answer; nil if there is no such stream.
  package static func list(
    _ replies: RedisReplies, at index: Int
  ) throws(RedisError) -> [StreamGroup]? {
    var cursor: ReplyCursor
    do throws(RedisError) {
      cursor = try replies.cursor(index)
    } catch .server(let error) where error.isMissingKey {
      return nil
    }
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
  /// XINFO's answer for a key that does not exist.
  package var isMissingKey: Bool { self.message.hasPrefix("ERR no such key") }
}
