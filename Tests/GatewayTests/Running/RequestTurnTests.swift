import ConnectProtocol
import ConnectTestStand
import Gateway
import TestSupport
import Testing

@Suite("The pages of lists and history")
struct RequestTurnTests {
  /// A stand whose pages are held once all are connected.
  ///
  /// - Parameters:
  ///   - turnMilliseconds: of a page that is not answered.
  ///   - largePagesPerSecond: that a user may have of the turns that all share.
  private func with(
    turnMilliseconds: Int64, largePagesPerSecond: Double = GatewayLimits.largePagesPerSecond,
    askers count: Int,
    _ body: (TestStand, HeldPages, _ askers: [TestSocket]) async throws -> Void
  ) async throws {
    let pages = HeldPages()
    var options = TestStand.Options()
    options.clients = { HoldingClients($0, pages) }
    options.configure = {
      $0.requestsPerSecond = 0
      $0.requestTurnMilliseconds = turnMilliseconds
      $0.largePagesPerSecond = largePagesPerSecond
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

  @Test("come few at a time to an event loop, and messages come between them")
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
      // Of both sizes at once.
      let maximum = GatewayLimits.concurrentRequestPages + GatewayLimits.concurrentSmallRequestPages
      #expect((2...maximum).contains(pages.mostUnderWay))
    }
  }

  @Test("do not wait for those of a user who has read many lately")
  func extra() async throws {
    // None comes back while the test lasts.
    let rate = 1e-6
    try await self.with(turnMilliseconds: 60_000, largePagesPerSecond: rate, askers: 5) {
      _, pages, askers in
      let eager = askers[0]
      // Each takes four large pages.
      let first = GatewayLimits.largePagesAtOnce / 4
      for _ in 0..<first { eager.ask("history", #","with":"nobody""#) }
      for _ in 0..<first { _ = try await eager.expectHistory() }
      pages.hold(of: "asker0")
      eager.ask("history", #","with":"nobody""#)
      try await eventually("its small page is read") { pages.held == 1 }
      pages.handOn()
      try await eventually("its first large page is read") { pages.held == 1 }
      // On each of two event loops.
      for asker in askers.dropFirst() { asker.ask("history", #","with":"nobody""#) }
      for asker in askers.dropFirst() { _ = try await asker.expectHistory() }
      #expect(pages.held == 1)
    }
  }

  @Test("do not wait long for those that Redis does not answer, unless these are many")
  func unanswered() async throws {
    let many = GatewayLimits.overdueRequestPages
    #expect(many > GatewayLimits.concurrentSmallRequestPages)
    try await self.with(turnMilliseconds: 1, askers: 2 * many) { _, pages, askers in
      pages.hold()
      for asker in askers { asker.ask("history", #","with":"nobody""#) }
      try await eventually("so many are read") { pages.asked >= many }
      for asker in askers { try await asker.expectOpen() }
      // On each of two event loops.
      #expect((many...2 * many).contains(pages.asked))
      #expect(pages.mostUnderWay <= many)
      pages.handOn(andAll: true)
      for asker in askers { _ = try await asker.expectHistory() }
    }
  }
}
