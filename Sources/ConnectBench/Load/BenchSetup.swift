/// The path of a benchmark's messages. Nil for what gateways that were running already do not tell.
struct BenchSetup: Codable, Hashable {
  let gateways: Int
  let messaging: Int?
  let partitions: Int?
  let primaries: Int?
  /// Kind of the Redis that was started: `plain`, `tls`, `cluster` or `cluster-tls`.
  let redis: String?
  /// When that one writes to its append-only file: `no`, `everysec` or `always`.
  let aof: String?
}

/// Counts of a primary, from its `INFO`.
struct PrimaryCounts: Equatable {
  var commands: Int
  /// Bytes that it has sent to each of its replicas.
  var replicationBytes: Int
  /// Memory of its data, and of all else that it keeps.
  var memoryBytes: Int

  init(info: String) {
    var values: [Substring: Int] = [:]
    for line in info.split(whereSeparator: \.isNewline) {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { values[parts[0]] = Int(parts[1]) }
    }
    self.commands = values["total_commands_processed"] ?? 0
    self.replicationBytes = values["master_repl_offset"] ?? 0
    self.memoryBytes = values["used_memory"] ?? 0
  }

  /// The counts between two readings.
  static func - (later: PrimaryCounts, earlier: PrimaryCounts) -> PrimaryCounts {
    var difference = later
    difference.commands -= earlier.commands
    difference.replicationBytes -= earlier.replicationBytes
    difference.memoryBytes -= earlier.memoryBytes
    return difference
  }
}
