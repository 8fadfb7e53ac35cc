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

  @Test("a load is sound only if nothing is lost, repeated, reordered or of nobody")
  func sound() {
    #expect(Ledger.Totals(accepted: 5, refused: 1).isSound)
    for totals in [
      Ledger.Totals(lost: 1), .init(repeated: 1), .init(reordered: 1), .init(garbled: 1),
    ] {
      #expect(!totals.isSound, "\(totals)")
      #expect(!Self.report(totals).isSound, "\(totals)")
    }
    #expect(Self.report(.init()).isSound)
  }

  private static func report(_ totals: Ledger.Totals) -> BenchReport {
    let reading = StandReading(time: .now, usages: [:], roles: [:], primaries: [])
    return BenchReport(
      setup: BenchSetup(
        gateways: 1, messaging: 1, partitions: 1, primaries: 1, redis: "plain", aof: "no"),
      connections: 2, pace: .open(rate: 1), bodyBytes: 2,
      load: MeasuredLoad(
        before: reading, after: reading,
        sent: .init(duration: .seconds(1), delivered: 0, generatorShare: 0),
        totals: totals, latencies: Latencies()),
      asking: nil, processes: [])
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
