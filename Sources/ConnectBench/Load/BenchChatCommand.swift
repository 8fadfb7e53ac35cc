import ArgumentParser
import ConnectProtocol
import Foundation
import NIOCore
import NIOPosix
import Settings

struct BenchChatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat",
    abstract: "Pairs of users write to each other at a steady rate.",
    discussion: """
      Exits with 1 if a message that was accepted was lost, repeated or reordered. The rate is \
      kept whatever becomes of the messages before, and latency counts from when a message was \
      due.
      """)

  /// How long to wait for what is still under way after the last message, in seconds.
  static let settleSeconds = 30

  /// What holds unless it is said.
  private enum Default {
    static let connections = 200
    static let rate = 2_000
    static let seconds = 10
    static let bodyBytes = 200
  }

  @Option(
    help: "Connections: half as many pairs (default: \(Default.connections)).",
    transform: ArgumentRules.evenNumber(2...BenchLimits.connections))
  var connections = Default.connections

  @Option(
    help: "Messages per second, of all users together (default: \(Default.rate)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.messagesPerSecond))
  var rate = Default.rate

  @Option(
    help: "How long to send, in seconds (default: \(Default.seconds)).",
    transform: ArgumentRules.wholeNumber(1...BenchLimits.seconds))
  var seconds = Default.seconds

  @Option(
    help: "Length of a message's body, in bytes (default: \(Default.bodyBytes)).",
    transform: ArgumentRules.wholeNumber(2...BenchLimits.bodyBytes))
  var bodyBytes = Default.bodyBytes

  @OptionGroup var bench: BenchOptions

  func run() async throws {
    try await self.exiting {
      let report = try await BenchStand.with(self.bench) { try await self.measure($0) }
      print(self.bench.json ? try report.json() : report.table())
      guard report.isSound else {
        throw Failure(.running, "messages were lost, repeated or reordered: see above")
      }
    }
  }

  private func measure(_ stand: BenchStand) async throws -> BenchReport {
    let run = BenchRun(
      eventLoop: MultiThreadedEventLoopGroup.singleton.next(), bodyBytes: self.bodyBytes)
    try await BenchUsers.open(self.connections, run: run, stand: stand)

    let processes =
      stand.processes + [
        MeasuredProcess(
          name: "load generator", processIdentifier: ProcessInfo.processInfo.processIdentifier)
      ]
    let primariesBefore = try await stand.primaryCounts()
    let before = processes.map { ProcessUsage(of: $0.processIdentifier) }
    let start = ContinuousClock.now
    // Ends with this scope.
    async let _ = BenchProgress.show(run)
    try await run.eventLoop.flatSubmit { [rate, seconds] in
      run.send(rate: Double(rate), seconds: seconds)
    }.get()
    try await self.settle(run)
    let elapsed = ContinuousClock.now - start
    let after = processes.map { ProcessUsage(of: $0.processIdentifier) }
    let primaries = zip(try await stand.primaryCounts(), primariesBefore).map { $0 - $1 }

    let (counts, lost) = try await run.eventLoop.submit { (run.counts, run.lost) }.get()
    try await run.eventLoop.submit { run.close() }.get()
    return BenchReport(
      setup: stand.setup, connections: self.connections, rate: self.rate, bodyBytes: self.bodyBytes,
      elapsed: elapsed, counts: counts, lost: lost,
      processes: zip(processes, zip(before, after)).map { process, usage in
        BenchReport.Process(name: process.name, before: usage.0, after: usage.1)
      }, primaries: primaries)
  }

  /// Waits until everything that was sent is answered and everything accepted has arrived.
  private func settle(_ run: BenchRun) async throws {
    for _ in 0..<(Self.settleSeconds * 20) {
      let isSettled = try await run.eventLoop.submit {
        run.counts.accepted + run.counts.rejected >= run.counts.sent && run.lost == 0
      }.get()
      if isSettled { return }
      try await Task.sleep(for: .milliseconds(50))
    }
  }
}

/// Opens the connections of a benchmark.
enum BenchUsers {
  /// Connections that are opened before waiting for them.
  static let atOnce = 200

  static func open(_ connections: Int, run: BenchRun, stand: BenchStand) async throws {
    // Another prefix each time: what an earlier run left in the same Redis is not replayed.
    let prefix = "bench-\(String(UInt32.random(in: .min ... .max), radix: 16))-"
    var opened = 0
    while opened < connections {
      let next = min(connections, opened + Self.atOnce)
      for number in stride(from: opened, to: next, by: 2) {
        let names = [UserName("\(prefix)\(number)")!, UserName("\(prefix)\(number + 1)")!]
        let tokens = [try await stand.token(names[0]), try await stand.token(names[1])]
        // Each pair on two gateways, another two for the next.
        let shift = number / 2 % stand.endpoints.count
        let endpoints = Array(stand.endpoints[shift...] + stand.endpoints[..<shift])
        run.eventLoop.execute { run.open(names: names, tokens: tokens, endpoints: endpoints) }
      }
      opened = next
      try await Self.waitForLive(opened, run: run)
      BenchProgress.line("\(opened) of \(connections) connections open")
    }
  }

  private static func waitForLive(_ count: Int, run: BenchRun) async throws {
    for _ in 0..<6_000 {
      let (live, failure) = try await run.eventLoop.submit { (run.live, run.failure) }.get()
      if let failure { throw Failure(.running, "a connection ended: \(failure)") }
      if live >= count { return }
      try await Task.sleep(for: .milliseconds(5))
    }
    throw Failure(.running, "the connections were not open after 30 s")
  }
}

/// What is shown while a benchmark runs, on standard error.
enum BenchProgress {
  static func show(_ run: BenchRun) async {
    var seconds = 0
    while (try? await Task.sleep(for: .seconds(1))) != nil {
      seconds += 1
      let counts = try? await run.eventLoop.submit { run.counts }.get()
      guard let counts else { return }
      Self.line(
        "\(seconds) s: sent \(counts.sent), accepted \(counts.accepted), "
          + "delivered \(counts.delivered)")
    }
  }

  static func line(_ text: String) {
    FileHandle.standardError.write(Data("\(text)\n".utf8))
  }
}
