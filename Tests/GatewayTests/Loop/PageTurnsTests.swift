import NIOCore
import Testing

@testable import Gateway

@Suite("The turns of an event loop's reads")
struct PageTurnsTests {
  private typealias Turns = PageTurns<String>

  private static func take(_ turns: inout Turns) -> [(read: String, turn: Turns.Turn)] {
    var reads: [(String, Turns.Turn)] = []
    while let read = turns.next(now: .uptimeNanoseconds(1)) { reads.append(read) }
    return reads
  }

  @Test("has few pages of lists under way, however many wait, and one more for each turn that ends")
  func bounded() {
    var turns = Turns()
    for number in 0..<1_000 { turns.append("\(number)", .request) }
    var underWay = Self.take(&turns)
    #expect(underWay.count == GatewayLimits.concurrentRequestPages)
    var order = underWay.map(\.read)
    while order.count < 1_000 {
      #expect(!turns.hasNext)
      let first = underWay.removeFirst()
      // Answered, and later its time is over, or the other way round.
      turns.end(first.turn)
      turns.end(first.turn)
      #expect(turns.hasNext)
      let next = Self.take(&turns)
      #expect(next.count == 1)
      underWay += next
      order += next.map(\.read)
      turns.end(first.turn)
    }
    #expect(order == (0..<1_000).map { "\($0)" })
  }

  @Test("has no replay wait for lists, and no list for replays")
  func apart() {
    var turns = Turns()
    for number in 0..<100 { turns.append("list \(number)", .request) }
    let list = Self.take(&turns)[0]
    for number in 0..<100 { turns.append("replay \(number)", .delivery) }
    let replays = Self.take(&turns)
    #expect(replays.map(\.read) == (0..<GatewayLimits.concurrentPages).map { "replay \($0)" })
    turns.end(list.turn)
    #expect(
      Self.take(&turns).map(\.read) == ["list \(GatewayLimits.concurrentRequestPages)"])
    turns.end(replays[0].turn)
    #expect(Self.take(&turns).map(\.read) == ["replay \(GatewayLimits.concurrentPages)"])
  }

  @Test("has requests of several pages take turns, page by page")
  func inTurn() {
    var turns = Turns()
    for name in ["a", "b", "c"] { turns.append("\(name)1", .request) }
    var order: [String] = []
    while let (read, turn) = turns.next(now: .uptimeNanoseconds(1)) {
      order.append(read)
      if read.hasSuffix("1") { turns.append("\(read.prefix(1))2", .request) }
      turns.end(turn)
    }
    #expect(order == ["a1", "b1", "c1", "a2", "b2", "c2"])
  }

  @Test("end for lists that have them for too long, and for no replay")
  func overdue() {
    let times = [1, 5, 9].map { NIODeadline.uptimeNanoseconds($0) }
    var turns = Turns()
    turns.append("replay", .delivery)
    turns.append("list 1", .request)
    turns.append("list 2", .request)
    #expect(turns.next(now: times[0])?.read == "replay")
    let late = turns.next(now: times[1])
    #expect(late?.read == "list 1")
    turns.endRequests(since: times[0])
    #expect(!turns.hasNext)
    turns.endRequests(since: times[1])
    #expect(!turns.hasRequestUnderWay)
    #expect(turns.next(now: times[2])?.read == "list 2")
    // Its answer comes after all, and ends nobody else's turn.
    if let late { turns.end(late.turn) }
    #expect(turns.hasRequestUnderWay)
    for _ in 0..<GatewayLimits.concurrentPages { turns.append("replay", .delivery) }
    #expect(Self.take(&turns).count == GatewayLimits.concurrentPages - 1)
  }
}
