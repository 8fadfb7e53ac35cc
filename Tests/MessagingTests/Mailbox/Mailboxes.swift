import BusTestSupport
import ConnectProtocol
import Redis

@testable import MessageBus
@testable import Messaging

extension MailboxLimits {
  /// Tests number their entries from 1, which is 1970: nothing is ever too old here. Nor is a machine too
  /// slow for a look-up.
  static let ageless = Self.ageless(history: MessagingLimits.mailboxHistoryEntries)

  static func ageless(
    entries: Int = MessagingLimits.mailboxEntries, bytes: Int = MessagingLimits.mailboxBytes,
    history: Int
  ) -> MailboxLimits {
    var limits = MailboxLimits(
      entries: entries, bytes: bytes, historyEntries: history, retentionSeconds: 10_000_000_000)
    limits.lookUpMilliseconds = .max
    return limits
  }
}

extension MailboxWriter.Item {
  /// A message.
  static func message(
    _ at: Offset, from: String = "alice", to: String = "bob", id: String,
    flags: Envelope.Flags = []
  ) -> MailboxWriter.Item {
    MailboxWriter.Item(
      offset: at,
      envelope: Envelope.Draft.message(from: from, to: to, id: id, flags: flags).envelope)!
  }

  /// A message that was sent before, first at this time.
  static func dated(_ at: Offset, id: String, firstSent: UInt64) -> MailboxWriter.Item {
    let body: StaticString = "1"
    let draft = Envelope.Draft.message(
      from: UserName("alice")!, to: UserName("bob")!, id: MessageID(id)!, flags: .retry,
      firstSent: firstSent,
      body: UnsafeRawBufferPointer(start: body.utf8Start, count: body.utf8CodeUnitCount))
    return MailboxWriter.Item(offset: at, envelope: draft.envelope)!
  }

  /// A message whose body has so many bytes.
  static func large(
    _ at: Offset, bytes: Int, to: String = "bob", id: String, flags: Envelope.Flags = []
  ) -> MailboxWriter.Item {
    let body = Array(repeating: UInt8(ascii: "1"), count: bytes)
    let envelope = body.withUnsafeBytes { body in
      Envelope.Draft.message(
        from: UserName("alice")!, to: UserName(to)!, id: MessageID(id)!, flags: flags, body: body
      ).envelope
    }
    return MailboxWriter.Item(offset: at, envelope: envelope)!
  }

  /// Messages `m1`, `m2`, … at `1-0`, `2-0`, …
  static func messages(
    _ numbers: some Sequence<Int>, to: String = "bob"
  ) -> [MailboxWriter.Item] {
    numbers.map { number in
      .message(Offset(milliseconds: UInt64(number), sequence: 0), to: to, id: "m\(number)")
    }
  }
}

extension MailboxWriter {
  /// Why items cannot be stored. On the caller's executor, as all that a writer does; what
  /// `#expect(throws:)` calls is not.
  func failure(of items: [Item]) async -> RedisError? {
    do throws(RedisError) {
      _ = try await self.store(items)
      return nil
    } catch {
      return error
    }
  }
}

extension MailboxTrim {
  var counts: [Int] { [self.length, self.removed] }
}

extension Bus {
  /// Calls the trimming script, as the writer does.
  func trim(
    _ user: UserName, _ limits: MailboxLimits, makesRoom: Bool = false
  ) async throws -> MailboxTrim {
    let call = MailboxTrim.call(
      of: user, keys: self.keys, limits: limits, makesRoom: makesRoom,
      maximum: MessagingLimits.entriesPerTrim)
    return try await withCheckedContinuation { continuation in
      self.client.run([call]) { continuation.resume(returning: $0[0]) }
    }.get()
  }
}
