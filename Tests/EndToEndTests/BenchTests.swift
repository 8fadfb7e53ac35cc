import ConnectBench
import Foundation
import Testing

/// The capacity model reads what the benchmarks print (infra/capacity). One of these at a time, though beside other
/// suites: no figure here is compared with a time.
@Suite("The objects of benchmarks of messages and connections", .serialized)
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
    let soundness: Benchmark.Soundness
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

  @Test("chat: what ran, what each process used, and what each primary did")
  func chat() async throws {
    let report: Chat = try await Benchmark.run(
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
    let report: Chat = try await Benchmark.run(
      "chat", "--connections", "10", "--window", "2", "--seconds", "2", "--aof", "everysec")
    #expect(report.setup.aof == "everysec")
    #expect(report.rate == nil && report.window == 2)
    // 20 are under way at a time: more have arrived only if others followed them.
    #expect(report.delivered == report.soundness.accepted && report.delivered > 40)
    // Those under way at the end arrive later, and a busy machine sends for longer.
    #expect(report.deliveredPerSecond <= Double(report.delivered) / 2)
    #expect(report.deliveredPerSecond > 0)
  }

  @Test("chat with replicas: what they were sent")
  func replicas() async throws {
    let report: Chat = try await Benchmark.run(
      "chat", "--connections", "10", "--rate", "100", "--seconds", "2", "--redis", "cluster-tls")
    #expect(report.setup.primaries == 3)
    #expect(report.replicationBytes.count == 3)
    // The message is in three streams.
    #expect(report.replicationBytes.reduce(0, +) > 3 * 200 * 200)
  }

  @Test("idle: what a connection costs each process, and how many commands")
  func idle() async throws {
    let report: Idle = try await Benchmark.run("idle", "--connections", "200", "--seconds", "1")
    #expect(report.benchmark == "idle" && report.setup.gateways == 2)
    #expect(report.connections == 200)
    #expect(report.seconds >= 1)
    #expect(report.processes.contains { $0.name == "gateway 1" && $0.residentBytes > 1_000_000 })
    // At least the session is written.
    #expect(report.redis.openCommandsPerConnection >= 2)
  }

  private struct Curve: Decodable {
    struct Point: Decodable {
      let rate: Int
      let deliveredPerSecond: Double
      let cpuMicrosecondsPerMessage: Benchmark.CPU
      let latencyP50Milliseconds: Double
      let latencyP99Milliseconds: Double
    }

    let points: [Point]
    let rounds: Int
    let idleCPUMicrosecondsPerSecond: Benchmark.CPU
    let soundness: Benchmark.Soundness
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
    #expect(try await measuring.exitCode(within: Benchmark.limit) == 0, "\(measuring.errors)")
    let text = Data(measuring.output.joined(separator: "\n").utf8)
    let curve = try JSONDecoder().decode(Curve.self, from: text)
    // A busy machine may not reach the second one.
    #expect(curve.points.first?.rate == 50 && curve.rounds == 2 && curve.soundness.lost == 0)
    for point in curve.points {
      let cpu = point.cpuMicrosecondsPerMessage
      #expect(min(cpu.gateways, cpu.messaging ?? 0, cpu.redis) > 1 && point.deliveredPerSecond > 0)
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
    #expect(try await comparing.exitCode(within: Benchmark.limit) == 0, "\(comparing.errors)")
    let row = comparing.output.first { $0.hasPrefix("50 ") }?.split(separator: " ")
    #expect(row?.suffix(3) == ["1.00", "1.00", "1.00"], "\(comparing.output)")
    #expect(try String(contentsOfFile: svg, encoding: .utf8).contains("all, before"))
  }
}
