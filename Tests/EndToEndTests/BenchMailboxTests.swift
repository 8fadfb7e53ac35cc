import Testing

/// As ``BenchTests``: these take as long together.
@Suite("The objects of benchmarks of losses, mailboxes and sizes", .serialized)
struct BenchMailboxTests {
  private struct Backlog: Decodable {
    let backlog: Int
    let firstDeliveredSeconds: Double
    let lastDeliveredSeconds: Double
    let deliveredInSecond: [Int]
    let steadyCPUMicrosecondsPerMessage: Benchmark.CPU
    let awayCPUMicrosecondsPerMessage: Benchmark.CPU
    let catchUpCPUMicrosecondsPerMessage: Benchmark.CPU
    let soundness: Benchmark.Soundness
  }

  @Test("backlog: what waits without messaging is all delivered when it is back")
  func backlog() async throws {
    let report: Backlog = try await Benchmark.run(
      "backlog", "--connections", "10", "--rate", "200", "--seconds", "2")
    #expect(report.backlog == 400 && report.soundness.lost == 0)
    #expect(report.deliveredInSecond.reduce(0, +) == 400)
    #expect(report.firstDeliveredSeconds <= report.lastDeliveredSeconds)
    #expect(report.steadyCPUMicrosecondsPerMessage.messaging ?? 0 > 1)
    #expect(report.awayCPUMicrosecondsPerMessage.messaging == nil)
    #expect(report.awayCPUMicrosecondsPerMessage.gateways > 1)
    #expect(report.catchUpCPUMicrosecondsPerMessage.messaging ?? 0 > 1)
  }

  private struct Storm: Decodable {
    struct Others: Decodable {
      let messages: Int
      let latencyP99Milliseconds: Double
    }

    let back: Int
    let live: Int
    let allBackSeconds: Double
    let backInSecond: [Int]
    let attempts: Int
    let openCPUMicrosecondsPerConnect: Benchmark.CPU
    /// A difference, which is noise with so few connections.
    let stormCPUMicrosecondsPerConnect: Benchmark.CPU
    let othersBefore: Others
    let othersMeanwhile: Others
    let soundness: Benchmark.Soundness
  }

  @Test("storm: all come back, and others' messages go on", arguments: ["gateway", "clients"])
  func storm(loss: String) async throws {
    let report: Storm = try await Benchmark.run(
      "storm", "--connections", "200", "--loss", loss, "--seconds", "1", "--talkers", "4")
    #expect(report.back == 200 && report.live == 200 && report.backInSecond.reduce(0, +) == 200)
    #expect(report.attempts >= 200 && report.soundness.lost == 0)
    #expect(report.allBackSeconds > 0)
    #expect(report.openCPUMicrosecondsPerConnect.gateways > 10)
    #expect(report.othersBefore.messages > 0 && report.othersBefore.latencyP99Milliseconds > 0)
    #expect(report.othersMeanwhile.messages > 0)
  }

  private struct Mailbox: Decodable {
    struct Memory: Decodable {
      let messages: Int
      let storedBytesPerUser: Double
      let ackedBytesPerUser: Double
    }

    struct Replay: Decodable {
      let entries: Int
      let milliseconds: Double
      let cpuMicrosecondsPerEntry: Benchmark.CPU
      let gatewayPeakBytes: Int
    }

    struct Stored: Decodable {
      let mailboxes: Int
      let redisBytes: Int
      let cpuMicrosecondsPerMessage: Benchmark.CPU
    }

    let memory: [Memory]
    let replays: [Replay]
    let stored: [Stored]
  }

  @Test("mailbox: memory per user, cost per replayed entry, and per message beside many mailboxes")
  func mailbox() async throws {
    let report: Mailbox = try await Benchmark.run(
      "mailbox", "--users", "1000", "--entries", "10,300", "--mailboxes", "100,1000",
      "--connections", "10",
      "--rate", "100", "--seconds", "1")
    #expect(report.memory.map(\.messages) == [1, 5])
    for memory in report.memory {
      // The bodies alone, and then the cursor, of 144 bytes on Redis 7.
      #expect(memory.storedBytesPerUser > Double(200 * memory.messages))
      #expect(memory.ackedBytesPerUser > memory.storedBytesPerUser + 50)
    }
    #expect(report.replays.map(\.entries) == [10, 300])
    for replay in report.replays {
      #expect(replay.milliseconds > 0 && replay.cpuMicrosecondsPerEntry.gateways > 1)
      #expect(replay.gatewayPeakBytes > 1_000_000)
    }
    #expect(report.stored.map(\.mailboxes) == [100, 1_000])
    // 900 mailboxes more.
    #expect(report.stored[1].redisBytes - report.stored[0].redisBytes > 900 * 200)
    #expect(report.stored.allSatisfy { $0.cpuMicrosecondsPerMessage.all > 1 })
  }

  private struct Scale: Decodable {
    struct Row: Decodable {
      let shards: Int
      let gateways: Int
      let mailboxes: Int
      let cpuMicrosecondsPerMessage: Benchmark.CPU
      let maximumPerSecond: Double
    }

    let rows: [Row]
    let soundness: Benchmark.Soundness
  }

  @Test("scale: a row for each number of shards, gateways and mailboxes")
  func scale() async throws {
    let report: Scale = try await Benchmark.run(
      "scale", "--shards", "1,2", "--gateways", "3", "--mailboxes", "10,50", "--connections", "10",
      "--rate", "100", "--window", "2", "--seconds", "1")
    #expect(report.rows.map(\.shards) == [1, 1, 2, 2])
    #expect(report.rows.map(\.gateways) == [3, 3, 3, 3])
    #expect(report.rows.map(\.mailboxes) == [10, 50, 10, 50])
    for row in report.rows {
      #expect(row.cpuMicrosecondsPerMessage.gateways > 1 && row.maximumPerSecond > 20)
    }
    #expect(report.soundness.lost == 0)
  }
}
