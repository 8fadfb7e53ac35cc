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

  @Test("are few for lists, however many wait, and one more begins with each that ends")
  func bounded() {
    for (kind, maximum) in [
      (Turns.Kind.small, GatewayLimits.concurrentSmallRequestPages),
      (.large, GatewayLimits.concurrentRequestPages),
      (.extra, GatewayLimits.concurrentRequestPages),
    ] {
      var turns = Turns()
      for number in 0..<1_000 { turns.append("\(number)", kind) }
      var underWay = Self.take(&turns)
      #expect(underWay.count == maximum)
      var order = underWay.map(\.read)
      while order.count < 1_000 {
        #expect(!turns.hasNext)
        let first = underWay.removeFirst()
        let rests = turns.answered(first.turn)
        #expect(rests == (kind != .small))
        #expect(turns.hasNext == !rests)
        turns.end(first.turn)
        let next = Self.take(&turns)
        #expect(next.count == 1)
        underWay += next
        order += next.map(\.read)
        turns.end(first.turn)
      }
      #expect(order == (0..<1_000).map { "\($0)" })
    }
  }

  @Test("are apart for replays, small pages, large ones, and those of users who have read many")
  func apart() {
    var turns = Turns()
    for number in 0..<100 {
      turns.append("extra \(number)", .extra)
      turns.append("large \(number)", .large)
      turns.append("small \(number)", .small)
      turns.append("replay \(number)", .delivery)
    }
    let taken = Self.take(&turns)
    let (replays, small) = (
      GatewayLimits.concurrentPages, GatewayLimits.concurrentSmallRequestPages
    )
    #expect(
      taken.map(\.read) == (0..<replays).map { "replay \($0)" }
        + (0..<small).map { "small \($0)" }
        + (0..<GatewayLimits.concurrentRequestPages).map { "large \($0)" }
        + (0..<GatewayLimits.concurrentRequestPages).map { "extra \($0)" })
    for (index, next) in [(0, "replay \(replays)"), (replays, "small \(small)")] {
      let rests = turns.answered(taken[index].turn)
      #expect(!rests)
      #expect(Self.take(&turns).map(\.read) == [next])
    }
    let large = taken[replays + small].turn
    let rests = turns.answered(large)
    #expect(rests)
    turns.end(large)
    #expect(
      Self.take(&turns).map(\.read) == ["large \(GatewayLimits.concurrentRequestPages)"])
  }

  @Test("last longer, the more of the kind a user has read")
  func rest() {
    var turns = Turns()
    for kind in [Turns.Kind.delivery, .small, .large, .extra] { turns.append("a", kind) }
    let rests = Self.take(&turns).map { $0.turn.rest(after: .microseconds(100)) }
    #expect(rests == [0, 0, 200, 2_000].map { .microseconds($0) })
  }

  @Test("come page by page to requests of several pages")
  func inTurn() {
    var turns = Turns()
    for name in ["a", "b", "c"] { turns.append("\(name)1", .large) }
    var order: [String] = []
    while let (read, turn) = turns.next(now: .uptimeNanoseconds(1)) {
      order.append(read)
      if read.hasSuffix("1") { turns.append("\(read.prefix(1))2", .large) }
      if turns.answered(turn) { turns.end(turn) }
    }
    #expect(order == ["a1", "b1", "c1", "a2", "b2", "c2"])
  }

  @Test("end for a list that has no answer for too long, not for a replay nor for one that rests")
  func overdue() throws {
    let times = [1, 5, 9].map { NIODeadline.uptimeNanoseconds($0) }
    var turns = Turns()
    turns.append("replay", .delivery)
    for number in 1...4 { turns.append("list \(number)", .large) }
    let replay = turns.next(now: times[0])
    #expect(replay?.read == "replay")
    let first = turns.next(now: times[1])
    let late = try #require(first)
    #expect(late.read == "list 1")
    turns.endUnansweredRequests(since: times[0])
    #expect(!turns.hasNext)
    turns.endUnansweredRequests(since: times[1])
    #expect(!turns.hasUnansweredRequest)
    let second = turns.next(now: times[2])
    let next = try #require(second)
    #expect(next.read == "list 2")
    // Its answer comes after all, and ends nobody else's turn.
    let lateRests = turns.answered(late.turn)
    #expect(!lateRests)
    #expect(turns.hasUnansweredRequest)
    let rests = turns.answered(next.turn)
    #expect(rests)
    turns.endUnansweredRequests(since: times[2])
    #expect(!turns.hasNext)
    turns.end(next.turn)
    let third = turns.next(now: times[2])
    #expect(third?.read == "list 3")
    for _ in 0..<GatewayLimits.concurrentPages { turns.append("replay", .delivery) }
    #expect(Self.take(&turns).count == GatewayLimits.concurrentPages - 1)
  }

  @Test("are not given while many lists have no answer, and are again when one has")
  func manyOverdue() {
    for kind in [Turns.Kind.small, .large, .extra] {
      var turns = Turns()
      for number in 0..<1_000 { turns.append("\(number)", kind) }
      var begun: [Turns.Turn] = []
      for _ in 0..<1_000 {
        begun += Self.take(&turns).map(\.turn)
        turns.endUnansweredRequests(since: .uptimeNanoseconds(1))
      }
      #expect(begun.count == GatewayLimits.overdueRequestPages)
      let rests = turns.answered(begun[0])
      #expect(!rests)
      let next = turns.next(now: .uptimeNanoseconds(1))
      #expect(next?.read == "\(begun.count)")
    }
  }
}
