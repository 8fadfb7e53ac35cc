import ConnectProtocol
import Redis

/// A dead letter that is to be written: what could not be processed, and why. `DeadLetter` reads it.
///
/// Fields `reason`, `origin` (stream and offset), `attempts`, and the entry itself: an envelope in
/// the field `m`, as on the bus; anything else field by field, each name after `field.`.
package struct DeadLetterDraft: Sendable {
  /// The reason, for an operator.
  package let reason: String
  /// The stream and the offset that the entry had.
  package let origin: String
  /// Number of attempts to process it.
  package let attempts: Int

  package init(reason: String, origin: String, attempts: Int) {
    self.reason = reason
    self.origin = origin
    self.attempts = attempts
  }

  package static let fieldPrefix = "field."

  /// Appends the entry with its one field.
  package func append(
    _ payload: ReplyBytes, _ keys: Keys, to batch: inout RedisBatch
  ) -> Reply<Void> {
    self.append(names: ["\(StreamEntry.field)"], values: [payload], keys, to: &batch)
  }

  /// Appends the entry with all its fields: names and values in turn.
  package func append(
    fields: [ReplyBytes], _ keys: Keys, to batch: inout RedisBatch
  ) -> Reply<Void> {
    let names = stride(from: 0, to: fields.count - 1, by: 2).map { index in
      Self.fieldPrefix + fields[index].withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }
    let values = stride(from: 1, to: fields.count, by: 2).map { fields[$0] }
    return self.append(names: names, values: values, keys, to: &batch)
  }

  private func append(
    names: [String], values: [ReplyBytes], _ keys: Keys, to batch: inout RedisBatch
  ) -> Reply<Void> {
    let stream = keys.deadLetters
    let words = [
      "MAXLEN", "~", "\(BusLimits.deadLettersKept)", "*", "reason",
      self.reason, "origin", self.origin, "attempts", "\(self.attempts)",
    ]
    let bytes =
      4 + stream.byteCount + words.reduce(0) { $0 + $1.utf8.count }
      + names.reduce(0) { $0 + $1.utf8.count }
      + values.reduce(0) { $0 + $1.count }
    return batch.append(
      arguments: 2 + words.count + 2 * names.count, key: stream, bytes: bytes
    ) { writer in
      writer.bulk("XADD")
      writer.bulk(stream)
      for word in words { writer.bulk(word) }
      for (name, value) in zip(names, values) {
        writer.bulk(name)
        writer.bulk(count: value.count) { raw in
          value.withUnsafeBytes { raw.copyMemory(from: $0) }
        }
      }
    }
  }

  /// Appends a read of the fields of a bus entry: names and values in turn; none if the entry no longer
  /// exists.
  package static func fields(
    of offset: Offset, in stream: RedisKey, to batch: inout RedisBatch
  ) -> Reply<[ReplyBytes]> {
    batch.maximumReplyBytes = RedisLimits.maximumEntriesReplyBytes
    return batch.append(
      key: stream, "XRANGE", "\(stream)", "\(offset)", "\(offset)", isRepeatable: true
    ).reading { cursor throws(RedisError) in
      guard let entries = try cursor.array(), entries > 0, try cursor.array() == 2 else {
        return []
      }
      cursor.skip()
      var fields: [ReplyBytes] = []
      for _ in 0..<(try cursor.array() ?? 0) {
        if let field = try cursor.slice() { fields.append(field) }
      }
      return fields
    }
  }
}
