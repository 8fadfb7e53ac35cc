import BusTestSupport
import ConnectProtocol
import TestSupport
import Testing

@testable import MessageBus
@testable import Messaging

@Suite(
  "Copies of a conversation come in the order of the recipient's mailbox", .timeLimit(.minutes(20)))
struct CopyOrderTests {
  private func message(
    _ number: UInt64, _ id: String, flags: Envelope.Flags = []
  ) -> MailboxWriter.Item {
    .message(offset(number), id: id, flags: flags.union(.copy))
  }

  private func copies(_ stored: [MailboxWriter.Stored]) -> [String] {
    stored.flatMap(\.originals).compactMap(\.envelope.idText)
  }

  @Test("where a batch has a message and its repeat: what was sent before both is copied before")
  func repeated() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let stored = try await writer.store([
        self.message(1, "a"), self.message(2, "b"), self.message(3, "b", flags: .retry),
      ])
      #expect(self.copies(stored) == ["a", "b", "b"])
      #expect(stored[0].originals.map(\.peerOffset) == [1, 2, 2].map { offset($0) })
    }
  }

  @Test("where an entry goes above the top: what was written before it is copied before")
  func relocated() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await writer.store([self.message(5, "a")])
      let stored = try await writer.store([self.message(4, "late"), self.message(6, "b")])
      #expect(self.copies(stored) == ["b", "late"])
      let mailbox = try await bus.mailbox(UserName("bob")!)
      #expect(mailbox.map { $0.envelope?.idText } == ["a", "b", "late"])
    }
  }

  @Test("where nothing is written, since the mailbox has all that was sent again")
  func allRepeated() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await writer.store([self.message(1, "a"), self.message(2, "b")])
      let stored = try await writer.store([
        self.message(3, "b", flags: .retry), self.message(4, "a", flags: .retry),
      ])
      #expect(self.copies(stored) == ["a", "b"])
    }
  }

  @Test("where a batch has a message that goes above the top and its repeat: both have that place")
  func relocatedAndRepeated() async throws {
    try await Bus.run { bus in
      let writer = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      _ = try await writer.store([self.message(5, "a")])
      let stored = try await writer.store([
        self.message(4, "late"), self.message(6, "b"), self.message(7, "late", flags: .retry),
      ])
      let place = try #require(try await bus.mailbox(UserName("bob")!).last?.offset)
      #expect(self.copies(stored) == ["b", "late", "late"])
      #expect(stored[0].originals.map(\.peerOffset) == [offset(6), place, place])
      #expect(stored[0].originals.map(\.at) == [6, 4, 4])
    }
  }

  @Test("and say that they may be repeats where the mailbox had the message already")
  func found() async throws {
    try await Bus.run { bus in
      let first = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let stored = try await first.store([self.message(1, "a")])
      #expect(stored[0].originals.map(\.mayBeCopied) == [false])
      let paused = MailboxWriter(keys: bus.keys, client: bus.client, limits: .ageless)
      let again = try await paused.store([self.message(1, "a"), self.message(2, "b")])
      #expect(again[0].originals.map(\.mayBeCopied) == [true, false])
    }
  }
}
