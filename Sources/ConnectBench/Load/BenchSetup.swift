/// The path of a benchmark's messages, and where it runs. Nil for what gateways that were running already do not
/// tell.
struct BenchSetup: Codable, Hashable {
  var gateways: Int
  var messaging: Int?
  var partitions: Int?
  var primaries: Int?
  /// Kind of the Redis that was started: `plain`, `tls`, `cluster` or `cluster-tls`.
  var redis: String?
  /// Kind of a second one, for the users' keys; nil if there is none.
  var registry: String?
  var redisVersion: String?
  /// When these write to their append-only files: `no`, `everysec` or `always`.
  var aof: String?
  /// The condition for a message to count as accepted.
  var durability: String?
  var machine = Machine.current

  /// What was started, in one line.
  ///
  /// - Parameter sizes: whether with the numbers of gateways and primaries.
  func text(sizes: Bool = true) -> String {
    var parts: [String] = []
    if sizes { parts.append(BenchReport.count(self.gateways, "gateway")) }
    if let messaging = self.messaging { parts.append("\(messaging) messaging") }
    if let partitions = self.partitions {
      parts.append(BenchReport.count(partitions, "partition"))
    }
    if let redis = self.redis {
      parts.append("Redis \(self.redisVersion ?? "") \(redis)")
      if sizes, let primaries = self.primaries, primaries > 1 {
        parts[parts.count - 1] += " (\(primaries) primaries)"
      }
    }
    if let registry = self.registry { parts.append("a second \(registry)") }
    if let aof = self.aof { parts.append("AOF \(aof)") }
    if let durability = self.durability { parts.append("durability \(durability)") }
    return parts.joined(separator: ", ")
  }

  /// Its rows of a table.
  var rows: [[String]] { [["machine", self.machine.text], ["deployment", self.text()]] }

  /// The same as lines, above tables of figures.
  func lines(sizes: Bool = true) -> [String] { [self.machine.text, self.text(sizes: sizes), ""] }
}

/// Counts of a primary, from its `INFO`.
struct PrimaryCounts: Equatable {
  var commands: Int
  /// Bytes that it has sent to each of its replicas.
  var replicationBytes: Int
  /// Memory of its data, and of all else that it keeps.
  var memoryBytes: Int

  init(info: String) {
    let values = Self.values(info: info)
    func number(_ name: Substring) -> Int { values[name].flatMap { Int($0) } ?? 0 }
    self.commands = number("total_commands_processed")
    self.replicationBytes = number("master_repl_offset")
    self.memoryBytes = number("used_memory")
  }

  /// The version in an `INFO`, of Redis or of Valkey, which calls itself a Redis 7.2.4, too.
  static func version(info: String) -> String? {
    let values = Self.values(info: info)
    return (values["valkey_version"].map { "(Valkey \($0))" } ?? values["redis_version"])
      .map { String($0) }
  }

  private static func values(info: String) -> [Substring: Substring] {
    var values: [Substring: Substring] = [:]
    for line in info.split(whereSeparator: \.isNewline) {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { values[parts[0]] = parts[1] }
    }
    return values
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
