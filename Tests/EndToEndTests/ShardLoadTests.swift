import ConnectBench
import Foundation
import Testing

@Suite("The shards of a cluster")
struct ShardLoadTests {
  private struct Report: Decodable {
    let soundness: Benchmark.Soundness
    let commands: [Int]
  }

  @Test("carry equal load: 50,000 messages among 2,000 users, with 16 partitions")
  func equalLoad() async throws {
    let program = try Program([
      "connect-bench", "chat", "--redis", "cluster", "--gateways", "3", "--connections", "2000",
      "--rate", "1250", "--seconds", "40", "--json",
    ])
    #expect(try await program.exitCode(within: .seconds(300)) == 0, "\(program.errors)")
    let report = try JSONDecoder().decode(
      Report.self, from: Data(program.output.joined(separator: "\n").utf8))
    let mean = Double(report.commands.reduce(0, +)) / Double(report.commands.count)
    print(
      "commands per shard: \(report.commands), of the mean: "
        + report.commands.map { String(format: "%.3f", Double($0) / mean) }.joined(separator: " "))
    let sound = report.soundness
    #expect(sound.accepted == 50_000)
    #expect(sound.lost + sound.repeated + sound.reordered == 0)
    #expect(report.commands.count == 3)
    let most = try #require(report.commands.max())
    let least = try #require(report.commands.min())
    #expect(Double(most) <= 1.1 * Double(least), "\(report.commands)")
  }
}
