import BusTestSupport
import ConnectProtocol
import MessageBus
import Redis
import SeededRandom
import TestSupport
import Testing

@testable import Gateway

@Suite("History is put together")
struct HistoryLookTests {
  private func offsets(_ answer: ServerFrame.History) -> [Offset] { answer.entries.map(\.offset) }

  @Test("from the newest down, with the place to go on at, and none at the bottom")
  func pages() throws {
    var log = ListedLog()
    for number in 0..<5 { log.add(from: "peer\(number)") }
    let first = try log.ask(ClientFrame.History(limit: 3)).answer
    #expect(self.offsets(first) == [offset(5), offset(4), offset(3)])
    #expect(first.next == offset(3))
    let second = try log.ask(ClientFrame.History(before: first.next, limit: 3)).answer
    #expect(self.offsets(second) == [offset(2), offset(1)])
    #expect(second.next == nil)
    #expect(!second.trimmed)
    // It was seen that nothing is below.
    #expect(try log.ask(ClientFrame.History(limit: 5)).answer.next == nil)
    #expect(try log.ask(ClientFrame.History(before: .zero)).answer.entries.isEmpty)
  }

  @Test("of everything that clients are told, and nothing else")
  func kinds() throws {
    var log = ListedLog()
    log.add(from: "bob", quiet: true)
    log.add(to: "bob")
    log.add(ListedLog.failed(to: "bob"))
    var former = ListedLog.message(from: "bob").array
    former[1] = Envelope.Kind.formerReceipt.rawValue
    log.entries.append(
      Mailbox.Entry(offset: offset(9), envelope: Envelope(ReplyBytes(former))!))
    let answer = try log.ask(ClientFrame.History()).answer
    guard case .failed = answer.entries[0], case .sent(let sent) = answer.entries[1],
      case .message(let message) = answer.entries[2]
    else { throw TestFailure("other entries: \(answer.entries)") }
    #expect(answer.entries.count == 3)
    #expect(sent.to.text == "bob")
    #expect(message.quiet)
  }

  @Test("of one peer: what came, what went, and what failed")
  func peer() throws {
    var log = ListedLog()
    log.add(from: "bob")
    log.add(from: "bobby")
    log.add(to: "bob")
    log.add(to: "carol")
    log.add(ListedLog.failed(to: "bob"))
    log.add(ListedLog.failed(to: "bo"))
    let answer = try log.ask(ClientFrame.History(peer: UserName("bob")!)).answer
    #expect(self.offsets(answer) == [offset(5), offset(3), offset(1)])
  }

  @Test("from at most 512 entries of the mailbox at a time, in pages that grow")
  func bound() throws {
    var log = ListedLog()
    log.add(from: "bob")
    for _ in 0..<512 { log.add(from: "loud") }
    let request = ClientFrame.History(peer: UserName("bob")!)
    let first = try log.ask(request).answer
    #expect(first.entries.isEmpty)
    #expect(first.next == offset(2))
    #expect(log.reads.map { $0.page?.maximum } == [16, 32] + Array(repeating: 64, count: 7) + [16])
    #expect(log.reads.allSatisfy { !$0.hasTable })
    let second = try log.ask(ClientFrame.History(peer: request.peer, before: first.next)).answer
    #expect(self.offsets(second) == [offset(1)])
    #expect(second.next == nil)
  }

  @Test("from at most 512 KiB of them, in pages that become small in time")
  func bytes() throws {
    var log = ListedLog()
    let body = "\"\(String(repeating: "x", count: 16_000))\""
    for _ in 0..<100 { log.add(from: "loud", body: body) }
    let answer = try log.ask(ClientFrame.History(peer: UserName("bob")!)).answer
    #expect(answer.entries.isEmpty)
    #expect(answer.next == offset(101 - UInt64(log.examined)))
    #expect((32...35).contains(log.examined))
  }

  @Test("within the size of a frame, but for a single entry that is larger")
  func frames() throws {
    var log = ListedLog()
    for size in [900, 100, 100, 3_000] {
      log.add(from: "bob", body: "\"\(String(repeating: "x", count: size))\"")
    }
    var request = ClientFrame.History()
    var seen: [Int] = []
    repeat {
      let (answer, bytes) = try log.ask(request, frameBytes: 1_000)
      #expect(bytes <= 1_000 || answer.entries.count == 1)
      seen.append(answer.entries.count)
      request.before = answer.next
    } while request.before != nil
    #expect(seen == [1, 2, 1])
  }

  @Test("and says at the bottom whether more was there once")
  func trimmed() throws {
    var log = ListedLog()
    for _ in 0..<4 { log.add(from: "bob") }
    log.removeOldest(2)
    let first = try log.ask(ClientFrame.History(limit: 1)).answer
    #expect(first.next != nil)
    #expect(!first.trimmed)
    let last = try log.ask(ClientFrame.History(before: first.next)).answer
    #expect(last.next == nil)
    #expect(last.trimmed)
    log.removeOldest(2)
    let empty = try log.ask(ClientFrame.History()).answer
    #expect(empty.entries.isEmpty)
    #expect(empty.trimmed)
  }

  @Test("so that all pages are the whole, whatever is stored meanwhile", arguments: 0..<150)
  func model(seed: UInt64) throws {
    var random = SplitMix64(seed: seed &+ 1_000_000)
    var log = ListedLog(seed: seed, maximum: 1_300)
    let peer = Bool.random(using: &random) ? nil : UserName("peer\(seed % 5)")
    let expected = log.entries.reversed()
      .filter { peer == nil || $0.envelope?.sender == peer }.map(\.offset)
    let frameBytes = Bool.random(using: &random) ? 65_536 : 700
    var request = ClientFrame.History(peer: peer)
    var seen: [Offset] = []
    var requests = 0
    repeat {
      request.limit = Int.random(in: 1...100, using: &random)
      let (answer, bytes) = try log.ask(request, frameBytes: frameBytes)
      #expect(answer.entries.count <= request.limit)
      #expect(bytes <= frameBytes || answer.entries.count == 1)
      #expect(log.examined <= GatewayLimits.requestEntries)
      if let next = answer.next, let before = request.before { #expect(next < before) }
      #expect(answer.trimmed == (answer.next == nil && log.removed > .zero))
      seen += self.offsets(answer)
      request.before = answer.next
      requests += 1
      log.add(from: "peer1")
    } while request.before != nil && requests < 5_000
    #expect(seen == expected)
  }
}
