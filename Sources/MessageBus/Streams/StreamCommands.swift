import ConnectProtocol
import Redis

/// Commands of Redis Streams, as far as Connect uses them.
extension RedisBatch {
  /// `XADD`: appends an entry of one field, and makes the stream if there is none. Answers its id.
  ///
  /// - Parameters:
  ///   - offset: the entry's id, which must be above the stream's top; nil lets Redis mint it.
  ///   - count: the value's length in bytes; `write` fills it.
  @discardableResult
  package mutating func addEntry(
    to stream: RedisKey, at offset: Offset? = nil, count: Int,
    _ write: (UnsafeMutableRawBufferPointer) -> Void
  ) -> Reply<Offset> {
    self.append(
      arguments: 5, key: stream,
      bytes: 4 + stream.byteCount + Offset.maximumTextLength + 1 + count
    ) { writer in
      writer.bulk("XADD")
      writer.bulk(stream)
      if let offset { writer.bulk(offset) } else { writer.bulk("*") }
      writer.bulk(StreamEntry.field)
      writer.bulk(count: count, write)
    }.reading(Offset.read)
  }

  /// `XADD` of an envelope to a partition, under an id that Redis generates.
  @discardableResult
  package mutating func add(_ draft: Envelope.Draft, to incoming: RedisKey) -> Reply<Offset> {
    self.addEntry(to: incoming, count: draft.byteCount) { draft.write(to: $0) }
  }

  /// `XRANGE` from above `start`, at most `maximum` entries.
  package mutating func entries(
    of stream: RedisKey, after start: Offset, maximum: Int
  ) -> Reply<[StreamEntry]> {
    self.maximumReplyBytes = RedisLimits.maximumEntriesReplyBytes
    return self.append(
      arguments: 6, key: stream,
      bytes: 6 + stream.byteCount + Offset.maximumTextLength + 1 + 5 + 20, isRepeatable: true
    ) { writer in
      writer.bulk("XRANGE")
      writer.bulk(stream)
      writer.bulk(start.successor)
      writer.bulk("+")
      writer.bulk("COUNT")
      writer.bulk(maximum)
    }.reading(StreamEntry.list)
  }

  /// `XREVRANGE`: the newest `maximum` entries, newest first.
  ///
  /// - Parameters:
  ///   - below: only those below it; nil for the very newest.
  ///   - above: only those above it; nil for all.
  package mutating func newestEntries(
    of stream: RedisKey, below: Offset? = nil, above: Offset? = nil, maximum: Int
  ) -> Reply<[StreamEntry]> {
    self.newest(of: stream, below: below, above: above, maximum: maximum)
      .reading(StreamEntry.list)
  }

  /// `XREVRANGE … COUNT 1`: the highest offset above `start`; nil if there is none.
  package mutating func newestOffset(
    of stream: RedisKey, above start: Offset
  ) -> Reply<Offset?> {
    self.newest(of: stream, below: nil, above: start, maximum: 1).reading {
      cursor throws(RedisError) in
      guard try cursor.array() ?? 0 > 0 else { return nil }
      return try StreamEntry(from: &cursor).offset
    }
  }

  private mutating func newest(
    of stream: RedisKey, below: Offset?, above: Offset?, maximum: Int
  ) -> Reply<Void> {
    self.maximumReplyBytes = RedisLimits.maximumEntriesReplyBytes
    return self.append(
      arguments: 6, key: stream,
      bytes: 9 + stream.byteCount + 2 * Offset.maximumTextLength + 5 + 20, isRepeatable: true
    ) { writer in
      writer.bulk("XREVRANGE")
      writer.bulk(stream)
      if let below { writer.bulk(below.predecessor) } else { writer.bulk("+") }
      if let above { writer.bulk(above.successor) } else { writer.bulk("-") }
      writer.bulk("COUNT")
      writer.bulk(maximum)
    }
  }

  /// `XLEN`.
  package mutating func length(of stream: RedisKey) -> Reply<Int> {
    self.append(arguments: 2, key: stream, bytes: 4 + stream.byteCount, isRepeatable: true) {
      writer in
      writer.bulk("XLEN")
      writer.bulk(stream)
    }.count()
  }

  /// `XINFO GROUPS`; nil if the stream does not exist.
  package mutating func groups(of stream: RedisKey) -> Reply<[StreamGroup]?> {
    self.append(arguments: 3, key: stream, bytes: 11 + stream.byteCount, isRepeatable: true) {
      writer in
      writer.bulk("XINFO")
      writer.bulk("GROUPS")
      writer.bulk(stream)
    }.reading {
      $0.isMissingKey ? .some(nil) : nil
    } _: { cursor throws(RedisError) in
      try StreamGroup.list(from: &cursor)
    }
  }

