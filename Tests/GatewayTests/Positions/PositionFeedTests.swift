import ConnectProtocol
import MessageBus
import Testing

@testable import Gateway

@Suite("The rows that a connection is told")
struct PositionFeedTests {
  private func table(top: UInt64, _ rows: (String, UInt64)...) -> Positions.Table {
    var table = Positions.Table()
    table.summary.top = top
    table.rows = rows.map { name, stamp in
      (
        UserName(name)!,
        Positions.Row(delivered: .zero, read: .zero, mine: .zero, stamp: stamp)
      )
    }
    return table
  }

  @Test("on opening are those above the client's stamp, in order")
  func opening() {
    var feed = PositionFeed(after: 5, top: 9)
    #expect(feed.read(canWrite: true) == true)
    feed.arrived(self.table(top: 9, ("dora", 9), ("bob", 4), ("carol", 7)))
    #expect(feed.rest() == ["carol", "dora"])
    #expect(feed.told == 9)
    #expect(feed.state == .current)
  }

  @Test("on opening are none if the client has all, or asks for none", arguments: [9, nil])
  func nothing(stamp: UInt64?) {
    var feed = PositionFeed(after: stamp, top: 9)
    #expect(feed.state == .current)
    #expect(feed.read(canWrite: true) == false)
    #expect(feed.told == 9)
  }

  @Test("on opening are all if the client's stamp is none of these positions")
  func otherPositions() {
    var feed = PositionFeed(after: 12, top: 9)
    #expect(feed.read(canWrite: true) == true)
    feed.arrived(self.table(top: 9, ("bob", 4), ("carol", 9)))
    #expect(feed.rest() == ["bob", "carol"])
  }

  @Test("are those behind the stamp of a feed at rest, of which nothing else is to be known")
  func atRest() {
    var feed = PositionFeed(after: 5, top: 9)
    #expect(feed.stampAtRest == nil)
    _ = feed.read(canWrite: true)
    #expect(feed.stampAtRest == nil)
    feed.arrived(self.table(top: 9, ("dora", 9)))
    #expect(feed.stampAtRest == nil, "dora's row is not told yet")
    _ = feed.rest()
    #expect(feed.stampAtRest == 9)
    var next = PositionFeed(after: 9, top: 9)
    #expect(next.hasCaughtUp)
    #expect(next.moved(10, after: 9, canWrite: true) == .tell)
    #expect(next.moved(12, after: 11, canWrite: true) == .read)
    #expect(next.stampAtRest == nil)
  }

  @Test("follow one another as long as none is missing")
  func pushed() {
    var feed = PositionFeed(after: nil, top: 9)
    #expect(feed.moved(10, after: 9, canWrite: true) == .tell)
    #expect(feed.moved(10, after: 9, canWrite: true) == .none, "it was told")
    #expect(feed.moved(15, after: 10, canWrite: true) == .tell)
    #expect(feed.moved(20, after: 17, canWrite: true) == .read)
    #expect(feed.told == 15)
    let next = feed.moved(21, after: 20, canWrite: true)
    #expect(next == .read, "nothing is told before what is missing")
    #expect(feed.read(canWrite: true) == true)
    feed.arrived(self.table(top: 21, ("bob", 17), ("carol", 21)))
    #expect(feed.rest() == ["bob", "carol"])
    #expect(feed.moved(22, after: 21, canWrite: true) == .tell)
  }

  @Test("wait for a socket that takes no more")
  func slow() {
    var feed = PositionFeed(after: nil, top: 9)
    #expect(feed.moved(10, after: 9, canWrite: false) == .read)
    #expect(feed.read(canWrite: false) == false)
    #expect(feed.read(canWrite: true) == true)
  }

  @Test("are read again if one has moved since they were read")
  func meanwhile() {
    var feed = PositionFeed(after: 5, top: 9)
    _ = feed.read(canWrite: true)
    #expect(feed.moved(10, after: 9, canWrite: true) == .none)
    feed.arrived(self.table(top: 9, ("bob", 9)))
    #expect(feed.rest() == ["bob"])
    #expect(feed.state == .behind)
    #expect(feed.told == 9)
    #expect(feed.read(canWrite: true) == true)
    feed.arrived(self.table(top: 10, ("bob", 10)))
    #expect(feed.rest() == ["bob"])
    #expect(feed.state == .current)
  }

  @Test("are read again, after the others, if one has moved while they were told")
  func meanwhileTelling() {
    var feed = PositionFeed(after: 5, top: 9)
    _ = feed.read(canWrite: true)
    feed.arrived(self.table(top: 9, ("bob", 8), ("carol", 9)))
    #expect(feed.next(canWrite: true)?.peer.text == "bob")
    #expect(feed.moved(10, after: 9, canWrite: true) == .none)
    #expect(feed.told == 8)
    #expect(feed.read(canWrite: true) == false)
    #expect(feed.rest() == ["carol"])
    #expect(feed.state == .behind)
    #expect(feed.hasCaughtUp == false)
  }

  @Test("that none is left of any more are as good as told")
  func gone() {
    var feed = PositionFeed(after: 5, top: 9)
    _ = feed.read(canWrite: true)
    feed.arrived(self.table(top: 9))
    #expect(feed.state == .current)
    #expect(feed.told == 9)
    #expect(feed.hasCaughtUp)
  }

  @Test("are found by a look at the highest stamp")
  func compared() {
    var feed = PositionFeed(after: nil, top: 9)
    #expect(feed.compared(with: 9) == .none)
    #expect(feed.compared(with: 10) == .read)
    #expect(feed.read(canWrite: true) == true)
    feed.failed()
    #expect(feed.state == .behind)
  }

  @Test("are told as the socket takes them, from one reading, with the floor")
  func portions() {
    var feed = PositionFeed(after: 0, top: 4)
    #expect(feed.read(canWrite: true) == true)
    var table = self.table(top: 4, ("dora", 4), ("bob", 1), ("carol", 3))
    table.summary.floor = Offset(milliseconds: 2, sequence: 3)
    feed.arrived(table)
    #expect(feed.next(canWrite: true)?.floor == table.summary.floor)
    #expect(feed.told == 1)
    #expect(feed.next(canWrite: false)?.peer == nil)
    #expect(feed.read(canWrite: true) == false, "they are there")
    #expect(feed.rest() == ["carol", "dora"])
    #expect(feed.state == .current)
  }
}

extension PositionFeed {
  /// The peers of all that it has to tell.
  fileprivate mutating func rest() -> [String] {
    var peers: [String] = []
    while let told = self.next(canWrite: true) { peers.append(told.peer.text) }
    return peers
  }
}
