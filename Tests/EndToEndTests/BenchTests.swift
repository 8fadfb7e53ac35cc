import ConnectBench
import Foundation
import Testing

/// The capacity model reads what the benchmarks print (infra/capacity). One at a time, though beside other
/// suites: no figure here is compared with a time.
@Suite("The benchmarks' objects", .serialized)
struct BenchTests {
  private struct Setup: Decodable {
    let gateways: Int
    let messaging: Int
    let partitions: Int
    let primaries: Int
    let redis: String
    let redisVersion: String
    let aof: String
    let durability: String
    let machine: Machine
  }

  private struct Machine: Decodable {
    let cores: Int
    let system: String
  }

  private struct Chat: Decodable {
    struct Process: Decodable {
      let name: String
      let cpuMicroseconds: Double
      let readBytes: Int
      let writtenBytes: Int
    }

    let benchmark: String
    let version: String
    let setup: Setup
    let rate: Int?
    let window: Int?
    let soundness: Soundness
    let generatorShare: Double
    let delivered: Int
    let deliveredPerSecond: Double
    let processes: [Process]
    let commands: [Int]
    let replicationBytes: [Int]
  }

  private struct Idle: Decodable {
    struct Process: Decodable {
      let name: String
      let bytesPerConnection: Double
      let cpuMicrosecondsPerConnectionAndSecond: Double
      let openCPUMicrosecondsPerConnection: Double
      let residentBytes: Int
    }

    struct Redis: Decodable {
      let openCommandsPerConnection: Double
      let commandsPerConnectionAndSecond: Double
    }

    let benchmark: String
    let setup: Setup
    let connections: Int
    let seconds: Double
    let processes: [Process]
    let redis: Redis
  }

  /// Time for one benchmark on a busy machine.
  private static let limit = Duration.seconds(120)

  private func run<Report: Decodable>(_ arguments: String...) async throws -> Report {
    let program = try Program(["connect-bench"] + arguments + ["--json"])
    #expect(try await program.exitCode(within: Self.limit) == 0, "\(program.errors)")
    return try JSONDecoder().decode(
      Report.self, from: Data(program.output.joined(separator: "\n").utf8))
  }

