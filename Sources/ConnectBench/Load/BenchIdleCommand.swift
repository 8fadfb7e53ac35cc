import ArgumentParser
import ConnectProtocol
import Foundation
import NIOCore
import NIOPosix
import Settings

struct BenchIdleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "idle",
    abstract: "Opens connections that stay idle, and prints the memory of each.")

  private enum Default {
    static let connections = 10_000
    static let seconds = 5
  }

  @Option(
    help: """
      Connections: two file descriptors of this machine each \
      (default: \(Default.connections)).
      """,
    transform: ArgumentRules.evenNumber(2...BenchLimits.connections))
  var connections = Default.connections

  @Option(
    help: """
      How long they stay open after the last was opened, in seconds \
      (default: \(Default.seconds)).
      """,
    transform: ArgumentRules.wholeNumber(1...BenchLimits.seconds))
  var seconds = Default.seconds

  @OptionGroup var bench: BenchOptions

  func run() async throws {
    try await self.exiting {
      let report = try await ProgressScreen.during { screen in
        try await BenchStand.with(self.bench) { try await self.measure($0, screen) }
      }
      try report.print(asJSON: self.bench.deployed.json)
    }
  }

  private func measure(
    _ stand: BenchStand, _ screen: ProgressScreen
  ) async throws -> BenchIdleReport {
    let run = BenchRun(
      eventLoop: MultiThreadedEventLoopGroup.singleton.next(), bodyBytes: 2)
    // A few first: what the first connections cost is what a gateway costs.
    try await BenchUsers.open(2, run: run, stand: stand, screen)
    let before = stand.processes.map { ProcessUsage(of: $0.processIdentifier) }
    let primariesBefore = try await stand.primaryCounts()
    let other = BenchRun(eventLoop: run.eventLoop, bodyBytes: 2)
    try await BenchUsers.open(self.connections, run: other, stand: stand, screen)
    try await Task.sleep(for: BenchLimits.quietPause)
    let opened = stand.processes.map { ProcessUsage(of: $0.processIdentifier) }
    let primariesOpened = try await stand.primaryCounts()
    let start = ContinuousClock.now
    try await Task.sleep(for: .seconds(self.seconds))
    let elapsed = (ContinuousClock.now - start) / .seconds(1)
    let after = stand.processes.map { ProcessUsage(of: $0.processIdentifier) }
    let primariesAfter = try await stand.primaryCounts()

    var report = BenchIdleReport(
      setup: stand.setup, connections: self.connections, seconds: elapsed)
    for (index, process) in stand.processes.enumerated() {
      guard let before = before[index], let opened = opened[index], let after = after[index] else {
        continue
      }
      report.add(process.name, before: before, opened: opened, after: after)
    }
    report.addRedis(before: primariesBefore, opened: primariesOpened, after: primariesAfter)
    try await run.eventLoop.submit {
      run.close()
      other.close()
    }.get()
    return report
  }
}
