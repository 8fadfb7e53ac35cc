import ConnectProtocol
import Redis

/// Commands of Redis Streams, as far as Connect uses them.
extension RedisBatch {
  /// `XADD`: appends an entry of one field, and makes the stream if there is none. Answers its id.
  ///
  /// - Parameters:
  ///   - offset: the entry's id, which must be above the stream's top; nil lets Redis mint it.
  ///   - count: the value's length in bytes; `write` fills it.
  package mutating func addEntry(
    to stream: RedisKey, at offset: Offset? = nil, count: Int,
    _ write: (UnsafeMutableRawBufferPointer) -> Void
  ) {
    self.append(
      arguments: 5, key: stream,
      bytes: 4 + stream.byteCount + Offset.maximumTextLength + 1 + count
    ) { writer in
      writer.bulk("XADD")
      writer.bulk(stream)
      if let offset { writer.bulk(offset) } else { writer.bulk("*") }
      writer.bulk(StreamEntry.field)
      writer.bulk(count: count, write)
    }
  }

  /// `XADD` of an envelope to a partition, under an id that Redis generates.
  package mutating func add(_ draft: Envelope.Draft, to incoming: RedisKey) {
    self.addEntry(to: incoming, count: draft.byteCount) { draft.write(to: $0) }
  }

  /// `XRANGE` from above `start`, at most `maximum` entries.
  package mutating func entries(of stream: RedisKey, after start: Offset, maximum: Int) {
    self.maximumReplyBytes = RedisLimits.maximumEntriesReplyBytes
    self.append(
      arguments: 6, key: stream,
      bytes: 6 + stream.byteCount + Offset.maximumTextLength + 1 + 5 + 20
    ) { writer in
      writer.bulk("XRANGE")
      writer.bulk(stream)
      writer.bulk(start.successor)
      writer.bulk("+")
      writer.bulk("COUNT")
      writer.bulk(maximum)
    }
  }

  /// `XREVRANGE`: the newest `maximum` entries, newest first.
  ///
  /// - Parameters:
  ///   - below: only those below it; nil for the very newest.
  ///   - above: only those above it; nil for all.
  package mutating func newestEntries(
    of stream: RedisKey, below: Offset? = nil, above: Offset? = nil, maximum: Int
  ) {
    self.maximumReplyBytes = RedisLimits.maximumEntriesReplyBytes
    self.append(
      arguments: 6, key: stream,
      bytes: 9 + stream.byteCount + 2 * Offset.maximumTextLength + 5 + 20
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
  package mutating func length(of stream: RedisKey) {
    self.append(arguments: 2, key: stream, bytes: 4 + stream.byteCount) { writer in
      writer.bulk("XLEN")
      writer.bulk(stream)
    }
  }

  /// `XINFO GROUPS`.
  package mutating func groups(of stream: RedisKey) {
    self.append(arguments: 3, key: stream, bytes: 11 + stream.byteCount) { writer in
      writer.bulk("XINFO")
      writer.bulk("GROUPS")
      writer.bulk(stream)
    }
  }

  /// `XINFO STREAM`.
  package mutating func information(of stream: RedisKey) {
    self.append(key: stream, "XINFO", "STREAM", "\(stream)")
  }

  /// `XREADGROUP … >`: entries new to the group; waits for the first.
  package mutating func readGroup(
    _ group: String, as consumer: String, from stream: RedisKey, maximum: Int,
    blockMilliseconds: Int64
  ) {
    self.isBlocking = true
    self.maximumReplyBytes = RedisLimits.maximumEntriesReplyBytes
    self.append(
      key: stream, "XREADGROUP", "GROUP", group, consumer, "COUNT", "\(maximum)", "BLOCK",
      "\(blockMilliseconds)", "STREAMS", "\(stream)", ">")
  }

  /// `XACK` of several entries.
  package mutating func acknowledge(_ offsets: [Offset], of stream: RedisKey, group: String) {
    self.append(
      arguments: 3 + offsets.count, key: stream,
      bytes: 4 + stream.byteCount + group.utf8.count + offsets.count * Offset.maximumTextLength
    ) { writer in
      writer.bulk("XACK")
      writer.bulk(stream)
      writer.bulk(group)
      for offset in offsets { writer.bulk(offset) }
    }
  }

  /// `XPENDING`: number of pending entries, and their lowest and highest id.
  package mutating func oldestPending(of stream: RedisKey, group: String) {
    self.append(arguments: 3, key: stream, bytes: 8 + stream.byteCount + group.utf8.count) {
      writer in
      writer.bulk("XPENDING")
      writer.bulk(stream)
      writer.bulk(group)
    }
  }

  /// `XTRIM … MINID`: removes all entries up to and including `offset`.
  package mutating func trim(_ stream: RedisKey, through offset: Offset) {
    self.append(
      arguments: 4, key: stream, bytes: 5 + stream.byteCount + 5 + Offset.maximumTextLength
    ) { writer in
      writer.bulk("XTRIM")
      writer.bulk(stream)
      writer.bulk("MINID")
      writer.bulk(offset.successor)
    }
  }
}

extension Offset {
  /// Reads XPENDING's summary: nil when nothing is pending.
  package init?(oldestPendingFrom cursor: inout ReplyCursor) throws(RedisError) {
    guard try cursor.array() == 4 else {
      throw .unexpectedReply("XPENDING answered no summary")
    }
    guard try cursor.integer() > 0 else { return nil }
    self = try Offset(from: &cursor)
  }

  /// Reads the last id that a stream gave from the names and values of XINFO STREAM.
  package init(lastGeneratedFrom cursor: consuming ReplyCursor) throws(RedisError) {
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
