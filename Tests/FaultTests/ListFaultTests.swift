import ConnectBench
import Testing

/// What lists and histories say is compared in every run; here with mailboxes of which only a part can be told.
extension FaultTests {
  @Test("when mailboxes are trimmed while people write: lists and histories say what is kept")
  func trimmedMailboxes() async throws {
    // Often enough that messaging writes between, since it trims as it writes.
    var run = Stand.run([.killGateway, .killMessaging], rounds: 2)
    run.chatters = Chatters.Options(users: 4, rate: 200)
    run.deployment.messagingArguments += ["--history-limit", "40"]
    let report = try await Stand.expectSound(run)
    #expect(report.mailboxesTrimmed > 0)
    #expect(report.listsMeanwhile > 0)
  }

  @Test("when one peer fills a mailbox that nobody reads: others are in the list all the same")
  func filledMailboxes() async throws {
    var run = Stand.run([.killGateway])
    run.chatters = Chatters.Options(users: 4, rate: 40)
    run.chatters.rawSenders = 4
    run.chatters.rawRate = 600
    run.chatters.ignoresRawSenders = true
    let report = try await Stand.expectSound(run)
    #expect(report.unreadBounded > 0, "more is unread than one request looks at")
    #expect(report.listsMeanwhile > 0)
  }
}
