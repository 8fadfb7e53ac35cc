import ConnectProtocol
import MessageBus
import Testing

@testable import Gateway

@Suite("What peers are told of a connection")
struct PositionOutboxTests {
  let bob = UserName("bob")!
  let carol = UserName("carol")!

  private func offset(_ number: UInt64) -> Offset { Offset(milliseconds: number, sequence: 0) }

  private func message(_ peer: UserName, _ number: UInt64) -> PositionOutbox.Message {
    PositionOutbox.Message(peer: peer, offset: self.offset(number))
  }

  private func read(_ peer: UserName, _ number: UInt64, id: String? = nil, isPrivate: Bool = false)
    -> ClientFrame.Read
  {
    ClientFrame.Read(
      peer: peer, offset: self.offset(number), isPrivate: isPrivate,
      id: id.map { MessageID($0)! })
  }

  @Test("is told at once the first time, and with a tick what followed, as one")
  func coalesced() {
    var outbox = PositionOutbox()
    #expect(outbox.acked(self.offset(5), [self.message(self.bob, 5)]) == [self.bob])
    #expect(outbox.take(self.bob)?.told == .init(delivered: self.offset(5)))
    #expect(outbox.told(self.bob, isTaken: true) == nil)
    for number in UInt64(6)...9 {
      #expect(outbox.acked(self.offset(number), [self.message(self.bob, number)]) == [])
    }
    #expect(outbox.tick() == [self.bob])
    #expect(outbox.take(self.bob)?.told == .init(delivered: self.offset(9)))
    #expect(outbox.take(self.bob) == nil)
  }

  @Test("is nothing of one at rest, which goes on where it left off")
  func rest() {
    var outbox = PositionOutbox()
    #expect(outbox.isAtRest)
    _ = outbox.acked(self.offset(5), [self.message(self.bob, 5)])
    #expect(!outbox.isAtRest)
    _ = outbox.take(self.bob)
    _ = outbox.told(self.bob, isTaken: true)
    #expect(!outbox.isAtRest, "bob is told no more for a second")
    #expect(outbox.tick() == [])
    #expect(outbox.isAtRest)
    #expect(outbox.hasTold)
    var next = PositionOutbox(acked: self.offset(5), hasTold: outbox.hasTold)
    #expect(next.safe == outbox.safe)
    let hasTold = next.takeTold()
    #expect(hasTold)
    #expect(next.acked(self.offset(6), [self.message(self.bob, 6)]) == [self.bob])

    var looking = PositionOutbox()
    looking.skipped(from: self.offset(3))
    #expect(!looking.isAtRest)
    var closed = PositionOutbox()
    _ = closed.close()
    #expect(!closed.isAtRest)
    var erased = PositionOutbox()
    erased.erase()
    #expect(!erased.isAtRest)
  }

  @Test("of one peer does not wait for another's")
  func peers() {
    var outbox = PositionOutbox()
    let due = outbox.acked(
      self.offset(7),
      [self.message(self.carol, 5), self.message(self.bob, 6), self.message(self.carol, 7)])
    #expect(due == [self.carol, self.bob])
    #expect(outbox.take(self.carol)?.told.delivered == self.offset(7))
    #expect(outbox.take(self.bob)?.told.delivered == self.offset(6))
  }

  @Test("comes with a tick in the order of the messages, since the cursor waits for the lowest")
  func tickOrder() {
    let peers = (0..<64).map { UserName("peer\($0)")! }
    var outbox = PositionOutbox()
    for (number, peer) in peers.enumerated() {
      _ = outbox.acked(self.offset(1), [self.message(peer, 1)])
      _ = outbox.take(peer)
      _ = outbox.told(peer, isTaken: true)
      let at = UInt64(100 + (7 * number) % 64)
      // What is read has its place among the others.
      if number.isMultiple(of: 4) {
        _ = outbox.read(self.read(peer, at), delivered: nil)
      } else {
        _ = outbox.acked(self.offset(at), [self.message(peer, at), self.message(peer, 300)])
      }
    }
    #expect(outbox.tick() == peers.indices.map { peers[(55 * $0) % 64] })
  }

