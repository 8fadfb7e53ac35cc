import BusTestSupport
import ConnectProtocol
import MessageBus
import SeededRandom
import TestSupport
import Testing

@testable import Gateway

@Suite("The list of conversations is put together")
struct ConversationFoldTests {
  private func peers(_ answer: ServerFrame.Conversations) -> [String] {
    answer.items.map(\.peer.text)
  }

  private func unread(_ answer: ServerFrame.Conversations) -> [Int] { answer.items.map(\.unread) }

  @Test("by the newest message, whoever wrote it, that is not quiet")
  func order() throws {
    var log = ListedLog()
    log.add(from: "alice")
    log.add(from: "bob")
    log.add(to: "carol")
    log.add(from: "alice")
    log.add(from: "bob", quiet: true)
    log.add(to: "carol", quiet: true)
    log.add(ListedLog.failed(to: "dave"))
    let answer = try log.ask(ClientFrame.Conversations()).answer
    #expect(self.peers(answer) == ["alice", "carol", "bob"])
    #expect(answer.items.map(\.last?.offset) == [offset(4), offset(3), offset(2)])
    #expect(self.unread(answer) == [2, 0, 1])
    #expect(answer.items.allSatisfy { !$0.unreadIsMore })
    #expect(answer.next == nil)
    #expect(log.reads.map(\.hasTable) == [true])
  }

  @Test("with what is above how far the user has read: in this conversation, or by the floor")
  func unread() throws {
    var log = ListedLog()
    for _ in 0..<3 { for peer in ["alice", "bob", "carol"] { log.add(from: peer) } }
    log.setRow("alice", mine: offset(4), stamp: 1)
    log.setRow("bob", mine: offset(8), stamp: 2)
    log.setRow("carol", delivered: offset(99), stamp: 3)
    log.table.summary.floor = offset(5)
    let answer = try log.ask(ClientFrame.Conversations()).answer
    #expect(self.peers(answer) == ["carol", "bob", "alice"])
    #expect(self.unread(answer) == [2, 0, 1])
    #expect(answer.items.map(\.mine) == [nil, offset(8), offset(4)])
    #expect(answer.items.map(\.delivered) == [offset(99), nil, nil])
  }

  @Test("and nothing is unread of what one writes to oneself")
  func oneself() throws {
    var log = ListedLog()
    log.add(from: "me")
    log.removed = offset(0, 1)
    let answer = try log.ask(ClientFrame.Conversations()).answer
    #expect(self.peers(answer) == ["me"])
    #expect(self.unread(answer) == [0])
    #expect(!answer.items[0].unreadIsMore)
  }

  @Test("with unread counted on below the last conversation, until there is none or at the bound")
  func further() throws {
    var log = ListedLog()
    for _ in 0..<200 { log.add(from: "alice") }
    log.add(from: "bob")
    for _ in 0..<300 { log.add(from: "alice") }
    log.setRow("alice", mine: offset(100), stamp: 1)
    var answer = try log.ask(ClientFrame.Conversations(limit: 1)).answer
    #expect(self.unread(answer) == [400])
    #expect(!answer.items[0].unreadIsMore)
    #expect(answer.next == .log(below: offset(201, 1)))
    answer = try log.ask(ClientFrame.Conversations(limit: 1, before: answer.next)).answer
    #expect(self.peers(answer) == ["bob"])
    log.table.rows = []
    for _ in 0..<100 { log.add(from: "alice") }
    answer = try log.ask(ClientFrame.Conversations(limit: 2)).answer
    #expect(self.unread(answer) == [511, 1])
    #expect(answer.items.map(\.unreadIsMore) == [true, true])
  }

  @Test("and looks no further than it must")
  func early() throws {
    var log = ListedLog()
    for number in 0..<500 { log.add(from: "peer\(number % 20)") }
    for number in 0..<20 { log.setRow("peer\(number)", mine: offset(490), stamp: 1) }
    let answer = try log.ask(ClientFrame.Conversations(limit: 10)).answer
    #expect(log.examined == 16)
    #expect(answer.next == .log(below: offset(490, 1)))
    #expect(answer.items.allSatisfy { $0.unread == 1 && !$0.unreadIsMore })
  }

  @Test("with the hint that there is more where one peer hides all others, and these come next")
  func hidden() throws {
    var log = ListedLog()
    log.add(from: "bob")
    for _ in 0..<600 { log.add(from: "loud") }
    let first = try log.ask(ClientFrame.Conversations()).answer
    #expect(self.peers(first) == ["loud"])
    #expect(self.unread(first) == [512])
    #expect(first.items[0].unreadIsMore)
    let second = try log.ask(ClientFrame.Conversations(before: first.next)).answer
    #expect(self.peers(second) == ["loud", "bob"])
    #expect(second.next == nil)
  }

  @Test("with the same hint where what was not read is no longer kept")
  func trimmed() throws {
    var log = ListedLog()
    for peer in ["bob", "alice", "bob", "alice", "bob"] { log.add(from: peer) }
    log.setRow("alice", mine: offset(2), stamp: 1)
    log.setRow("bob", mine: offset(1), stamp: 2)
    log.removeOldest(2)
    let answer = try log.ask(ClientFrame.Conversations()).answer
    #expect(self.peers(answer) == ["bob", "alice"])
    #expect(self.unread(answer) == [2, 1])
    #expect(answer.items.map(\.unreadIsMore) == [true, false])
  }

