import ConnectProtocol
import ConnectTestStand
import Gateway
import TestSupport
import Testing

@Suite("The pages of lists and history")
struct RequestTurnTests {
  /// A stand whose pages are held once all are connected.
  ///
  /// - Parameter turnMilliseconds: of a page that is not answered.
  private func with(
    turnMilliseconds: Int64, askers count: Int,
    _ body: (TestStand, HeldPages, _ askers: [TestSocket]) async throws -> Void
  ) async throws {
    let pages = HeldPages()
    var options = TestStand.Options()
    options.clients = { HoldingClients($0, pages) }
    options.configure = {
      $0.requestsPerSecond = 0
      $0.requestTurnMilliseconds = turnMilliseconds
    }
    try await TestStand.with(options) { stand in
      var askers: [TestSocket] = []
      for number in 0..<count {
        // Five pages.
        let offsets = try await stand.store(
          (0..<200).map { _ in ListedLog.message(from: "carol") }, for: "asker\(number)")
        let asker = try await stand.connect("asker\(number)", since: "\(offsets[199])")
        try await asker.expectWelcome()
        try await asker.expectLive()
        askers.append(asker)
      }
      try await body(stand, pages, askers)
    }
  }

  @Test("come one at a time to an event loop, and messages come between any two of them")
  func between() async throws {
    try await self.with(turnMilliseconds: 60_000, askers: 8) { stand, pages, askers in
      let alice = try await stand.online("alice")
      let bob = try await stand.online("bob")
      pages.hold()
      for asker in askers {
        for _ in 0..<2 { asker.ask("history", #","with":"nobody""#) }
      }
      for asker in askers { try await asker.expectOpen() }
      for number in 0..<20 {
        try await eventually("a page is read") { pages.held > 0 }
        alice.sendMessage("m\(number)", to: "bob")
        #expect(try await bob.expectMessage().id == "m\(number)")
        try await alice.expectAccepted("m\(number)")
        pages.handOn()
      }
      pages.handOn(andAll: true)
      for asker in askers {
        for _ in 0..<2 {
          let answer = try await asker.expectHistory().answer
          #expect(answer.entries == [] && answer.next == nil)
        }
      }
      #expect(pages.asked == 80)
      #expect(pages.mostUnderWay == GatewayLimits.concurrentRequestPages)
    }
  }

  @Test("do not wait long for one that Redis does not answer")
  func unanswered() async throws {
    try await self.with(turnMilliseconds: 1, askers: 4) { _, pages, askers in
      pages.hold()
      for asker in askers { asker.ask("history", #","with":"nobody""#) }
      try await eventually("the first page of each is read") { pages.asked == 4 }
      pages.handOn(andAll: true)
      for asker in askers { _ = try await asker.expectHistory() }
    }
  }
}
