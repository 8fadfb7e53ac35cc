import ConnectBench
import Foundation
import Testing

/// A run of connect-bench, and what several of its reports have.
enum Benchmark {
  /// Time for one benchmark on a busy machine.
  static let limit = Duration.seconds(600)

  static func run<Report: Decodable>(_ arguments: String...) async throws -> Report {
    let program = try Program(["connect-bench"] + arguments + ["--json"])
    #expect(try await program.exitCode(within: Self.limit) == 0, "\(program.errors)")
    return try JSONDecoder().decode(
      Report.self, from: Data(program.output.joined(separator: "\n").utf8))
  }

  struct CPU: Decodable {
    let gateways: Double
    /// Nil where none runs.
    let messaging: Double?
    let redis: Double
    let all: Double
  }

  /// What became of the messages of a benchmark.
  struct Soundness: Decodable {
    let accepted: Int
    let lost: Int
    let repeated: Int
    let reordered: Int
  }
}
