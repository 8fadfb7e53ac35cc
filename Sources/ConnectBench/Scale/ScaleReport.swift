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
    let mostPerSecond: Double
    let mostCPUMicrosecondsPerMessage: CPUCost?
  }

  let benchmark = "scale"
  let version = ConnectVersion.text
  let redis: String
  let aof: String
  let partitions: Int
  let connections: Int
  let bodyBytes: Int
  let rate: Int
  let window: Int
  private(set) var rows: [Row] = []
  private(set) var lost = 0
  private(set) var repeated = 0
  private(set) var reordered = 0

  init(
    _ options: Deployment.Options, partitions: Int, connections: Int, bodyBytes: Int, rate: Int,
    window: Int
  ) {
    self.redis = options.redis.rawValue
    self.aof = AppendOnly(options.persistence).rawValue
    self.partitions = partitions
    self.connections = connections
    self.bodyBytes = bodyBytes
    self.rate = rate
    self.window = window
  }

  mutating func add(_ row: Row) { self.rows.append(row) }

  /// - Parameter totals: of all messages of one deployment.
  mutating func count(_ totals: Ledger.Totals) {
    self.lost += totals.lost
    // What nobody sent is one too many.
    self.repeated += totals.repeated + totals.garbled
    self.reordered += totals.reordered
  }

  /// Whether every accepted message arrived once and in order.
  var isSound: Bool { self.lost == 0 && self.repeated == 0 && self.reordered == 0 }

  func table() -> String {
    var lines = [
      "CPU per message in microseconds, at \(self.rate) messages a second; and the most, where each user "
        + "keeps \(self.window) under way"
    ]
    lines += Self.columns(
      [
        ["shards", "gateways", "mailboxes"] + CPUCost.titles.map { "CPU \($0)" }
          + ["commands", "p50 ms", "p99 ms", "most a second", "CPU at most"]
      ]
        + self.rows.map { row in
          ["\(row.shards)", "\(row.gateways)", "\(row.mailboxes)"]
            + (row.cpuMicrosecondsPerMessage?.cells ?? CPUCost.unknownCells)
            + [
              row.commandsPerMessage.map { Self.decimal($0) } ?? "-",
              Self.decimal(row.latencyP50Milliseconds, 2),
              Self.decimal(row.latencyP99Milliseconds, 2), Self.decimal(row.mostPerSecond, 0),
              row.mostCPUMicrosecondsPerMessage.map { Self.decimal($0.all) } ?? "-",
            ]
        })
    if !self.isSound {
      lines.append("lost \(self.lost), repeated \(self.repeated), reordered \(self.reordered)")
    }
    return lines.joined(separator: "\n")
  }
}
