import ConnectProtocol
import Testing

@testable import ConnectClient

/// However large bodies are, a store stays small enough to be read.
@Suite("What a store keeps of large bodies")
struct StoredBytesTests {
  private func peer(_ number: Int) -> UserName { UserName("peer\(number)")! }

  @Test("is bounded in bytes: the entries of the oldest conversations go first, but nothing unsent")
  func bounded() throws {
    let body = json("\"\(String(repeating: "x", count: 60_000))\"")
    let (peers, entries) = (40, 20)
    var book = ConversationBook(user: alice)
    for number in 0..<peers * entries {
      let offset = Offset(milliseconds: UInt64(number + 1), sequence: 0)
      // One conversation after the other.
      let message = IncomingMessage(
        offset: offset, from: self.peer(number / entries), id: messageID(number),
        at: offset.milliseconds, body: body)
      _ = book.received(.message(message))
    }
    let unsent = messageID(peers * entries)
    _ = book.send(unsent, to: self.peer(0), body: body, isQuiet: false, now: 1)

    var compacted = ConversationBook(user: alice)
    for record in book.snapshot { compacted.apply(record) }
    let held = (0..<peers).map { compacted.log(self.peer($0)).placed.count }
    #expect(held.reduce(0, +) == ConnectClientLimits.storedBodyBytes / body.bytes.count)
    #expect(held[0] == 0)
    #expect(held[peers - 1] == entries)
    #expect(held == held.sorted())
    #expect(compacted.log(self.peer(0)).hasEarlier)
    #expect(compacted.log(self.peer(0)).unplaced.map(\.id) == [unsent])
    #expect(compacted.newestFirst.count == peers)
  }

  @Test("goes when much was appended, however few records that were")
  func compacted() {
    var state = KeeperState(user: alice)
    let record = [UInt8](repeating: 0x20, count: ConnectClientLimits.compactBytes / 4)
    for _ in 0..<3 { #expect(state.stored([record]) == nil) }
    #expect(state.stored([record]) != nil)
    #expect(state.stored([record]) == nil)
  }

  @Test("goes at once where a store that was opened is large")
  func opened() {
    var state = KeeperState(user: alice)
    let record = [UInt8](repeating: 0x20, count: ConnectClientLimits.compactBytes)
    state.opened(ConversationBook(user: alice), records: [record])
    #expect(state.stored([[0x20]]) != nil)
  }
}
