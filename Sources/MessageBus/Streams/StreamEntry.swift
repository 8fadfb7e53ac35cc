import ConnectProtocol
import Redis

/// An entry as a read of a stream returns it.
package struct StreamEntry: Sendable {
  /// The only field of every entry that Connect writes.
  package static let field: StaticString = "m"

  package let offset: Offset
  /// The field's value; nil if the entry has another form.
  package let payload: ReplyBytes?

  /// Reads `[id, [name, value, …]]`.
  package init(from cursor: inout ReplyCursor) throws(RedisError) {
    guard try cursor.array() == 2 else {
      throw .unexpectedReply("a stream entry is not a pair")
    }
    self.offset = try Offset(from: &cursor)
    let count = try cursor.array() ?? 0
    var payload: ReplyBytes?
    for index in 0..<count {
      if index == 1, count == 2 {
        payload = try cursor.slice()
      } else {
        cursor.skip()
      }
    }
    self.payload = payload
  }

  /// Reads an array of entries; nil counts as none.
  package static func list(from cursor: inout ReplyCursor) throws(RedisError) -> [StreamEntry] {
    guard let count = try cursor.array() else { return [] }
    var entries: [StreamEntry] = []
    entries.reserveCapacity(min(count, BusLimits.entriesPerRead))
    for _ in 0..<count { entries.append(try StreamEntry(from: &cursor)) }
    return entries
  }
}

extension StreamEntry {
  /// Reads the entries of a read that names one stream; nil if there were none in time.
  static func listOfOneStream(
    from cursor: inout ReplyCursor
  ) throws(RedisError) -> [StreamEntry]? {
    guard try cursor.array() != nil else { return nil }
    guard try cursor.array() == 2 else {
      throw .unexpectedReply("a read of a stream answered no pair of stream and entries")
    }
    cursor.skip()
    return try Self.list(from: &cursor)
  }
}

extension Offset {
  /// As ``init(from:)``, to be passed on.
  package static func read(_ cursor: inout ReplyCursor) throws(RedisError) -> Offset {
    try Offset(from: &cursor)
  }

  /// Reads an id as stream commands return it.
  package init(from cursor: inout ReplyCursor) throws(RedisError) {
    guard let bytes = try cursor.bytes(), let offset = Offset(utf8: bytes) else {
      throw .unexpectedReply("a stream id is not <milliseconds>-<sequence>")
    }
    self = offset
  }
}