  @Test("and goes on with positions of which no message is kept, those that moved last first")
  func rows() throws {
    var log = ListedLog()
    log.add(from: "alice")
    for (peer, stamp) in [("bob", 5), ("alice", 9), ("carol", 7), ("dave", 6)] as [(String, UInt64)]
    {
      log.setRow(peer, mine: offset(0, 1), stamp: stamp)
    }
    log.removed = offset(0, 9)
    let whole = try log.ask(ClientFrame.Conversations()).answer
    #expect(self.peers(whole) == ["alice", "carol", "dave", "bob"])
    #expect(whole.items.map { $0.last != nil } == [true, false, false, false])
    #expect(whole.items.map(\.unreadIsMore) == [true, false, false, false])
    #expect(whole.next == nil)
    let first = try log.ask(ClientFrame.Conversations(limit: 1)).answer
    #expect(first.next == .positions(below: 8))
    let second = try log.ask(ClientFrame.Conversations(limit: 2, before: first.next)).answer
    #expect(self.peers(second) == ["carol", "dave"])
    #expect(log.reads == [LogLook.Read(hasTable: true)])
    let third = try log.ask(ClientFrame.Conversations(limit: 2, before: second.next)).answer
    #expect(self.peers(third) == ["bob"])
    #expect(third.next == nil)
  }

  @Test("within the size of a frame, but for a single conversation that is larger")
  func frames() throws {
    var log = ListedLog()
    for number in 0..<4 {
      log.add(from: "peer\(number)", body: "\"\(String(repeating: "x", count: 1_000))\"")
    }
    log.add(from: "large", body: "\"\(String(repeating: "x", count: 6_000))\"")
    for number in 0..<40 { log.setRow("row\(number)", stamp: UInt64(number) + 1) }
    var request = ClientFrame.Conversations()
    var seen: [String] = []
    repeat {
      let (answer, bytes) = try log.ask(request, frameBytes: 4_096)
      #expect(bytes <= 4_096 || answer.items.count == 1)
      #expect(!answer.items.isEmpty)
      for peer in self.peers(answer) where !seen.contains(peer) { seen.append(peer) }
      request.before = answer.next
    } while request.before != nil
    #expect(Array(seen.prefix(5)) == ["large", "peer3", "peer2", "peer1", "peer0"])
    #expect(seen.count == 45)
  }

  /// What a list is by its definition.
  private struct Naive {
    let last: Offset?
    let unread: Int
    let readThrough: Offset
  }

  private func naive(_ log: ListedLog) -> [(peer: String, item: Naive)] {
    var order: [UserName] = []
    var last: [UserName: Offset] = [:]
    let rows = Dictionary(uniqueKeysWithValues: log.table.rows.map { ($0.peer, $0.row) })
    func readThrough(_ peer: UserName) -> Offset {
      guard let row = rows[peer], row.mine > .zero else { return log.table.summary.floor }
      return row.mine
    }
    let loud = log.entries.filter {
      ($0.envelope?.kind == .message || $0.envelope?.kind == .sent)
        && $0.envelope?.flags.contains(.quiet) == false
    }
    for entry in loud.reversed() {
      let peer = entry.envelope!.sender!
      if last[peer] == nil { order.append(peer) }
      last[peer] = last[peer] ?? entry.offset
    }
    let silent = log.table.rows.sorted { $0.row.stamp > $1.row.stamp }.map(\.peer)
      .filter { last[$0] == nil }
    return (order + silent).map { peer in
      let unread = loud.count {
        $0.envelope!.kind == .message && $0.envelope!.sender == peer && peer != ListedLog.owner
          && $0.offset > readThrough(peer)
      }
      return (
        peer.text,
        Naive(last: last[peer], unread: unread, readThrough: readThrough(peer))
      )
    }
  }

  @Test("so that all pages are the whole, whatever is stored meanwhile", arguments: 0..<80)
  func model(seed: UInt64) throws {
    var random = SplitMix64(seed: seed &+ 2_000_000)
    var log = ListedLog(seed: seed, maximum: seed % 2 == 0 ? 300 : 1_300)
    let expected = self.naive(log)
    let all = log.entries.count
    // As many requests as a small frame needs take long in a large mailbox.
    let frameBytes = seed % 4 == 0 ? 1_200 : 65_536
    var request = ClientFrame.Conversations()
    var seen: [ServerFrame.Conversation] = []
    var requests = 0
    repeat {
      request.limit = Int.random(in: 1...50, using: &random)
      let (answer, bytes) = try log.ask(request, frameBytes: frameBytes)
      #expect(answer.items.count <= request.limit)
      #expect(bytes <= frameBytes || answer.items.count == 1)
      #expect(log.examined <= GatewayLimits.requestEntries)
      for item in answer.items where !seen.contains(where: { $0.peer == item.peer }) {
        seen.append(item)
      }
      request.before = answer.next
      requests += 1
      log.add(from: "peer1")
      log.add(to: "new")
    } while request.before != nil && requests < 3_000
    #expect(request.before == nil)
    #expect(seen.map(\.peer.text) == expected.map(\.peer))
    for (item, (peer, naive)) in zip(seen, expected) {
      #expect(item.last?.offset == naive.last, "\(peer)")
      #expect(item.unread <= naive.unread, "\(peer)")
      if item.unread < naive.unread { #expect(item.unreadIsMore, "\(peer)") }
      let isComplete = naive.last == nil || peer == "me" || naive.readThrough >= log.removed
      if all <= 300 { #expect(item.unreadIsMore == !isComplete, "\(peer)") }
    }
  }
}
