import BusTestSupport
import ConnectProtocol
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging

@Suite("A copy behind the failure of its message revokes that", .timeLimit(.minutes(20)))
struct RevokedFailureTests {
  private let alice = UserName("alice")!

  private func copy(
    _ at: UInt64, of number: UInt64 = 1, flags: Envelope.Flags = .retry
  ) -> MailboxWriter.Item {
    let body: StaticString = "1"
    let draft = Envelope.Draft.sent(
      by: self.alice, to: UserName("bob")!, id: MessageID("m")!, flags: flags,
      peerOffset: offset(number), at: number,
      body: UnsafeRawBufferPointer(start: body.utf8Start, count: body.utf8CodeUnitCount))
    return MailboxWriter.Item(offset: offset(at), envelope: draft.envelope)!
  }

  private func failure(_ at: UInt64) -> MailboxWriter.Item {
    let code: StaticString = "mailbox_full"
    let draft = Envelope.Draft.failed(
      recipient: UserName("bob")!, to: self.alice, id: MessageID("m")!,
      code: UnsafeRawBufferPointer(start: code.utf8Start, count: code.utf8CodeUnitCount))
    return MailboxWriter.Item(offset: offset(at), envelope: draft.envelope)!
  }

  /// The places of what is in the log after these batches, each stored by a writer of its own or all by one.
  private func places(
    of batches: [[MailboxWriter.Item]], haveOneWriter: Bool
  ) async throws -> [UInt64] {
    try await Bus.run { bus in
      var writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      for batch in batches {
        if !haveOneWriter {
          writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
        }
        _ = try await writer.store(batch)
      }
      return try await bus.mailbox(UserName("alice")!).map(\.offset.milliseconds)
    }
  }

  @Test("and is not taken for a repeat of an earlier one; the next is", arguments: [true, false])
  func revokes(haveOneWriter: Bool) async throws {
    let items = [
      self.copy(1), self.copy(2), self.failure(3), self.copy(4), self.copy(5), self.failure(6),
      self.copy(7, of: 2), self.copy(8), self.copy(9, of: 2),
    ]
    let expected: [UInt64] = [1, 3, 4, 6, 7, 8]
    for batches in [items.map { [$0] }, [items], [Array(items[..<3]), Array(items[3...])]] {
      let places = try await self.places(of: batches, haveOneWriter: haveOneWriter)
      #expect(places == expected, "\(batches.map(\.count))")
    }
  }

  /// Left out, it would leave the copy as the last news of a message that is nowhere.
  @Test("and the message may fail again, of which its sender is told")
  func failsAgain() async throws {
    let items = [
      self.copy(1, flags: []), self.failure(2), self.copy(3, of: 2), self.failure(4),
    ]
    let places = try await self.places(
      of: [Array(items[..<2]), Array(items[2...])], haveOneWriter: true)
    #expect(places == [1, 2, 3, 4])
  }

  /// An owner that was not answered, or that lost its partition before it acknowledged, tells both again.
  @Test("unless it says that the message was not stored: then it is a repeat there, too")
  func unstored() async throws {
    let unstored: Envelope.Flags = [.retry, .unstored]
    let items = [
      self.copy(1, flags: unstored), self.failure(2), self.copy(3, flags: unstored),
      self.failure(4), self.copy(5), self.copy(6, flags: unstored),
    ]
    for batches in [items.map { [$0] }, [items], [Array(items[..<2]), Array(items[2...])]] {
      for haveOneWriter in [true, false] {
        let places = try await self.places(of: batches, haveOneWriter: haveOneWriter)
        #expect(places == [1, 2, 4, 5], "\(batches.map(\.count))")
      }
    }
  }
}