  @Test("chat: what ran, what each process used, and what each primary did")
  func chat() async throws {
    let report: Chat = try await self.run(
      "chat", "--connections", "10", "--rate", "100", "--seconds", "2", "--partitions", "3")
    #expect(report.benchmark == "chat" && !report.version.isEmpty)
    #expect(report.setup.gateways == 2 && report.setup.messaging == 1)
    #expect(report.setup.partitions == 3 && report.setup.primaries == 1)
    #expect(report.setup.redis == "plain" && report.setup.aof == "no")
    #expect(report.setup.redisVersion.contains(".") && report.setup.durability == "accepted")
    #expect(report.setup.machine.cores > 0 && !report.setup.machine.system.isEmpty)
    #expect(report.generatorShare > 0 && report.generatorShare < 1)
    #expect(report.rate == 100 && report.window == nil)
    #expect(report.soundness.accepted == 200)
    #expect(
      Set(report.processes.map(\.name)) == [
        "redis", "messaging 1", "gateway 1", "gateway 2", "load generator",
      ])
    // A body of 200 bytes goes at least twice through each.
    for process in report.processes {
      #expect(process.readBytes > 200 * 100, "\(process)")
      #expect(process.writtenBytes > 200 * 100, "\(process)")
    }
    // Each message is added to the bus, to a mailbox and to a gateway's stream.
    #expect(report.commands.count == 1 && report.commands[0] > 3 * 200)
    #expect(report.replicationBytes == [0])
  }

  @Test("chat with a window: each user writes again when a message has arrived")
  func window() async throws {
    let report: Chat = try await self.run(
      "chat", "--connections", "10", "--window", "2", "--seconds", "2", "--aof", "everysec")
    #expect(report.setup.aof == "everysec")
    #expect(report.rate == nil && report.window == 2)
    // 20 are under way at a time: more have arrived only if others followed them.
    #expect(report.delivered == report.soundness.accepted && report.delivered > 200)
    // Those under way at the end arrive later, and a busy machine sends for longer.
    let most = Double(report.delivered) / 2
    #expect(report.deliveredPerSecond <= most && report.deliveredPerSecond > most / 4)
  }

  @Test("chat with replicas: what they were sent")
  func replicas() async throws {
    let report: Chat = try await self.run(
      "chat", "--connections", "10", "--rate", "100", "--seconds", "2", "--redis", "cluster-tls")
    #expect(report.setup.primaries == 3)
    #expect(report.replicationBytes.count == 3)
    // The message is in three streams.
    #expect(report.replicationBytes.reduce(0, +) > 3 * 200 * 200)
  }

  @Test("idle: what a connection costs each process, and how many commands")
  func idle() async throws {
    let report: Idle = try await self.run("idle", "--connections", "200", "--seconds", "1")
    #expect(report.benchmark == "idle" && report.setup.gateways == 2)
    #expect(report.connections == 200)
    #expect(report.seconds >= 1)
    #expect(report.processes.contains { $0.name == "gateway 1" && $0.residentBytes > 1_000_000 })
    // At least the session is written.
    #expect(report.redis.openCommandsPerConnection >= 2)
  }

  private struct CPU: Decodable {
    let gateways: Double
    /// Nil where none runs.
    let messaging: Double?
    let redis: Double
    let all: Double
  }

  private struct Curve: Decodable {
    struct Point: Decodable {
      let rate: Int
      let deliveredPerSecond: Double
      let cpuMicrosecondsPerMessage: CPU
      let latencyP50Milliseconds: Double
      let latencyP99Milliseconds: Double
    }

    let points: [Point]
    let rounds: Int
    let idleCPUMicrosecondsPerSecond: CPU
    let soundness: Soundness
  }

  @Test("curve: what messages cost at each rate, as figures and as a picture")
  func curve() async throws {
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("curve-\(UInt64.random(in: .min ... .max))")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let json = directory.appendingPathComponent("curve.json").path
    let svg = directory.appendingPathComponent("curve.svg").path
    let measuring = try Program([
      "connect-bench", "curve", "--connections", "10", "--rates", "50,100", "--seconds", "1",
      "--rounds", "2",
      "--svg", svg, "--json",
    ])
    #expect(try await measuring.exitCode(within: Self.limit) == 0, "\(measuring.errors)")
    let text = Data(measuring.output.joined(separator: "\n").utf8)
    let curve = try JSONDecoder().decode(Curve.self, from: text)
    // A busy machine may not reach the second one.
    #expect(curve.points.first?.rate == 50 && curve.rounds == 2 && curve.soundness.lost == 0)
    for point in curve.points {
      let cpu = point.cpuMicrosecondsPerMessage
      #expect(min(cpu.gateways, cpu.messaging ?? 0, cpu.redis) > 1 && point.deliveredPerSecond > 10)
      #expect(point.latencyP50Milliseconds > 0)
      #expect(point.latencyP99Milliseconds >= point.latencyP50Milliseconds)
    }
    #expect(curve.idleCPUMicrosecondsPerSecond.all > 0)
    let picture = try String(contentsOfFile: svg, encoding: .utf8)
    #expect(picture.hasPrefix("<svg ") && picture.contains("CPU per message"))

    // The same run, laid over itself.
    try text.write(to: URL(fileURLWithPath: json))
    let comparing = try Program([
      "connect-bench", "curve", "--read", json, "--compare", json, "--svg", svg,
    ])
    #expect(try await comparing.exitCode(within: Self.limit) == 0, "\(comparing.errors)")
    let row = comparing.output.first { $0.hasPrefix("50 ") }?.split(separator: " ")
    #expect(row?.suffix(3) == ["1.00", "1.00", "1.00"], "\(comparing.output)")
    #expect(try String(contentsOfFile: svg, encoding: .utf8).contains("all, before"))
  }

  private struct Backlog: Decodable {
    let backlog: Int
    let firstDeliveredSeconds: Double
    let lastDeliveredSeconds: Double
    let deliveredInSecond: [Int]
    let steadyCPUMicrosecondsPerMessage: CPU
    let awayCPUMicrosecondsPerMessage: CPU
    let catchUpCPUMicrosecondsPerMessage: CPU
    let soundness: Soundness
  }

  @Test("backlog: what waits without messaging is all delivered when it is back")
  func backlog() async throws {
    let report: Backlog = try await self.run(
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
    let openCPUMicrosecondsPerConnect: CPU
    /// A difference, which is noise with so few connections.
    let stormCPUMicrosecondsPerConnect: CPU
    let othersBefore: Others
    let othersMeanwhile: Others
    let soundness: Soundness
  }

  @Test("storm: all come back, and others' messages go on", arguments: ["gateway", "clients"])
  func storm(loss: String) async throws {
    let report: Storm = try await self.run(
      "storm", "--connections", "200", "--loss", loss, "--seconds", "1", "--talkers", "4")
    #expect(report.back == 200 && report.live == 200 && report.backInSecond.reduce(0, +) == 200)
    #expect(report.attempts >= 200 && report.soundness.lost == 0)
    #expect(report.allBackSeconds > 0)
    #expect(report.openCPUMicrosecondsPerConnect.gateways > 10)
    #expect(report.othersBefore.messages > 20 && report.othersBefore.latencyP99Milliseconds > 0)
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
      let cpuMicrosecondsPerEntry: CPU
      let gatewayPeakBytes: Int
    }

    struct Stored: Decodable {
      let mailboxes: Int
      let redisBytes: Int
      let cpuMicrosecondsPerMessage: CPU
    }

    let memory: [Memory]
    let replays: [Replay]
    let stored: [Stored]
  }

  @Test("mailbox: memory per user, cost per replayed entry, and per message beside many mailboxes")
  func mailbox() async throws {
    let report: Mailbox = try await self.run(
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
      let cpuMicrosecondsPerMessage: CPU
      let maximumPerSecond: Double
    }

    let rows: [Row]
    let soundness: Soundness
  }

  @Test("scale: a row for each number of shards, gateways and mailboxes")
  func scale() async throws {
    let report: Scale = try await self.run(
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

/// What became of the messages of a benchmark.
struct Soundness: Decodable {
  let accepted: Int
  let lost: Int
  let repeated: Int
  let reordered: Int
}
