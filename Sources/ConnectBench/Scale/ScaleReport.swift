import MessageBus

/// What messages cost, and how many there can be, on deployments of several sizes.
struct ScaleReport: Report {
  /// The figures of one size.
  struct Row: Encodable {
    /// Primaries of the cluster.
    let shards: Int
    let gateways: Int
    /// Stored mailboxes of users who are offline.
    let mailboxes: Int
    /// At a steady rate, per accepted message; nil where the system does not tell.
    let cpuMicrosecondsPerMessage: CPUCost?
    let latencyP50Milliseconds: Double
    let latencyP99Milliseconds: Double
    /// Of all primaries, at that rate.
    let commandsPerMessage: Double?
    /// In a closed loop.
    let maximumPerSecond: Double
    let maximumCPUMicrosecondsPerMessage: CPUCost?
    /// See ``GeneratorShare``: in that loop.
    let generatorShare: Double
  }

  let benchmark = "scale"
  let version = ConnectVersion.text
  /// Of the first size.
  let setup: BenchSetup
  let connections: Int
  let bodyBytes: Int
  let rate: Int
  let window: Int
  private(set) var rows: [Row] = []
  private(set) var soundness = Soundness()

  init(setup: BenchSetup, connections: Int, bodyBytes: Int, rate: Int, window: Int) {
    self.setup = setup
    self.connections = connections
    self.bodyBytes = bodyBytes
    self.rate = rate
    self.window = window
  }

  mutating func add(_ row: Row) { self.rows.append(row) }

  /// - Parameter totals: of all messages of one deployment.
  mutating func count(_ totals: Ledger.Totals) {
    self.soundness.add(totals)
  }

  func table() -> String {
    var lines = self.setup.lines(sizes: false)
    lines.append(
      "CPU per message in microseconds, at \(self.rate) messages a second; and the maximum rate, where each "
        + "user keeps \(self.window) under way")
    lines += Self.columns(
      [
        ["shards", "gateways", "mailboxes"] + CPUCost.titles.map { "CPU \($0)" }
          + [
            "commands", "p50 ms", "p99 ms", "maximum rate", "CPU at maximum rate",
            GeneratorShare.title,
          ]
      ]
        + self.rows.map { row in
          ["\(row.shards)", "\(row.gateways)", "\(row.mailboxes)"]
            + CPUCost.cells(row.cpuMicrosecondsPerMessage)
            + [
              row.commandsPerMessage.map { Self.decimal($0) } ?? "-",
              Self.decimal(row.latencyP50Milliseconds, 2),
              Self.decimal(row.latencyP99Milliseconds, 2), Self.decimal(row.maximumPerSecond, 0),
              row.maximumCPUMicrosecondsPerMessage.map { Self.decimal($0.all) } ?? "-",
              GeneratorShare.text(row.generatorShare),
            ]
        })
    lines += GeneratorShare.lines(self.rows.map(\.generatorShare))
    lines += self.soundness.lines
    return lines.joined(separator: "\n")
  }
}

extension ScaleReport.Row {
  init(_ row: LoadBesideMailboxes.Row, closed: MeasuredLoad, setup: BenchSetup) {
    self.init(
      shards: setup.primaries ?? 0, gateways: setup.gateways, mailboxes: row.mailboxes,
      cpuMicrosecondsPerMessage: row.steady.cost,
      latencyP50Milliseconds: row.steady.latencies.milliseconds(50),
      latencyP99Milliseconds: row.steady.latencies.milliseconds(99),
      commandsPerMessage: row.steady.commandsPerMessage,
      maximumPerSecond: closed.sent.deliveredPerSecond,
      maximumCPUMicrosecondsPerMessage: closed.cost,
      generatorShare: closed.sent.generatorShare)
  }
}
