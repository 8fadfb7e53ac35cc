import ConnectProtocol
import MessageBus
import Redis

/// An entry that could not be processed, with why, as it stands in the stream `deadletter`.
package struct DeadLetter: Sendable {
  /// Its id in the stream of dead letters.
  package let offset: Offset
  package let reason: String
  /// The stream's key and the offset of the entry there.
  package let origin: String
  /// Number of attempts; nil if it was not recorded.
  package let attempts: Int?
  /// The packed envelope, unchanged, if the entry had one field of that name.
  package let payload: ReplyBytes?
  /// Fields of an entry in another form, under their own names.
  package let fields: [(name: String, value: ReplyBytes)]

  /// Nil if this release cannot read the message: then it cannot be requeued.
  package var envelope: Envelope? { self.payload.flatMap(Envelope.init) }

  init(from cursor: inout ReplyCursor) throws(RedisError) {
    guard try cursor.array() == 2 else {
      throw .unexpectedReply("a stream entry is not a pair")
    }
    self.offset = try Offset(from: &cursor)
    var texts: [String: String] = [:]
    var payload: ReplyBytes?
    var fields: [(name: String, value: ReplyBytes)] = []
    for _ in 0..<(try cursor.array() ?? 0) / 2 {
      let name = try cursor.string() ?? ""
      guard let value = try cursor.slice() else { continue }
      if name == "\(StreamEntry.field)" {
        payload = value
      } else if name.hasPrefix(DeadLetterDraft.fieldPrefix) {
        fields.append((String(name.dropFirst(DeadLetterDraft.fieldPrefix.count)), value))
      } else {
        texts[name] = value.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
      }
    }
    self.reason = texts["reason"] ?? ""
    self.origin = texts["origin"] ?? ""
    self.attempts = texts["attempts"].flatMap { Int($0) }
    self.payload = payload
    self.fields = fields
  }
}

extension Envelope {
  /// Index of the byte of ``flags``.
  fileprivate static let flagsIndex = 2
}

/// Outcome of requeueing a dead letter.
package enum RequeueResult: Sendable {
  /// It is on the bus again, on its recipient's partition.
  case requeued(offset: Offset, stream: String)
  /// It is on the bus again, but is still a dead letter, too. Requeueing it again does no harm.
  case requeuedAndKept(offset: Offset, stream: String, RedisError)
  /// It has no envelope that this release can read.
  case unreadable
}

extension Inspector {
  package func deadLetterCount() async throws(RedisError) -> Int {
    try await self.client.value { $0.length(of: self.keys.deadLetters) }
  }

  /// The newest dead letters, newest first, and the time by Redis's clock.
  package func deadLetters(
    limit: Int
  ) async throws(RedisError) -> (letters: [DeadLetter], atMilliseconds: UInt64) {
    let now = try await self.now()
    var letters: [DeadLetter] = []
    while letters.count < limit {
      let page = try await self.page(
        "XREVRANGE", letters.last.map { "(\($0.offset)" } ?? "+", "-",
        maximum: min(limit - letters.count, BusLimits.entriesPerRead))
      guard !page.isEmpty else { break }
      letters += page
    }
    return (letters, now)
  }

  /// A page of the dead letters above `offset`, up to and including `last`, oldest first.
  package func deadLetters(
    after offset: Offset, through last: Offset
  ) async throws(RedisError) -> [DeadLetter] {
    try await self.page("XRANGE", "(\(offset)", "\(last)", maximum: BusLimits.entriesPerRead)
  }

  /// Nil if there is no dead letter at that offset.
  package func deadLetter(at offset: Offset) async throws(RedisError) -> DeadLetter? {
    try await self.page("XRANGE", "\(offset)", "\(offset)", maximum: 1).first
  }

  private func page(
    _ command: String, _ start: String, _ end: String, maximum: Int
  ) async throws(RedisError) -> [DeadLetter] {
    let key = self.keys.deadLetters
    return try await self.client.value { batch in
      batch.maximumReplyBytes = RedisLimits.maximumEntriesReplyBytes
      return batch.append(
        key: key, command, "\(key)", start, end, "COUNT", "\(maximum)", isRepeatable: true
      ).reading { cursor throws(RedisError) in
        var letters: [DeadLetter] = []
        for _ in 0..<(try cursor.array() ?? 0) { letters.append(try DeadLetter(from: &cursor)) }
        return letters
      }
    }
  }

  /// Puts a message on the bus again, marked as a repeat, so that it is not stored twice if it was
  /// stored after all; and only then takes it from the dead letters.
  package func requeue(_ letter: DeadLetter) async throws(RedisError) -> RequeueResult {
    guard let envelope = letter.envelope, let recipient = envelope.recipient else {
      return .unreadable
    }
    let stream = self.keys.incoming(self.keys.partitions.partition(for: recipient))
    let offset = try await self.client.value { batch in
      batch.addEntry(to: stream, count: envelope.bytes.count) { raw in
        envelope.bytes.withUnsafeBytes { raw.copyMemory(from: $0) }
        raw[Envelope.flagsIndex] |= Envelope.Flags.retry.rawValue
      }
    }
    do throws(RedisError) {
      _ = try await self.drop(letter.offset)
      return .requeued(offset: offset, stream: "\(stream)")
    } catch {
      return .requeuedAndKept(offset: offset, stream: "\(stream)", error)
    }
  }

  /// Deletes a dead letter.
  ///
  /// - Returns: whether it was there.
  package func drop(_ offset: Offset) async throws(RedisError) -> Bool {
    let key = self.keys.deadLetters
    return try await self.client.value {
      $0.append("XDEL", key, "\(offset)").flag()
    }
  }

  /// Deletes all dead letters up to and including `last`.
  ///
  /// - Returns: how many there were.
  package func dropAll(through last: Offset) async throws(RedisError) -> Int {
    try await self.client.value { $0.trim(self.keys.deadLetters, through: last) }
  }
}
