import ArgumentParser
import ConnectFaults
import ConnectProtocol
import Foundation
import NIOCore
import NIOPosix

struct BenchIdleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "idle",
    abstract: "Opens connections that stay idle, and prints the memory of each.")

  @Option(help: "Connections: two file descriptors of this machine each.")
  var connections = 10_000

  @Option(help: "How long they stay open after the last was opened, in seconds.")
  var seconds = 5

  @OptionGroup var bench: BenchOptions

  func run() async throws {
    try await self.exiting {
      guard self.connections >= 2, self.connections % 2 == 0, self.seconds > 0 else {
        throw Failure.usage("--connections must be even and at least 2, --seconds above 0")
      }
      try await BenchStand.with(self.bench) { stand in try await self.measure(stand) }
    }
  }

  private func measure(_ stand: BenchStand) async throws {
    let run = BenchRun(
      eventLoop: MultiThreadedEventLoopGroup.singleton.next(), bodyBytes: 2)
    // A few first: what the first connections cost is what a gateway costs.
    try await BenchUsers.open(2, run: run, stand: stand)
    let before = stand.processes.map { ProcessUsage(of: $0.processIdentifier) }
    let other = BenchRun(eventLoop: run.eventLoop, bodyBytes: 2)
    try await BenchUsers.open(self.connections, run: other, stand: stand)
    let opened = stand.processes.map { ProcessUsage(of: $0.processIdentifier) }
    try await Task.sleep(for: .seconds(self.seconds))
    let after = stand.processes.map { ProcessUsage(of: $0.processIdentifier) }

    var rows: [[String: String]] = []
    for (index, process) in stand.processes.enumerated() {
      guard let before = before[index], let opened = opened[index], let after = after[index] else {
        continue
      }
      // Each gateway has its share of the connections.
      let count = Double(self.connections) / Double(stand.endpoints.count)
      let share = process.name.hasPrefix("gateway") ? count : Double(self.connections)
      let bytes = Double(after.residentBytes - before.residentBytes) / share
      let cpu = (after.cpuMicroseconds - opened.cpuMicroseconds) / share / Double(self.seconds)
      rows.append([
        "process": process.name,
        "bytesPerConnection": String(format: "%.0f", bytes),
        "cpuMicrosecondsPerConnectionAndSecond": String(format: "%.2f", cpu),
        "residentMiB": String(format: "%.1f", Double(after.residentBytes) / 1_048_576),
      ])
    }
    try self.show(rows)
    try await run.eventLoop.submit {
      run.close()
      other.close()
    }.get()
  }

  private func show(_ rows: [[String: String]]) throws {
    if self.bench.json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      return print(String(decoding: try encoder.encode(rows), as: UTF8.self))
    }
    for row in rows {
      print(
        """
        \(row["process"] ?? ""): \(row["bytesPerConnection"] ?? "") bytes of memory and \
        \(row["cpuMicrosecondsPerConnectionAndSecond"] ?? "") µs of CPU a second per connection; \
        \(row["residentMiB"] ?? "") MiB resident
        """)
    }
  }
}
