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
      self.answerP50Milliseconds = totals.latencies.milliseconds(50)
      self.answerP99Milliseconds = totals.latencies.milliseconds(99)
    }
  }

  let benchmark = "chat"
  let version = ConnectVersion.text
  let setup: BenchSetup
  let connections: Int
  /// Messages per second that were to be sent; nil in a closed loop.
  let rate: Int?
  /// Messages that each user of a closed loop kept under way.
  let window: Int?
  let bodyBytes: Int
  let seconds: Double
  let sent: Int
  let rejected: Int
  let delivered: Int
  /// In the time in which messages were sent.
  let deliveredPerSecond: Double
  let soundness: Soundness
  let disconnected: Int
  /// See ``GeneratorShare``.
  let generatorShare: Double
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
    self.rejected = totals.refused
    self.delivered = totals.shown
    self.deliveredPerSecond = load.sent.deliveredPerSecond
    self.soundness = Soundness(totals)
    self.disconnected = totals.disconnected
    self.generatorShare = load.sent.generatorShare
    self.latencyP50Milliseconds = load.latencies.milliseconds(50)
    self.latencyP99Milliseconds = load.latencies.milliseconds(99)
    self.latencyP999Milliseconds = load.latencies.milliseconds(99.9)
    self.latencyMaxMilliseconds = load.latencies.longest / .milliseconds(1)
    self.asking = asking
    self.processes = processes.map {
      Process(name: $0, before: load.before.usages[$0], after: load.after.usages[$0])
    }
    let primaries = load.after.primaries(since: load.before)
    self.commands = primaries.map(\.commands)
    self.replicationBytes = primaries.map(\.replicationBytes)
  }

  func table() -> String {
    var rows = self.setup.rows
    rows += [
      ["connections", "\(self.connections)"],
      ["sent", "\(self.sent) in \(Self.decimal(self.seconds)) s"],
      ["accepted", "\(self.soundness.accepted)"],
      ["rejected", "\(self.rejected)"],
      ["delivered", "\(self.delivered), \(Self.decimal(self.deliveredPerSecond, 0)) a second"],
    ]
    rows += self.soundness.rows
    rows += [
      ["disconnected", "\(self.disconnected)"],
      [
        "latency",
        "p50 \(Self.decimal(self.latencyP50Milliseconds)) ms, "
          + "p99 \(Self.decimal(self.latencyP99Milliseconds)) ms, "
          + "p99.9 \(Self.decimal(self.latencyP999Milliseconds)) ms, "
          + "max \(Self.decimal(self.latencyMaxMilliseconds)) ms",
      ],
      ["load generator", GeneratorShare.text(self.generatorShare) + " of a core"],
    ]
    if let asking = self.asking {
      rows += [
        [
          "lists and history",
          "\(asking.askers) askers, \(Self.decimal(asking.answeredPerSecond)) answers "
            + "and \(Self.decimal(asking.refusedPerSecond)) refusals per second",
        ],
        [
          "  latency",
          "p50 \(Self.decimal(asking.answerP50Milliseconds)) ms, "
            + "p99 \(Self.decimal(asking.answerP99Milliseconds)) ms",
        ],
      ]
    }
    rows.append(["CPU per message", "(microseconds per accepted message)"])
    let generator = MeasuredProcess.loadGenerator.name
    let services = self.processes.filter { $0.name != generator }.compactMap(\.cpuMicroseconds)
    for process in self.processes {
      rows.append(["  \(process.name)", self.perMessage(process.cpuMicroseconds)])
    }
    rows.append([
      "  all but the load generator",
      self.perMessage(services.isEmpty ? nil : services.reduce(0, +)),
    ])
    if !self.commands.isEmpty {
      let mean = Double(self.commands.reduce(0, +)) / Double(self.commands.count)
      rows.append(["commands per message", "(and of the mean of all primaries)"])
      for (index, count) in self.commands.enumerated() {
        let share = Self.decimal(100 * Double(count) / max(mean, 1))
        rows.append(["  primary \(index + 1)", "\(self.perMessage(Double(count))), \(share) %"])
      }
    }
    let lines = Self.columns(rows) + GeneratorShare.lines([self.generatorShare])
    return lines.joined(separator: "\n")
  }

  private func perMessage(_ microseconds: Double?) -> String {
    guard let microseconds, self.soundness.accepted > 0 else { return "not known" }
    return Self.decimal(microseconds / Double(self.soundness.accepted))
  }
}