  /// `XINFO STREAM`: the last id that the stream gave, above which it takes entries; zero if it does not
  /// exist.
  package mutating func top(of stream: RedisKey) -> Reply<Offset> {
    self.append(key: stream, "XINFO", "STREAM", "\(stream)", isRepeatable: true)
      .reading {
        $0.isMissingKey ? .zero : nil
      } _: { cursor throws(RedisError) in
        try Offset(lastGeneratedFrom: &cursor)
      }
  }

  /// `XREADGROUP … NOACK … >`: entries new to the group, which counts none of them as pending; waits for the
  /// first. Nil if none came in time.
  package mutating func readGroup(
    _ group: String, as consumer: String, from stream: RedisKey, maximum: Int,
    blockMilliseconds: Int64
  ) -> Reply<[StreamEntry]?> {
    self.isBlocking = true
    self.maximumReplyBytes = RedisLimits.maximumEntriesReplyBytes
    return self.append(
      arguments: 12, key: stream,
      bytes: 38 + group.utf8.count + consumer.utf8.count + 2 * 20 + stream.byteCount
    ) { writer in
      writer.bulk("XREADGROUP")
      writer.bulk("GROUP")
      writer.bulk(group)
      writer.bulk(consumer)
      writer.bulk("COUNT")
      writer.bulk(maximum)
      writer.bulk("BLOCK")
      writer.bulk(Int(blockMilliseconds))
      writer.bulk("NOACK")
      writer.bulk("STREAMS")
      writer.bulk(stream)
      writer.bulk(">")
    }.reading(StreamEntry.listOfOneStream)
  }

  /// `XREAD`: entries above `offset`; waits for the first. Nil if none came in time.
  package mutating func read(
    from stream: RedisKey, after offset: Offset, maximum: Int, blockMilliseconds: Int64
  ) -> Reply<[StreamEntry]?> {
    self.isBlocking = true
    return self.append(
      key: stream, "XREAD", "COUNT", "\(maximum)", "BLOCK", "\(blockMilliseconds)", "STREAMS",
      "\(stream)", "\(offset)", isRepeatable: true
    ).reading(StreamEntry.listOfOneStream)
  }

  /// `XGROUP SETID`: moves a group to an entry.
  package mutating func move(
    group: String, of stream: RedisKey, to offset: Offset
  ) -> Reply<Void> {
    self.append(
      arguments: 5, key: stream,
      bytes: 11 + stream.byteCount + group.utf8.count + Offset.maximumTextLength
    ) { writer in
      writer.bulk("XGROUP")
      writer.bulk("SETID")
      writer.bulk(stream)
      writer.bulk(group)
      writer.bulk(offset)
    }
  }

  /// `XPENDING`: the lowest id of the pending entries; nil if there are none.
  package mutating func oldestPending(of stream: RedisKey, group: String) -> Reply<Offset?> {
    self.append(
      arguments: 3, key: stream, bytes: 8 + stream.byteCount + group.utf8.count,
      isRepeatable: true
    ) { writer in
      writer.bulk("XPENDING")
      writer.bulk(stream)
      writer.bulk(group)
    }.reading { cursor throws(RedisError) in try Offset(oldestPendingFrom: &cursor) }
  }

  /// `XTRIM … MINID`: removes all entries up to and including `offset`; how many there were.
  @discardableResult
  package mutating func trim(_ stream: RedisKey, through offset: Offset) -> Reply<Int> {
    self.append(
      arguments: 4, key: stream, bytes: 5 + stream.byteCount + 5 + Offset.maximumTextLength
    ) { writer in
      writer.bulk("XTRIM")
      writer.bulk(stream)
      writer.bulk("MINID")
      writer.bulk(offset.successor)
    }.count()
  }
}

extension Offset {
  /// Reads XPENDING's summary: nil when nothing is pending.
  fileprivate init?(oldestPendingFrom cursor: inout ReplyCursor) throws(RedisError) {
    guard try cursor.array() == 4 else {
      throw .unexpectedReply("XPENDING answered no summary")
    }
    guard try cursor.integer() > 0 else { return nil }
    self = try Offset(from: &cursor)
  }

  /// Reads the last id that a stream gave from the names and values of XINFO STREAM.
  fileprivate init(lastGeneratedFrom cursor: inout ReplyCursor) throws(RedisError) {
    for _ in 0..<(try cursor.array() ?? 0) / 2 {
      if try cursor.string() == "last-generated-id" {
        self = try Offset(from: &cursor)
        return
      }
      cursor.skip()
    }
    throw .unexpectedReply("XINFO STREAM answered no last-generated-id")
  }

  /// The largest offset below this one; zero for zero.
  package var predecessor: Offset {
    if self.sequence > 0 {
      return Offset(milliseconds: self.milliseconds, sequence: self.sequence - 1)
    }
    if self.milliseconds > 0 {
      return Offset(milliseconds: self.milliseconds - 1, sequence: .max)
    }
    return self
  }
}

extension CommandWriter {
  /// Adds an offset as text.
  package mutating func bulk(_ offset: Offset) {
    self.bulk(count: offset.textLength) { _ = offset.write(to: $0) }
  }
}
