import MessageBus

struct BenchReport: Report {
  /// Resources used by a process while messages were under way.
  struct Process: Encodable {
    let name: String
    /// Nil where the system does not tell.
    let cpuMicroseconds: Double?
    let residentBytes: Int?
    let readBytes: Int?
    let writtenBytes: Int?

    init(name: String, before: ProcessUsage?, after: ProcessUsage?) {
      self.name = name
      self.residentBytes = after?.residentBytes
      if let before, let after {
        self.cpuMicroseconds = after.cpuMicroseconds - before.cpuMicroseconds
      } else {
        self.cpuMicroseconds = nil
      }
      self.readBytes = Self.difference(before?.readBytes, after?.readBytes)
      self.writtenBytes = Self.difference(before?.writtenBytes, after?.writtenBytes)
    }

    private static func difference(_ before: Int?, _ after: Int?) -> Int? {
      guard let before, let after else { return nil }
      return after - before
    }
  }

  /// What became of requests for lists and history.
  struct Asking: Encodable {
    let askers: Int
    let answeredPerSecond: Double
    let refusedPerSecond: Double
    let answerP50Milliseconds: Double
    let answerP99Milliseconds: Double

    init(askers: Int, totals: Askers.Totals, elapsed: Duration) {
      self.askers = askers
      let seconds = elapsed / .seconds(1)
      self.answeredPerSecond = Double(totals.answers) / seconds
      self.refusedPerSecond = Double(totals.refused) / seconds
      self.answerP50Milliseconds = totals.latencies.percentile(50) / .milliseconds(1)
      self.answerP99Milliseconds = totals.latencies.percentile(99) / .milliseconds(1)
    }
  }

  let version = ConnectVersion.text
  /// The path of the messages.
  let setup: BenchSetup
  let connections: Int
  /// Messages per second that were to be sent; nil in a closed loop.
  let rate: Int?
  /// Messages that each user of a closed loop kept under way.
  let window: Int?
  let bodyBytes: Int
  let seconds: Double
  let sent: Int
  let accepted: Int
  let rejected: Int
  let delivered: Int
  /// In the time in which messages were sent.
  let deliveredPerSecond: Double
  let lost: Int
  let repeated: Int
  let reordered: Int
  let disconnected: Int
  let latencyP50Milliseconds: Double
  let latencyP99Milliseconds: Double
  let latencyP999Milliseconds: Double
  let latencyMaxMilliseconds: Double
  /// Nil without askers.
  let asking: Asking?
  let processes: [Process]
  /// Commands executed by each primary of a Redis that was started.
  let commands: [Int]
  /// Bytes that each of these has sent to each of its replicas; 0 without replicas.
  let replicationBytes: [Int]

  /// - Parameter processes: the names of those to report, in their order.
  init(
    setup: BenchSetup, connections: Int, pace: SendingPace, bodyBytes: Int, load: MeasuredLoad,
    asking: Asking?, processes: [String]
  ) {
    self.setup = setup
    self.connections = connections
    switch pace {
    case .open(let rate): (self.rate, self.window) = (rate, nil)
    case .closed(let window): (self.rate, self.window) = (nil, window)
    }
    self.bodyBytes = bodyBytes
    self.seconds = load.elapsed / .seconds(1)
    let totals = load.totals
    self.sent = totals.sent
    self.accepted = totals.accepted
    self.rejected = totals.refused
    self.delivered = totals.shown
    self.deliveredPerSecond = load.sent.deliveredPerSecond
    self.lost = totals.lost
    // What nobody sent is one too many.
    self.repeated = totals.repeated + totals.garbled
    self.reordered = totals.reordered
    self.disconnected = totals.disconnected
    self.latencyP50Milliseconds = load.latencies.percentile(50) / .milliseconds(1)
    self.latencyP99Milliseconds = load.latencies.percentile(99) / .milliseconds(1)
    self.latencyP999Milliseconds = load.latencies.percentile(99.9) / .milliseconds(1)
    self.latencyMaxMilliseconds = load.latencies.longest / .milliseconds(1)
    self.asking = asking
    self.processes = processes.map {
      Process(name: $0, before: load.before.usages[$0], after: load.after.usages[$0])
    }
    let primaries = load.after.primaries(since: load.before)
    self.commands = primaries.map(\.commands)
    self.replicationBytes = primaries.map(\.replicationBytes)
  }

  /// Whether every accepted message arrived once and in order.
  var isSound: Bool { self.lost == 0 && self.repeated == 0 && self.reordered == 0 }

  func table() -> String {
    var rows: [(String, String)] = [
      ("connections", "\(self.connections)"),
      ("sent", "\(self.sent) in \(Self.decimal(self.seconds)) s"),
      ("accepted", "\(self.accepted)"),
      ("rejected", "\(self.rejected)"),
      ("delivered", "\(self.delivered), \(Self.decimal(self.deliveredPerSecond, 0)) a second"),
      ("lost", "\(self.lost)"),
      ("repeated", "\(self.repeated)"),
      ("reordered", "\(self.reordered)"),
      ("disconnected", "\(self.disconnected)"),
      (
        "latency",
        "p50 \(Self.decimal(self.latencyP50Milliseconds)) ms, "
          + "p99 \(Self.decimal(self.latencyP99Milliseconds)) ms, "
          + "p99.9 \(Self.decimal(self.latencyP999Milliseconds)) ms, "
          + "max \(Self.decimal(self.latencyMaxMilliseconds)) ms"
      ),
    ]
    if let asking = self.asking {
      rows.append(
        (
          "lists and history",
          "\(asking.askers) askers, \(Self.decimal(asking.answeredPerSecond)) answers "
            + "and \(Self.decimal(asking.refusedPerSecond)) refusals per second"
        ))
      rows.append(
        (
          "  latency",
          "p50 \(Self.decimal(asking.answerP50Milliseconds)) ms, "
            + "p99 \(Self.decimal(asking.answerP99Milliseconds)) ms"
        ))
    }
    rows.append(("CPU per message", "(microseconds per accepted message)"))
    let generator = MeasuredProcess.loadGenerator.name
    let services = self.processes.filter { $0.name != generator }.compactMap(\.cpuMicroseconds)
    let sum = services.isEmpty ? nil : services.reduce(0, +)
    for process in self.processes {
      rows.append(("  \(process.name)", self.perMessage(process.cpuMicroseconds)))
    }
    rows.append(("  all but the load generator", self.perMessage(sum)))
    if !self.commands.isEmpty {
      let mean = Double(self.commands.reduce(0, +)) / Double(self.commands.count)
      rows.append(("commands per message", "(and of the mean of all primaries)"))
      for (index, count) in self.commands.enumerated() {
        let share = Self.decimal(100 * Double(count) / max(mean, 1))
        rows.append(("  primary \(index + 1)", "\(self.perMessage(Double(count))), \(share) %"))
      }
    }
    return Self.columns(rows.map { [$0.0, $0.1] }).joined(separator: "\n")
  }

  private func perMessage(_ microseconds: Double?) -> String {
    guard let microseconds, self.accepted > 0 else { return "not known" }
    return Self.decimal(microseconds / Double(self.accepted))
  }
}