  @Test("holds the cursor back until the bus has it")
  func safe() {
    var outbox = PositionOutbox()
    _ = outbox.acked(self.offset(3), [])
    #expect(outbox.safe == self.offset(3))
    _ = outbox.acked(self.offset(9), [self.message(self.bob, 5), self.message(self.carol, 7)])
    #expect(outbox.safe == self.offset(5).predecessor)
    _ = outbox.take(self.bob)
    #expect(outbox.safe == self.offset(5).predecessor, "it is only under way")
    _ = outbox.told(self.bob, isTaken: true)
    #expect(outbox.safe == self.offset(7).predecessor)
    _ = outbox.take(self.carol)
    _ = outbox.told(self.carol, isTaken: true)
    #expect(outbox.safe == self.offset(9))
  }

  @Test("comes again after a failure, with what came meanwhile, and holds the cursor till then")
  func failure() {
    var outbox = PositionOutbox()
    _ = outbox.acked(self.offset(5), [self.message(self.bob, 5)])
    _ = outbox.take(self.bob)
    _ = outbox.acked(self.offset(6), [self.message(self.bob, 6)])
    #expect(outbox.told(self.bob, isTaken: false) == nil)
    #expect(outbox.safe == self.offset(5).predecessor)
    #expect(outbox.unsettled == 1)
    #expect(outbox.tick() == [self.bob])
    #expect(outbox.take(self.bob)?.told.delivered == self.offset(6))
    _ = outbox.told(self.bob, isTaken: true)
    #expect(outbox.safe == self.offset(6))
  }

  @Test("keeps nothing of peers once a tick finds nothing to tell")
  func idle() {
    var outbox = PositionOutbox()
    _ = outbox.acked(self.offset(5), [self.message(self.bob, 5)])
    _ = outbox.take(self.bob)
    _ = outbox.told(self.bob, isTaken: true)
    #expect(outbox.awaitsTick)
    #expect(outbox.tick() == [])
    #expect(!outbox.awaitsTick)
    #expect(outbox.acked(self.offset(6), [self.message(self.bob, 6)]) == [self.bob])
  }

  @Test("is all due when the connection ends")
  func close() {
    var outbox = PositionOutbox()
    _ = outbox.acked(self.offset(5), [self.message(self.bob, 5)])
    _ = outbox.take(self.bob)
    _ = outbox.told(self.bob, isTaken: true)
    #expect(outbox.acked(self.offset(6), [self.message(self.bob, 6)]) == [])
    #expect(outbox.close() == [self.bob])
    #expect(outbox.unsettled == 1)
    _ = outbox.take(self.bob)
    _ = outbox.told(self.bob, isTaken: true)
    #expect(outbox.unsettled == 0)
  }

  @Test("is nothing once the user is erased, and the cursor stays")
  func erase() {
    var outbox = PositionOutbox()
    _ = outbox.acked(self.offset(5), [self.message(self.bob, 5)])
    outbox.erase()
    #expect(outbox.take(self.bob) == nil)
    #expect(outbox.tick() == [])
    #expect(outbox.acked(self.offset(6), [self.message(self.bob, 6)]) == [])
    #expect(outbox.read(self.read(self.carol, 6), delivered: nil) == false)
    #expect(outbox.take(self.bob) == nil)
    #expect(outbox.tick() == [])
    #expect(outbox.close() == [])
    #expect(outbox.unsettled == 0)
  }

  @Test("of what is read comes before it is stored, and only then is the request answered")
  func reads() {
    var outbox = PositionOutbox()
    #expect(outbox.read(self.read(self.bob, 5, id: "r1"), delivered: self.offset(4)) == true)
    let entry = outbox.take(self.bob)
    #expect(entry?.told == .init(delivered: self.offset(4), read: self.offset(5)))
    let stored = outbox.told(self.bob, isTaken: true)
    #expect(stored?.mine == self.offset(5))
    #expect(stored?.isForPeer == false)
    #expect(outbox.unsettled == 1)
    #expect(outbox.stored(self.bob, isStored: true) == [MessageID("r1")])
    #expect(outbox.unsettled == 0)
  }

  @Test("of what is read in private is nothing")
  func privately() {
    var outbox = PositionOutbox()
    #expect(outbox.read(self.read(self.bob, 5, isPrivate: true), delivered: self.offset(4)) == true)
    let entry = outbox.take(self.bob)
    #expect(entry?.isForPeer == false)
    #expect(entry?.mine == self.offset(5))
    #expect(outbox.stored(self.bob, isStored: true) == [nil])
  }

