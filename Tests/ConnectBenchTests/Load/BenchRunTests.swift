import ConnectClient
import ConnectProtocol
import NIOEmbedded
import NIOPosix
import Settings
import Testing

@testable import ConnectBench

@Suite("A closed loop")
struct ClosedLoopTests {
  private let eventLoop = EmbeddedEventLoop()
  private let run: BenchRun

  init() {
    self.run = BenchRun(eventLoop: self.eventLoop, bodyBytes: 2)
    self.run.addPair(number: 0, names: [UserName("one")!, UserName("two")!])
  }

  @Test("keeps a window of messages of each user under way")
  func window() {
    let sent = self.run.send(.closed(window: 3), seconds: 60)
    #expect(self.run.ledger.totals.sent == 6)
    self.run.finished(in: 0)
    self.run.finished(in: 0)
    self.run.finished(in: 1)
    #expect(self.run.ledger.totals.sent == 9)
    self.run.stopSending()
    self.run.finished(in: 0)
    #expect(self.run.ledger.totals.sent == 9)
    self.eventLoop.advanceTime(by: .seconds(1))
    #expect(throws: Never.self) { try sent.wait() }
  }

  @Test("ends with the first rejection, and answers none with another message")
  func rejection() {
    let sent = self.run.send(.closed(window: 3), seconds: 60)
    self.run.rejected("overloaded")
    self.run.rejected("unavailable")
    self.run.finished(in: 0)
    #expect(self.run.rejection == "overloaded")
    #expect(self.run.ledger.totals.sent == 6 && self.run.ledger.totals.refused == 2)
    self.eventLoop.advanceTime(by: .seconds(1))
    #expect(throws: Never.self) { try sent.wait() }
  }

  @Test("that fills mailboxes sends so many of each conversation, and no more")
  func fill() {
    self.run.fill(window: 2) { $0 == 0 ? 3 : 1 }
    #expect(self.run.ledger.totals.sent == 3)
    for _ in 0..<5 { self.run.finished(in: 0) }
    self.run.finished(in: 1)
    #expect(self.run.ledger.totals.sent == 4)
    // At a rate a rejection is only counted.
    let sent = self.run.send(.open(rate: 1), seconds: 1)
    self.run.rejected("overloaded")
    #expect(self.run.rejection == nil && self.run.ledger.totals.sent == 5)
    self.eventLoop.advanceTime(by: .seconds(1))
    #expect(throws: Never.self) { try sent.wait() }
  }

  @Test("is warmed up so that mailboxes are evenly spread between two trims")
  func warmUp() {
    let counts = (0..<200).map { WarmUp.count(of: $0, users: 200) }
    #expect(counts.first == 64 && counts.last == 64 + 254 && counts.reduce(0, +) < 40_000)
    // Many users write less each.
    #expect((0..<10_000).reduce(0) { $0 + WarmUp.count(of: $1, users: 10_000) } <= 500_000)
    #expect(WarmUp.count(of: 0, users: 1_000_000) == 1)
  }
}

@Suite("What is under way")
struct SettlingTests {
  private let run = BenchRun(
    eventLoop: MultiThreadedEventLoopGroup.singleton.next(), bodyBytes: 2)

  /// A message that is accepted and not delivered.
  private func send() async throws -> Ledger.Place {
    try await self.run.eventLoop.submit { [run] in
      run.addPair(number: 0, names: [UserName("one")!, UserName("two")!])
      let place = Ledger.Place(conversation: 0, number: run.ledger.next(in: 0))
      run.ledger.accepted(place)
      return place
    }.get()
  }

  @Test("is waited for")
  func arrival() async throws {
    let place = try await self.send()
    async let settled: Void = MeasuredLoad.settle(self.run)
    try await self.run.eventLoop.submit { [run] in
      _ = run.ledger.shown(place, on: 0, latency: nil)
    }.get()
    try await settled
    let lost = try await self.run.eventLoop.submit { [run] in run.ledger.totals.lost }.get()
    #expect(lost == 0)
    try await self.run.requireConnected()
  }

  @Test(
    "is not waited for when a connection has ended, which is the error", .timeLimit(.minutes(20)))
  func disconnect() async throws {
    _ = try await self.send()
    try await self.run.eventLoop.submit { [run] in
      run.ended(EndedConnection(end: .lost("cut")))
    }.get()
    try await MeasuredLoad.settle(self.run)
    let failure = await #expect(throws: Failure.self) { try await self.run.requireConnected() }
    #expect(failure?.description.contains("a connection ended while messages were sent") == true)
  }
}
