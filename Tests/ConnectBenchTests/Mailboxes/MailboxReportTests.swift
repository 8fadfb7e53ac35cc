import ConnectProtocol
import Foundation
import NIOEmbedded
import Testing

@testable import ConnectBench

@Suite("The report of mailboxes")
struct MailboxReportTests {
  private static func cost(_ all: Double) -> CPUCost {
    CPUCost(gateways: all / 2, messaging: 0, redis: all / 2, all: all, loadGenerator: 0)
  }

  private static func stored(
    _ mailboxes: Int, cpu: Double?, share: Double = 0.5
  ) -> MailboxReport.Stored {
    MailboxReport.Stored(
      mailboxes: mailboxes, redisBytes: 3 * 1_048_576,
      cpuMicrosecondsPerMessage: cpu.map(Self.cost), latencyP50Milliseconds: 1,
      latencyP99Milliseconds: 2, generatorShare: share)
  }

  private static func report(
    stored: [MailboxReport.Stored], totals: Ledger.Totals = .init()
  ) -> MailboxReport {
    MailboxReport(
      setup: .plain,
      bodyBytes: 200, rate: 2_000,
      memory: [.init(messages: 1, users: 100, storedBytesPerUser: 1_283, ackedBytesPerUser: 1_427)],
      replays: [
        .init(
          entries: 10, repeats: 200, milliseconds: 3.25, cpuMicrosecondsPerEntry: Self.cost(50),
          gatewayBytes: 20 * 1_048_576, gatewayPeakBytes: nil)
      ], stored: stored, totals: totals)
  }

  @Test("compares the cost beside many mailboxes with that beside the fewest")
  func table() {
    let table = Self.report(stored: [
      Self.stored(1_000, cpu: 200), Self.stored(1_000_000, cpu: 230),
      Self.stored(2_000_000, cpu: nil),
    ]).table()
    let cells = table.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(cells.contains(["1", "100", "1283", "1427"]))
    #expect(cells.contains(["10", "200", "3.2", "25.0", "0.0", "25.0", "50.0", "20.0", "-"]))
    #expect(
      cells.contains { $0.first == "1000" && $0.suffix(5) == ["1.00", "1.00", "2.00", "50", "%"] })
    #expect(
      cells.contains {
        $0.first == "1000000" && $0.suffix(5) == ["1.15", "1.00", "2.00", "50", "%"]
      })
    #expect(
      cells.contains { $0.first == "2000000" && $0.suffix(5) == ["-", "1.00", "2.00", "50", "%"] })
  }

  @Test("says so if a message was lost, or the load generator had no time")
  func flags() {
    #expect(!Self.report(stored: [Self.stored(1, cpu: 1)]).table().contains("(!)"))
    let table = Self.report(
      stored: [Self.stored(1, cpu: 1, share: 0.97)], totals: .init(lost: 3)
    ).table()
    #expect(table.contains("97 % (!)") && table.contains("(!): the load generator"))
    #expect(table.hasSuffix("lost 3, repeated 0, reordered 0"))
  }

  @Test("short mailboxes are replayed often, and long ones some times")
  func repeats() {
    #expect(MailboxMeasurement.repeats(ofEntries: 10) == 200)
    #expect(MailboxMeasurement.repeats(ofEntries: 1_000) == 20)
    #expect(MailboxMeasurement.repeats(ofEntries: 100_000) == 3)
  }

  #if os(Linux)
    @Test("the most memory of a process counts what it takes from then on")
    func peak() throws {
      let process = ProcessInfo.processInfo.processIdentifier
      #expect(PeakMemory.reset(of: process))
      let before = try #require(ProcessUsage(of: process)).residentBytes
      // 64 MiB that are written to.
      let block = [UInt8](repeating: 1, count: 64 * 1_048_576)
      let peak = try #require(PeakMemory.bytes(of: process))
      #expect(peak > before + block.count / 2)
      #expect(PeakMemory.bytes(of: .max) == nil)
      #expect(!PeakMemory.reset(of: .max))
    }
  #endif
}

@Suite("Writers who fill mailboxes")
struct MailboxFillerTests {
  @Test("that have failed have failed for the next messages, too")
  func failure() {
    let filler = MailboxFiller(eventLoop: EmbeddedEventLoop(), bodyBytes: 2)
    filler.fill(10) { _ in UserName("user")! }
    filler.failed("a writer's connection ended")
    filler.failed("another one")
    filler.fill(10) { _ in UserName("user")! }
    #expect(filler.progress.accepted == 0)
    #expect(filler.progress.failure == "a writer's connection ended")
  }
}