  @Test("of what is read is not told again because it could not be stored")
  func unstored() {
    var outbox = PositionOutbox()
    _ = outbox.read(self.read(self.bob, 5, id: "r1"), delivered: nil)
    _ = outbox.take(self.bob)
    _ = outbox.told(self.bob, isTaken: true)
    #expect(outbox.read(self.read(self.bob, 4, id: "r2"), delivered: nil) == false)
    #expect(outbox.stored(self.bob, isStored: false) == [])
    #expect(outbox.tick() == [self.bob])
    let entry = outbox.take(self.bob)
    #expect(entry?.told == .init(read: self.offset(4)), "the later request's only")
    #expect(entry?.mine == self.offset(5))
    _ = outbox.told(self.bob, isTaken: true)
    #expect(outbox.stored(self.bob, isStored: true) == [MessageID("r1"), MessageID("r2")])
  }

  @Test("of what is read where nothing is, is nothing, but stored and answered")
  func readsNothing() {
    var outbox = PositionOutbox()
    #expect(outbox.read(self.read(self.bob, 0, id: "r1"), delivered: nil) == true)
    #expect(outbox.take(self.bob)?.isForPeer == false)
    _ = outbox.acked(self.offset(5), [self.message(self.bob, 5)])
    #expect(outbox.stored(self.bob, isStored: true) == [MessageID("r1")])
    #expect(outbox.read(self.read(self.bob, 0, id: "r2"), delivered: nil) == false)
    _ = outbox.tick()
    #expect(outbox.take(self.bob)?.told.delivered == self.offset(5))
    #expect(outbox.told(self.bob, isTaken: true)?.requests == [MessageID("r2")])
  }

  @Test("of what is read is paid for, until it is answered, and the requests are counted")
  func requests() {
    var outbox = PositionOutbox()
    _ = outbox.acked(self.offset(5), [self.message(self.bob, 5)])
    #expect(!outbox.hasRead(self.bob))
    _ = outbox.read(self.read(self.bob, 5, id: "r1"), delivered: nil)
    _ = outbox.read(self.read(self.bob, 5), delivered: nil)
    #expect(outbox.hasRead(self.bob))
    _ = outbox.take(self.bob)
    _ = outbox.read(self.read(self.carol, 5), delivered: nil)
    #expect(outbox.requests == 3)
    _ = outbox.told(self.bob, isTaken: false)
    #expect(outbox.hasRead(self.bob))
    #expect(outbox.requests == 3)
    _ = outbox.tick()
    _ = outbox.take(self.bob)
    _ = outbox.told(self.bob, isTaken: true)
    #expect(outbox.stored(self.bob, isStored: true).count == 2)
    #expect(outbox.requests == 1)
    outbox.erase()
    #expect(outbox.requests == 0)
  }

  @Test("is remembered of a bounded number of peers")
  func remembered() {
    var outbox = PositionOutbox()
    func isTold(_ number: Int) -> Bool {
      let peer = UserName("peer\(number)")!
      let due = outbox.acked(self.offset(5), [self.message(peer, 5)])
      _ = outbox.take(peer)
      _ = outbox.told(peer, isTaken: true)
      return due == [peer]
    }
    for number in 0..<GatewayLimits.rememberedPeers + 10 { #expect(isTold(number)) }
    #expect(outbox.unsettled == 0)
    #expect(!isTold(0), "it waits for the tick")
    #expect(isTold(GatewayLimits.rememberedPeers), "the first beyond")
  }

  @Test("of what was skipped holds the cursor back until it was looked at")
  func skipped() {
    var outbox = PositionOutbox()
    outbox.skipped(from: self.offset(2))
    _ = outbox.acked(self.offset(9), [])
    #expect(outbox.safe == self.offset(2))
    #expect(
      outbox.looked(through: self.offset(6), isLast: false, [self.message(self.bob, 4)])
        == [self.bob])
    #expect(outbox.safe == self.offset(4).predecessor)
    _ = outbox.take(self.bob)
    _ = outbox.told(self.bob, isTaken: true)
    #expect(outbox.safe == self.offset(6))
    #expect(outbox.looked(through: self.offset(7), isLast: true, []) == [])
    #expect(outbox.safe == self.offset(9))
  }

  @Test("is noted where it was told, once")
  func noted() {
    var outbox = PositionOutbox()
    _ = outbox.acked(self.offset(3), [])
    #expect(outbox.takeTold() == false)
    _ = outbox.acked(self.offset(5), [self.message(self.bob, 5)])
    _ = outbox.take(self.bob)
    _ = outbox.told(self.bob, isTaken: true)
    #expect(outbox.takeTold() == true)
    #expect(outbox.takeTold() == false)
  }
}
