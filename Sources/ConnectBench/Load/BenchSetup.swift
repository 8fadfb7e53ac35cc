/// What the messages of a benchmark go through. Nil: what gateways that ran already do not tell.
struct BenchSetup: Encodable {
  let gateways: Int
  let messaging: Int?
  let partitions: Int?
  let primaries: Int?
  /// Which Redis was started: `plain`, `tls`, `cluster` or `cluster-tls`.
  let redis: String?
}

/// What a primary has counted, by its `INFO`.
struct PrimaryCounts: Equatable {
  var commands: Int
  /// The length of what it has sent to each of its replicas.
  var replicationBytes: Int

  init(info: String) {
    var values: [Substring: Int] = [:]
    for line in info.split(whereSeparator: \.isNewline) {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { values[parts[0]] = Int(parts[1]) }
    }
    self.commands = values["total_commands_processed"] ?? 0
    self.replicationBytes = values["master_repl_offset"] ?? 0
  }

  /// What was counted in between.
  static func - (later: PrimaryCounts, earlier: PrimaryCounts) -> PrimaryCounts {
    var difference = later
    difference.commands -= earlier.commands
    difference.replicationBytes -= earlier.replicationBytes
    return difference
  }
}
