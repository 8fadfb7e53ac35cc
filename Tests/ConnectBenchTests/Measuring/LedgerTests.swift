import Testing

@testable import ConnectBench

/// The counts of `connect-bench chat`, without a lock.
@Suite("The ledger")
struct LedgerTests {
  private var ledger = Ledger()
  private let one: Int
  private let other: Int

  init() {
    self.one = self.ledger.add(devices: 1)
    self.other = self.ledger.add(devices: 1)
  }

  private mutating func send(_ count: Int) -> [Ledger.Place] {
    (0..<count).map { _ in
      Ledger.Place(conversation: self.one, number: self.ledger.next(in: self.one))
    }
  }

  @Test("what was accepted and is shown in order is neither lost, repeated nor reordered")
  mutating func inOrder() {
    for place in self.send(3) {
      self.ledger.accepted(place)
      #expect(self.ledger.totals.lost == 1)
      #expect(self.ledger.shown(place, on: 0, latency: 2_000_000) == .first)
      #expect(self.ledger.totals.lost == 0)
    }
    let totals = self.ledger.totals
    #expect(totals.sent == 3 && totals.accepted == 3 && totals.shown == 3)
    #expect(totals.unanswered == 0 && totals.repeated == 0 && totals.reordered == 0)
    #expect(self.ledger.latencies.longest >= .milliseconds(2))
    #expect(self.ledger.latencies.longest < .milliseconds(2.1))
  }

  @Test("what comes behind a later one is reordered, and what comes twice is repeated")
  mutating func judged() {
    let places = self.send(3)
    #expect(self.ledger.shown(places[1], on: 0, latency: nil) == .first)
    #expect(self.ledger.shown(places[0], on: 0, latency: nil) == .late(1))
    #expect(self.ledger.shown(places[2], on: 0, latency: nil) == .first)
    #expect(self.ledger.shown(places[1], on: 0, latency: 1) == .again)
    #expect(self.ledger.totals.reordered == 1 && self.ledger.totals.repeated == 1)
    #expect(self.ledger.totals.shown == 3)
    #expect(self.ledger.latencies.isEmpty, "a repeat has no latency")
  }

  @Test("what was sent before its sender was too late may be in another order, and nothing else")
  mutating func excused() {
    let places = self.send(2)
    self.ledger.excuseOrder(in: self.one)
    let later = self.send(2)
    #expect(self.ledger.shown(places[1], on: 0, latency: nil) == .first)
    #expect(self.ledger.shown(places[0], on: 0, latency: nil) == .excused)
    #expect(self.ledger.shown(places[0], on: 0, latency: nil) == .again)
    #expect(self.ledger.shown(later[1], on: 0, latency: nil) == .first)
    #expect(self.ledger.shown(later[0], on: 0, latency: nil) == .late(3))
    #expect(self.ledger.totals.excused == 1 && self.ledger.totals.reordered == 1)
  }

  @Test("what nobody sent is garbled, and what is accepted twice counts once")
  mutating func unknown() {
    let places = self.send(1)
    for number in [-1, 1] {
      let place = Ledger.Place(conversation: self.one, number: number)
      #expect(self.ledger.shown(place, on: 0, latency: nil) == .unknown)
    }
    let elsewhere = Ledger.Place(conversation: self.other, number: 0)
    #expect(self.ledger.shown(elsewhere, on: 0, latency: nil) == .unknown)
    #expect(self.ledger.totals.garbled == 3)
    let isNew = [self.ledger.accepted(places[0]), self.ledger.accepted(places[0])]
    #expect(isNew == [true, false])
    #expect(self.ledger.totals.accepted == 1 && self.ledger.totals.lost == 1)
  }

  @Test("a refused message is answered, and no message is expected for it")
  mutating func refused() {
    _ = self.send(1)
    #expect(self.ledger.totals.unanswered == 1)
    self.ledger.refused()
    #expect(self.ledger.totals.unanswered == 0 && self.ledger.totals.lost == 0)
  }

  @Test("the counts of one load are those since the one before, but for what is still missing")
  mutating func since() {
    let places = self.send(3)
    for place in places { self.ledger.accepted(place) }
    self.ledger.shown(places[0], on: 0, latency: nil)
    let before = self.ledger.totals
    self.ledger.shown(places[1], on: 0, latency: nil)
    self.ledger.accepted(self.send(1)[0])
    let totals = self.ledger.totals.since(before)
    #expect(totals.sent == 1 && totals.accepted == 1 && totals.shown == 1)
    #expect(totals.lost == 2 && totals.unanswered == 0)
  }
}
